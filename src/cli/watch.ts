import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stdio from "effect/Stdio"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { groupOf } from "../internal/budget.ts"
import { millisOf } from "./durationText.ts"
import { CommandFailure, misuse } from "./failure.ts"
import { palette, print } from "./output.ts"
import { makeScreen } from "./screen.ts"
import { span } from "./table.ts"
import { processSource, redisSource, type Sight, type Source, type Unreachable } from "./watch/source.ts"
import { visible } from "./visible.ts"
import { blocksOf, lineOf } from "./watch/view.ts"

export const watch = Command.make(
  "watch",
  {
    url: Argument.String("url").pipe(
      Argument.withDescription("A process that tells its budgets, as with BudgetStatus.route"),
      Argument.optional
    ),
    redis: Flag.String("redis").pipe(
      Flag.withMetavar("url"),
      Flag.withDescription("A Redis with shared budgets (default: REDIS_URL)"),
      Flag.withFallbackConfig(Config.String("REDIS_URL")),
      Flag.optional
    ),
    key: Flag.String("key").pipe(
      Flag.withDescription("The key of the outermost shared budget, or the word in braces in its key"),
      Flag.optional
    ),
    prefix: Flag.String("prefix").pipe(
      Flag.withDescription("Begins all keys in Redis (default: effect-budget)"),
      Flag.withDefault("effect-budget")
    ),
    every: Flag.String("every").pipe(
      Flag.withMetavar("duration"),
      Flag.withDescription('How often it looks (default: "1 second")'),
      Flag.withDefault("1 second"),
      Flag.filterMap(everyOf, (text) => `a duration such as "500 millis" or "2 seconds", got "${text}"`)
    ),
    once: Flag.Boolean("once").pipe(Flag.withDescription("Look once and end"), Flag.withDefault(false)),
    json: Flag.Boolean("json").pipe(Flag.withDescription("Print a line of JSON for each look"), Flag.withDefault(false))
  },
  Effect.fnUntraced(
    function* ({ every, json, key, once, prefix, redis, url }) {
      const source = yield* sourceOf({ url, redis, key, prefix })
      if (once) return yield* showOnce(source, json)
      const stdio = yield* Stdio.Stdio
      const isLive = !json && (yield* stdio.stdoutIsTerminal)
      const show = isLive ? yield* inPlace(source, every) : json ? asJson : asLines
      // Who has typed something wrong is to know it at once. Later on, what is gone may come back.
      const first = yield* Effect.mapError(
        source.look,
        ({ message }) => new CommandFailure({ message: `cannot watch ${source.name}: ${message}` })
      )
      yield* show(first)
      const again = Effect.andThen(
        Effect.sleep(every),
        Effect.matchEffect(source.look, { onSuccess: show, onFailure: show })
      )
      return yield* Effect.forever(again)
    },
    Effect.scoped,
    // Its clients log what is told here anyway, and would write into the picture.
    Effect.provide(Logger.layer([]))
  )
).pipe(
  Command.withDescription(
    "Shows budgets while they are used: in place on a terminal, else a line for each of them and look. Ctrl-C ends it."
  ),
  Command.withShortDescription("Look at budgets while they are used"),
  Command.withExamples([
    { command: "effect-budget watch --redis redis://localhost:6379 --key openai" },
    { command: "effect-budget watch http://localhost:3000/budgets --json" }
  ])
)

function everyOf(text: string): Option.Option<Duration.Duration> {
  const millis = millisOf(text) ?? 0
  return millis > 0 ? Option.some(Duration.millis(millis)) : Option.none()
}

const sourceOf = (asked: {
  readonly url: Option.Option<string>
  readonly redis: Option.Option<string>
  readonly key: Option.Option<string>
  readonly prefix: string
}): Effect.Effect<Source, CommandFailure, Scope.Scope> => {
  if (Option.isSome(asked.url)) return Effect.succeed(processSource(asked.url.value))
  if (Option.isNone(asked.redis)) {
    return Effect.fail(misuse("say what to watch: the URL of a process, or --redis with --key"))
  }
  if (Option.isNone(asked.key)) {
    return Effect.fail(misuse("say which budget to watch: --key, as in Budget.Service"))
  }
  return redisSource({ url: asked.redis.value, group: groupOf(asked.key.value), prefix: asked.prefix })
}

type Seen = Sight | Unreachable

const isSight = (seen: Seen): seen is Sight => !("_tag" in seen)

const showOnce = Effect.fnUntraced(function* (source: Source, json: boolean) {
  const sight = yield* Effect.mapError(
    source.look,
    ({ message }) => new CommandFailure({ message: `cannot watch ${source.name}: ${message}` })
  )
  if (json) return yield* asJson(sight)
  if (sight.budgets.length === 0) return yield* new CommandFailure({ message: `no budgets are known: ${source.name}` })
  yield* print(blocksOf(sight, yield* palette))
})

const asJson = Effect.fnUntraced(function* (seen: Seen) {
  const at = yield* Clock.currentTimeMillis
  yield* print(JSON.stringify(isSight(seen) ? { at, ...seen } : { at, error: seen.message }))
})

const asLines = Effect.fnUntraced(function* (seen: Seen) {
  const at = new Date(yield* Clock.currentTimeMillis).toISOString()
  if (!isSight(seen)) return yield* print(`${at}   ${visible(seen.message)}`)
  const lines = seen.budgets.map((budget) => `${at}   ${lineOf(budget)}`)
  yield* print(lines.length === 0 ? `${at}   no budgets are known` : lines.join("\n"))
})

const inPlace = Effect.fnUntraced(function* (source: Source, every: Duration.Duration) {
  const screen = yield* makeScreen
  const colours = yield* palette
  let last: Sight | undefined
  let lastAt = 0
  return Effect.fnUntraced(function* (seen: Seen): Effect.fn.Return<void, never, Stdio.Stdio> {
    const now = yield* Clock.currentTimeMillis
    if (isSight(seen)) [last, lastAt] = [seen, now]
    const heading = `${visible(source.name)}   every ${span(Duration.toMillis(every))}   Ctrl-C ends`
    const trouble = isSight(seen) ? [] : [colours.red(`${visible(seen.message)}; this is ${span(now - lastAt)} old`)]
    const known = last === undefined || last.budgets.length === 0 ? "no budgets are known" : blocksOf(last, colours)
    yield* screen.show([colours.dim(heading), ...trouble, "", known].join("\n"))
  })
})
