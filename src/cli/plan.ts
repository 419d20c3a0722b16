import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import type { Outcome } from "../Simulation.ts"
import { CommandFailure, misuse } from "./failure.ts"
import { type Palette, palette, print, printJson } from "./output.ts"
import { type Advance, withProgress } from "./progress.ts"
import { attemptsOf, type Found, search } from "./search.ts"
import { type AdvanceOfCalls, CALLS_MAX, WORKERS_MAX, type Unknown } from "./setting.ts"
import { settingFlags, settingOf } from "./settingFlags.ts"
import { simulated } from "./simulate.ts"
import { parseTarget, type Target } from "./target.ts"
import { grouped, table } from "./table.ts"

export const plan = Command.make(
  "plan",
  {
    ...settingFlags,
    targets: Flag.String("target").pipe(
      Flag.withAlias("t"),
      Flag.withMetavar("target"),
      Flag.withDescription(
        'As "p95 wait < 2 seconds", "refused < 1 %", "throttled < 1 %"; may be given several times (default: "waited or refused < 5 %")'
      ),
      Flag.filterMap(
        (text) => Option.fromUndefinedOr(parseTarget(text)),
        (text) =>
          `a target such as "p95 wait < 2 seconds", "waited or refused < 5 %" or "throttled < 1 %", got "${text}"`
      ),
      Flag.atLeast(0)
    ),
    json: Flag.Boolean("json").pipe(Flag.withDescription("Print JSON"), Flag.withDefault(false))
  },
  Effect.fnUntraced(function* ({ json, targets: given, ...setup }) {
    const setting = yield* settingOf(setup)
    const { unknown } = setting
    if (unknown === undefined) {
      return yield* misuse('say with "?" what to find: --workers "?", --rate "?" or --limit "? tokens / minute"')
    }
    const targets = given.length === 0 ? usual : given
    if (!setting.hasProvider && targets.some(({ needsProvider }) => needsProvider)) {
      return yield* misuse(
        "a target of throttled calls needs limits of the provider: --provider-limit, or provider in the file"
      )
    }
    const from = unknown.scale > 1 ? 1 : unknown.name.includes("token") ? TOKENS_FROM : 1
    let attempts = 0
    const found = yield* withProgress("searching", attemptsOf(from, TYPICAL), (advance) =>
      search<Outcome, CommandFailure, FileSystem.FileSystem>({
        what: unknown.what,
        from,
        max: unknown.max,
        attempt: Effect.fnUntraced(function* (value: number) {
          const within = (fraction: number) => advance(attempts + Math.min(1, fraction))
          const callsMax = unknown.what === "most" ? CALLS_TOO_MANY : Number.POSITIVE_INFINITY
          const outcome = yield* ofAtMost(callsMax, within, (advance) =>
            Effect.flatMap(setting.options(advance, value / unknown.scale), simulated)
          )
          attempts++
          return outcome
        }),
        isGood: (outcome) => targets.every(({ isMet }) => isMet(outcome))
      })
    )
    if (json) return yield* printJson(jsonOf(found, unknown, targets))
    if (found.good === undefined) return yield* hopeless(found, unknown, targets)
    yield* print(textOf(found, unknown, targets, yield* palette))
  })
).pipe(
  Command.withDescription(
    'Finds the least limit, or the most workers or calls, with which a target is met: what is wanted is written as "?".'
  ),
  Command.withShortDescription("Find limits or workers for a target"),
  Command.withExamples([
    { command: 'effect-budget plan --workers "?" --limit "90k tokens / minute" --target "p95 wait < 2 seconds"' },
    { command: 'effect-budget plan --rate 60 --limit "? tokens / minute"' }
  ])
)

/** A simulation, unless it turns out to be of more calls than that. */
export const ofAtMost = <A, E, R>(
  callsMax: number,
  advance: Advance,
  run: (advance: AdvanceOfCalls) => Effect.Effect<A, E, R>
): Effect.Effect<A | undefined, E, R> =>
  Effect.gen(function* () {
    const tooMany = yield* Deferred.make<undefined>()
    const counted: AdvanceOfCalls = (fraction, calls = 0) =>
      calls > callsMax ? Effect.asVoid(Deferred.succeed(tooMany, undefined)) : advance(fraction)
    return yield* Effect.raceFirst(run(counted), Deferred.await(tooMany))
  })

const usual: ReadonlyArray<Target> = ["waited or refused < 5 %"].flatMap((text) => parseTarget(text) ?? [])

// Smaller limits than that let no call pass.
const TOKENS_FROM = 1_024
// Workers make as many as they come to. By themselves come as many as were asked for, more or less.
const CALLS_TOO_MANY = CALLS_MAX * 1.1
// For the bar, which cannot know.
const TYPICAL = 100_000

const jsonOf = ({ bad, good, isOpen }: Found<Outcome>, unknown: Unknown, targets: ReadonlyArray<Target>) => {
  const tried = (one: Found<Outcome>["good"]) =>
    one === undefined
      ? null
      : {
          value: one.value / unknown.scale,
          calls: one.outcome.calls,
          provider: one.outcome.provider ?? null,
          waitMillis: one.outcome.waitMillis
        }
  return {
    unknown: unknown.name,
    targets: targets.map(({ text }) => text),
    found: good === undefined ? null : good.value / unknown.scale,
    with: tried(good),
    next: tried(bad),
    isBounded: good === undefined || unknown.what === "least" || !isOpen
  }
}

const hopeless = ({ bad }: Found<Outcome>, unknown: Unknown, targets: ReadonlyArray<Target>) => {
  if (bad === undefined && unknown.what === "most") {
    return new CommandFailure({
      message: `even ${unknown.written(1)} would be more than ${grouped(CALLS_MAX)} calls: try a shorter --duration`
    })
  }
  const seen =
    bad === undefined
      ? ""
      : `, with ${unknown.written(bad.value / unknown.scale)} it is ${seenIn(bad.outcome, targets)}`
  return new CommandFailure({ message: `no number meets the target: ${textsOf(targets)}${seen}` })
}

const textsOf = (targets: ReadonlyArray<Target>): string => targets.map(({ text }) => text).join(", ")

const seenIn = (outcome: Outcome, targets: ReadonlyArray<Target>): string =>
  targets.map(({ seen }) => seen(outcome)).join(", ")

const textOf = (
  { bad, good, isOpen }: Found<Outcome>,
  unknown: Unknown,
  targets: ReadonlyArray<Target>,
  { bold, dim, green, red }: Palette
): string => {
  const row = (tried: NonNullable<typeof good>, mark: (text: string) => string) =>
    [
      unknown.written(tried.value / unknown.scale),
      ...targets.map(({ isMet, seen }) => (isMet(tried.outcome) ? seen(tried.outcome) : red(seen(tried.outcome)))),
      dim(`${grouped(tried.outcome.calls.asked)} calls`)
    ].map((cell, index) => (index === 0 ? mark(cell) : cell))
  const rows = [
    ...(good === undefined ? [] : [row(good, (text) => bold(green(text)))]),
    ...(bad === undefined ? [] : [row(bad, (text) => text)])
  ]
  const met = good !== undefined && unknown.what === "most" && isOpen ? [openTextOf(good.value, unknown)] : []
  const heading = `${unknown.what === "least" ? "The least" : "The most"} for ${textsOf(targets)}:`
  return [heading, table(rows[0]?.map(() => "left" as const) ?? [], rows), ...met].join("\n\n")
}

const openTextOf = (most: number, { max, written }: Unknown): string => {
  const bound = most * 2 > max && max === WORKERS_MAX ? written(max) : `${grouped(CALLS_MAX)} calls`
  return `met up to ${written(most)}: the target sets no bound within ${bound}`
}
