/** The state of everything at a point of a log, recomputed from what happened before it. */
import type { BudgetError } from "../../../src/BudgetError.ts"
import type * as Limit from "../../../src/Limit.ts"
import * as Usage from "../../../src/Usage.ts"
import type { Entry, Log } from "./log.ts"
import { type Instant, NaiveLimit, type Ready, type Taken } from "./naiveLimit.ts"
import { NaivePause } from "./naivePause.ts"
import { type Call, type Deed, demandOf, pathOf, type Program } from "./program.ts"

/** What became of a waiting, which is known only after the one who waited went on. */
export type Fate = "admitted" | { readonly refused: BudgetError } | "gone"

export interface CallState {
  readonly call: Call
  readonly path: ReadonlySet<number>
  /** What it holds once it is admitted. */
  readonly granted: Usage.Usage
  phase: "unasked" | "waiting" | "open" | "over"
  /** Its place in the order of arrival. */
  arrival: number
  askedAt: number
  held: ReadonlyArray<{ readonly limit: NaiveLimit; readonly amount: number; readonly taken: Taken }>
  recorded: Usage.Usage | undefined
}

/** What somebody who replays a log wants to see. State is as it was just before. */
export interface Watcher {
  readonly admitted?: (state: CallState, at: Instant, hasWaited: boolean) => void
  readonly refused?: (state: CallState, at: Instant, error: BudgetError, hasWaited: boolean) => void
  readonly settled?: (state: CallState, at: Instant, actual: Usage.Usage | undefined, isAdmission: boolean) => void
  readonly invalid?: (state: CallState) => void
  readonly settledTwice?: (state: CallState) => void
  readonly deed?: (deed: Deed, isRefused: boolean) => void
  readonly entry?: (entry: Entry, index: number) => void
}

export class Replay {
  readonly program: Program
  readonly calls: ReadonlyArray<CallState>
  readonly limits: ReadonlyArray<Array<NaiveLimit>>
  /** All limits there ever were. */
  readonly everyLimit: Array<NaiveLimit> = []
  readonly pauses: ReadonlyArray<NaivePause>
  readonly spent: Array<Usage.Usage>
  readonly #log: Log
  readonly #fates: ReadonlyMap<Entry, Fate>

  constructor(log: Log, fates: ReadonlyMap<Entry, Fate>) {
    const { budgets, calls, startsAt } = log.program
    this.#log = log
    this.#fates = fates
    this.program = log.program
    const granted = new Map(
      log.entries.map((entry) => (entry.is === "started" ? [entry.call, entry.granted] : [-1, undefined]))
    )
    this.calls = calls.map((call) => ({
      call,
      path: pathOf(budgets, call.budget),
      granted: granted.get(call.id) ?? demandOf(call),
      phase: "unasked",
      arrival: -1,
      askedAt: Number.NaN,
      held: [],
      recorded: undefined
    }))
    this.limits = budgets.map(({ limits }, budget) => limits.map((rule) => this.#limit(budget, rule, startsAt)))
    this.pauses = budgets.map(() => new NaivePause())
    this.spent = budgets.map(() => Usage.zero)
  }

  run(watcher: Watcher): void {
    const { entries } = this.#log
    const woken = new Set<number>()
    for (const [index, entry] of entries.entries()) {
      for (const limit of this.everyLimit) limit.see(entry)
      watcher.entry?.(entry, index)
      switch (entry.is) {
        case "asked":
          this.#asked(entry.call, index, entry)
          break
        case "woken": {
          woken.add(entry.call)
          const fate = this.#fates.get(entry)!
          if (fate === "admitted") this.#admit(entry.call, entry, true, watcher)
          else this.#refuse(entry.call, entry, fate, true, watcher)
          break
        }
        case "started":
          if (!woken.has(entry.call)) this.#admit(entry.call, entry, false, watcher)
          break
        case "refused":
          if (!woken.has(entry.call)) this.#refuse(entry.call, entry, { refused: entry.error }, false, watcher)
          break
        case "interrupted":
          this.#interrupt(entry.call, entry, entries, index, watcher)
          break
        case "commit":
        case "record":
        case "release":
          this.#while(entry, watcher)
          break
        case "ended":
          this.#ended(entry.call, entry.exit, entry, watcher)
          break
        case "over":
          if (this.calls[entry.call]!.phase === "waiting") this.calls[entry.call]!.phase = "over"
          break
        case "deed":
          this.#perform(entry.deed, entry.isRefused, entry, watcher)
          break
        case "snapshot":
        case "rest":
          break
      }
    }
  }

  /** The limits on a path, as they are now, with what a usage measures there. */
  amounts(path: ReadonlySet<number>, usage: Usage.Usage): ReadonlyArray<{ limit: NaiveLimit; amount: number }> {
    return [...path].flatMap((budget) =>
      this.limits[budget]!.map((limit) => ({ limit, amount: limit.rule.meter.measure(usage) }))
    )
  }

  /** The budgets of a path whose limits decide. */
  deciding(path: ReadonlySet<number>): ReadonlySet<number> {
    return new Set([...path].filter((budget) => !this.program.budgets[budget]!.isShadow))
  }

  /** The budgets of a path whose limits only count and report. */
  shadows(path: ReadonlySet<number>): ReadonlySet<number> {
    return new Set([...path].filter((budget) => this.program.budgets[budget]!.isShadow))
  }

  /** When each limit that decides about a call would let it in, if nobody else asked and nothing settled. */
  readiness(
    state: CallState,
    at: Instant,
    path: ReadonlySet<number> = this.deciding(state.path)
  ): ReadonlyArray<{ limit: NaiveLimit | "pause"; budget: number; ready: Ready }> {
    const limits = this.amounts(path, demandOf(state.call)).map(({ amount, limit }) => ({
      limit,
      budget: limit.budget,
      ready: limit.readyAt(amount, at)
    }))
    const pauses = [...path].map((budget) => ({
      limit: "pause" as const,
      budget,
      ready: this.pauses[budget]!.readyAt(at.now)
    }))
    return [...pauses, ...limits]
  }

  fits(state: CallState, at: Instant): boolean {
    return this.readiness(state, at).every(({ ready }) => ready === at.now)
  }

  /** The step in which a call asked. */
  stepOf({ arrival }: CallState): number | undefined {
    return this.#log.entries[arrival]?.step
  }

  waiting(): ReadonlyArray<CallState> {
    return this.calls.filter(({ phase }) => phase === "waiting")
  }

  open(): ReadonlyArray<CallState> {
    return this.calls.filter(({ phase }) => phase === "open")
  }

  /** Those who wait for something in common with a call that they came before and that would take so much. */
  ahead(state: CallState, usage: Usage.Usage = demandOf(state.call)): ReadonlyArray<CallState> {
    return this.waiting().filter(
      (other) => other !== state && goesBefore(other, state) && this.shares(other, state, usage)
    )
  }

  /** Whether one who waits and another that would take so much count in the same limit, or in the same pause. */
  shares(a: CallState, b: CallState, usage: Usage.Usage): boolean {
    const common = [...this.deciding(a.path)].filter((budget) => b.path.has(budget))
    return common.some(
      (budget) =>
        this.pauses[budget]!.until > Number.NEGATIVE_INFINITY ||
        this.limits[budget]!.some(
          ({ rule }) => rule.meter.measure(demandOf(a.call)) > 0 && rule.meter.measure(usage) > 0
        )
    )
  }

  /** What is wrong with a usage for a call that holds something, or asks. */
  isNonsense(usage: Usage.Usage, limits: ReadonlyArray<{ readonly limit: NaiveLimit }>): boolean {
    const amounts = [...Object.values(usage), usage.inputTokens + usage.outputTokens]
    if (!amounts.every((amount) => Number.isSafeInteger(amount) && amount >= 0)) return true
    if (usage.cacheReadTokens + usage.cacheWriteTokens > usage.inputTokens) return true
    if (usage.reasoningTokens > usage.outputTokens) return true
    return limits.some(({ limit }) => !Number.isSafeInteger(limit.rule.meter.measure(usage)))
  }

  /** What is wrong with what a call asks for. */
  asksNonsense({ call, path }: CallState): boolean {
    const { estimate, least } = call
    const limits = this.amounts(path, estimate)
    if (least === undefined || this.isNonsense(estimate, limits)) return this.isNonsense(estimate, limits)
    return this.isNonsense(least, limits) || Usage.fields.some((field) => least[field] > estimate[field])
  }

  #limit(budget: number, rule: Limit.Limit, now: number): NaiveLimit {
    const limit = new NaiveLimit(budget, rule, now)
    this.everyLimit.push(limit)
    return limit
  }

  #asked(id: number, index: number, { now }: Entry): void {
    const state = this.calls[id]!
    state.phase = "waiting"
    state.arrival = index
    state.askedAt = now
  }

  #admit(id: number, at: Instant, hasWaited: boolean, watcher: Watcher): void {
    const state = this.calls[id]!
    watcher.admitted?.(state, at, hasWaited)
    for (const budget of state.path) this.pauses[budget]!.admit(at.now)
    const amounts = this.amounts(state.path, state.granted)
    state.held = amounts.map(({ amount, limit }) => ({ limit, amount, taken: limit.take(amount, at) }))
    state.phase = "open"
  }

  #refuse(id: number, at: Instant, fate: Fate, hasWaited: boolean, watcher: Watcher): void {
    const state = this.calls[id]!
    if (state.phase !== "waiting") return
    if (typeof fate === "object") watcher.refused?.(state, at, fate.refused, hasWaited)
    state.phase = "over"
  }

  /** Ends a waiting. One that was admitted and has not gone on is as if it had never asked. */
  #interrupt(id: number, at: Instant, entries: ReadonlyArray<Entry>, index: number, watcher: Watcher): void {
    const state = this.calls[id]!
    if (state.phase === "waiting") state.phase = "over"
    if (state.phase !== "open") return
    const hasStarted = entries.slice(0, index).some((entry) => entry.is === "started" && entry.call === id)
    if (!hasStarted) this.#settle(state, at, undefined, watcher, true)
  }

  #while(entry: Extract<Entry, { is: "commit" | "record" | "release" }>, watcher: Watcher): void {
    const state = this.calls[entry.call]!
    if (state.phase !== "open") return watcher.settledTwice?.(state)
    if (entry.is === "release") return this.#settle(state, entry, undefined, watcher)
    const isNonsense = this.isNonsense(entry.usage, state.held)
    if (isNonsense) watcher.invalid?.(state)
    if (entry.is === "commit") this.#settle(state, entry, isNonsense ? state.granted : entry.usage, watcher)
    else if (!isNonsense) state.recorded = entry.usage
    else state.recorded ??= state.granted
  }

  #ended(id: number, exit: "success" | "failure", at: Instant, watcher: Watcher): void {
    const state = this.calls[id]!
    if (state.phase !== "open") return
    const { granted: estimate } = state
    const { actual, budget, onFailure = this.program.budgets[budget]!.onFailure } = state.call
    if (exit === "failure") {
      this.#settle(state, at, state.recorded ?? (onFailure === "charge" ? estimate : undefined), watcher)
      return
    }
    if (actual === undefined) return this.#settle(state, at, estimate, watcher)
    const read = actual === "throws" || this.isNonsense(actual, state.held) ? undefined : actual
    if (read === undefined) watcher.invalid?.(state)
    this.#settle(state, at, read ?? estimate, watcher)
  }

  #settle(state: CallState, at: Instant, actual: Usage.Usage | undefined, watcher: Watcher, isUndone = false): void {
    watcher.settled?.(state, at, actual, isUndone)
    for (const { limit, taken } of state.held) {
      limit.settle(taken, actual === undefined ? 0 : limit.rule.meter.measure(actual), at)
    }
    state.phase = "over"
    if (actual !== undefined) this.#spend(state.path, actual)
  }

  #spend(path: ReadonlySet<number>, usage: Usage.Usage): void {
    for (const budget of path) this.spent[budget] = Usage.add(this.spent[budget]!, usage)
  }

  #perform(deed: Deed, isRefused: boolean, at: Instant, watcher: Watcher): void {
    watcher.deed?.(deed, isRefused)
    if (isRefused || deed.do === "setBack" || deed.do === "close") return
    if (deed.do === "pause") {
      this.pauses[deed.budget]!.pause(at.now + deed.until - deed.at, deed.isGradual, at.now)
    } else if (deed.do === "charge") {
      const path = pathOf(this.program.budgets, deed.budget)
      for (const { amount, limit } of this.amounts(path, deed.usage)) limit.charge(amount, at)
      this.#spend(path, deed.usage)
    } else {
      const known = this.limits[deed.budget]!
      const limits = deed.limits.map((rule) => {
        const same = known.find((limit) => isSameRule(limit.rule, rule))
        if (same === undefined) return this.#limit(deed.budget, rule, at.now)
        same.change(rule, at.now)
        return same
      })
      known.splice(0, known.length, ...limits)
    }
  }
}

/** Within a budget by priority, then by arrival; among budgets by arrival. */
export const goesBefore = (a: CallState, b: CallState): boolean =>
  a.call.budget === b.call.budget && a.call.priority !== b.call.priority
    ? a.call.priority > b.call.priority
    : a.arrival < b.arrival

const isSameRule = (a: Limit.Limit, b: Limit.Limit): boolean =>
  a.name === b.name &&
  a._tag === b._tag &&
  a.meter === b.meter &&
  ("chargeAt" in a ? a.chargeAt : undefined) === ("chargeAt" in b ? b.chargeAt : undefined)

/**
 * What became of those who were woken. One that was interrupted before it went on does not say; then the budget does:
 * something is open that nobody else holds. At most one call of a program is interrupted so.
 */
export const fatesOf = ({ entries, program }: Log): ReadonlyMap<Entry, Fate> => {
  const fates = new Map<Entry, Fate>()
  for (const [index, entry] of entries.entries()) {
    if (entry.is !== "woken") continue
    const next = entries.slice(index + 1).find((later) => "call" in later && later.call === entry.call)
    if (next?.is === "started") fates.set(entry, "admitted")
    else if (next?.is === "refused") fates.set(entry, { refused: next.error })
    else fates.set(entry, "gone")
  }
  for (const entry of entries) {
    if (entry.is !== "woken" || entry.open === undefined || fates.get(entry) !== "gone") continue
    const interruption = entries.findIndex((later) => later.is === "interrupted" && later.call === entry.call)
    const replay = new Replay({ program, entries: entries.slice(0, interruption), ...nothingElse }, fates)
    replay.run({})
    const budget = program.calls[entry.call]!.budget
    if (entry.open > replay.open().filter(({ path }) => path.has(budget)).length) fates.set(entry, "admitted")
  }
  return fates
}

const nothingElse = { stuck: [], events: new Map(), ties: [], timersFired: 0, timersMax: 0 }
