import * as Effect from "effect/Effect"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { loadCatalog } from "../internal/pricing/catalog.ts"
import * as Pricing from "../Pricing.ts"
import * as Usage from "../Usage.ts"
import { CommandFailure, misuse } from "./failure.ts"
import { nearest } from "./nearest.ts"
import { palette, print, printJson } from "./output.ts"
import { dollars, grouped, table } from "./table.ts"

const amount = (name: string, description: string) =>
  Flag.Int(name).pipe(
    Flag.withMetavar("tokens"),
    Flag.withDescription(description),
    Flag.withDefault(0),
    Flag.filter(
      (tokens) => Usage.isAmount(tokens),
      (tokens) => `a whole number of zero or more, got ${tokens}`
    )
  )

export const price = Command.make(
  "price",
  {
    model: Argument.String("model").pipe(Argument.withDescription("The model, as its provider or a gateway writes it")),
    input: amount("input", "Input tokens, those of the cache included"),
    output: amount("output", "Output tokens, reasoning included"),
    cacheRead: amount("cache-read", "Input tokens that are read from a cache"),
    cacheWrite: amount("cache-write", "Input tokens that are written to a cache"),
    reasoning: amount("reasoning", "Output tokens that are reasoning"),
    calls: Flag.Int("calls").pipe(
      Flag.withDescription("How many such calls"),
      Flag.withDefault(1),
      Flag.filter(
        (calls) => calls > 0,
        (calls) => `a positive whole number, got ${calls}`
      )
    ),
    provider: Flag.String("provider").pipe(
      Flag.withMetavar("id"),
      Flag.withDescription("The provider, where the name of the model is not enough"),
      Flag.optional
    ),
    json: Flag.Boolean("json").pipe(Flag.withDescription("Print JSON"), Flag.withDefault(false))
  },
  Effect.fnUntraced(function* ({ calls, json, model, ...asked }) {
    const provider = asked.provider._tag === "Some" ? asked.provider.value : undefined
    const usage = Usage.make({
      inputTokens: asked.input,
      outputTokens: asked.output,
      cacheReadTokens: asked.cacheRead,
      cacheWriteTokens: asked.cacheWrite,
      reasoningTokens: asked.reasoning
    })
    const problem = Usage.problem(usage)
    if (problem !== undefined) return yield* misuse(`these tokens make no sense: ${problem}`)
    const nanoUsd = (one: Usage.Usage) =>
      Pricing.price({ model, provider, usage: one }).pipe(
        Effect.map(({ costNanoUsd }) => costNanoUsd),
        Effect.catchTag("UnknownModel", () => unknownModel(model))
      )
    const perCall = yield* nanoUsd(usage)
    const rates = yield* ratesOf(nanoUsd)
    if (json) {
      return yield* printJson({
        model,
        usage,
        calls,
        costNanoUsd: perCall * calls,
        costUsd: (perCall * calls) / 1e9,
        rates
      })
    }
    yield* print(yield* textOf({ model, usage, calls, perCall, rates }))
  })
).pipe(
  Command.withDescription(
    "Says what a call to a model costs, or a thousand of them, and what the model takes for a million tokens."
  ),
  Command.withShortDescription("Say what calls to a model cost"),
  Command.withExamples([
    { command: "effect-budget price gpt-4o-mini --input 1200 --output 300 --calls 1000" },
    { command: "effect-budget price claude-sonnet-4-5" }
  ])
)

/** Dollars for a million tokens, in a call of a thousand: prices may depend on the length of the input. */
interface Rates {
  readonly input: number
  readonly cacheRead: number
  readonly cacheWrite: number
  readonly output: number
}

export const ratesOf = Effect.fnUntraced(function* <E>(nanoUsd: (usage: Usage.Usage) => Effect.Effect<number, E>) {
  const base = yield* nanoUsd(Usage.make({}))
  const rate = (input: Usage.Input) =>
    Effect.map(nanoUsd(Usage.make(input)), (cost) => ((cost - base) * 1_000) / Usage.nanoUsdPerUsd)
  return yield* Effect.all({
    input: rate({ inputTokens: 1_000 }),
    cacheRead: rate({ inputTokens: 1_000, cacheReadTokens: 1_000 }),
    cacheWrite: rate({ inputTokens: 1_000, cacheWriteTokens: 1_000 }),
    output: rate({ outputTokens: 1_000 })
  })
})

export const unknownModel = Effect.fnUntraced(function* (model: string) {
  const catalog = yield* Effect.promise(loadCatalog)
  const names = nearest(model, catalog.names())
  const hint =
    names.length === 0 ? "" : `\n\n  Did you mean one of these?\n${names.map((name) => `    ${name}`).join("\n")}`
  return yield* new CommandFailure({ message: `no price is known for the model "${model}"${hint}` })
})

const textOf = Effect.fnUntraced(function* (priced: {
  readonly model: string
  readonly usage: Usage.Usage
  readonly calls: number
  readonly perCall: number
  readonly rates: Rates
}) {
  const { bold, dim } = yield* palette
  const { calls, model, perCall, rates, usage } = priced
  const perMillion = (usd: number) => dim(`${dollars(Math.round(usd * Usage.nanoUsdPerUsd))} per million`)
  const fresh = usage.inputTokens - usage.cacheReadTokens - usage.cacheWriteTokens
  const isAsked = usage.inputTokens + usage.outputTokens > 0
  const row = (name: string, tokens: number, usd: number) => [name, isAsked ? grouped(tokens) : "", perMillion(usd)]
  const rows = [
    row("input", fresh, rates.input),
    row("cache read", usage.cacheReadTokens, rates.cacheRead),
    row("cache write", usage.cacheWriteTokens, rates.cacheWrite),
    row("output", usage.outputTokens, rates.output)
  ]
  const lines = [bold(model), table(["left", "right", "right"], rows)]
  if (isAsked) lines.push("", `one call      ${bold(dollars(perCall))}`)
  if (isAsked && calls > 1) lines.push(`${grouped(calls)} calls   ${bold(dollars(perCall * calls))}`)
  return lines.join("\n")
})
