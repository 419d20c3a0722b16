import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Breaker from "../../Breaker.ts"
import type * as Budget from "../../Budget.ts"
import type * as Dialect from "../../Dialect.ts"
import type { Destination, Governor, Options } from "../../Governor.ts"
import * as OutputHistory from "../../OutputHistory.ts"
import * as Pricing from "../../Pricing.ts"
import * as TokenCounter from "../../TokenCounter.ts"
import * as Usage from "../../Usage.ts"
import { countsMoney, isTraced } from "../budget.ts"
import { OpenCall } from "./openCall.ts"
import { spanAttributes } from "./spanAttributes.ts"

/** A governor of the budget that each call has. */
export const makeGovernor = (options: Options<unknown>, budgetOfCall: Effect.Effect<Budget.Budget>): Governor => {
  const { breaker, leastOutputTokens, maxWait, priority } = options
  const unboundedOutput = wholeTokens("outputTokens", options.outputTokens ?? OUTPUT_TOKENS)
  if (leastOutputTokens === 0) throw new RangeError("Governor.make: leastOutputTokens must be positive, got 0")
  if (leastOutputTokens !== undefined) wholeTokens("leastOutputTokens", leastOutputTokens)
  const unpriced = new Set<string>()

  const price = Effect.fnUntraced(function* (
    pricing: Pricing.Pricing,
    priced: Pricing.Priced,
    isCounted: boolean
  ): Effect.fn.Return<number, Pricing.UnknownModel> {
    if (isCounted) return yield* pricing.price(priced)
    return yield* Effect.catchTag(pricing.price(priced), "UnknownModel", (error) => {
      if (unpriced.has(priced.model) || unpriced.size >= UNPRICED_MAX) return Effect.succeed(0)
      unpriced.add(priced.model)
      return Effect.as(Effect.logWarning(`${error.message}. No limit counts money: its cost is left out.`), 0)
    })
  })

  return {
    admit: Effect.fnUntraced(function* (call: Dialect.Call, destination: Destination = {}) {
      const circuit = breaker === undefined ? undefined : { breaker, key: keyOf(call, destination) }
      if (circuit !== undefined) yield* Breaker.check(circuit.breaker, circuit.key)
      const context = yield* Effect.context<never>()
      const budget = yield* budgetOfCall
      const counter = yield* Context.get(context, TokenCounter.ByModel)(call.model)
      const pricing = Context.get(context, Pricing.Pricing)
      const history = Context.get(context, OutputHistory.OutputHistory)
      const isCounted = countsMoney(budget)

      const costOf = (usage: Usage.Usage, units: Readonly<Record<string, number>>) =>
        price(
          pricing,
          { model: call.model, url: destination.url, provider: destination.provider, usage, units },
          isCounted
        )
      const withCost = (usage: Usage.Usage, units: Readonly<Record<string, number>> = {}) =>
        Effect.map(costOf(usage, units), (costNanoUsd): Usage.Usage => ({ ...usage, costNanoUsd }))

      let inputTokens = call.otherInputTokens
      for (const text of call.texts) inputTokens += yield* counter.count(text)
      const allowed = (call.maxOutputTokens ?? unboundedOutput) * call.answers
      const kind = { model: call.model, operation: call.operation }
      const expected = history.expect(kind, allowed)
      const estimateOf = (outputTokens: number) => withCost(Usage.make({ inputTokens, outputTokens }))

      const estimate = yield* estimateOf(expected)
      const least =
        leastOutputTokens === undefined
          ? undefined
          : yield* estimateOf(Math.min(expected, leastOutputTokens * call.answers))
      const reserving = budget.reserve(estimate, { maxWait, priority, least, onFailure: "release" })
      const reservation = yield* isTraced(budget)
        ? Effect.annotateSpans(reserving, spanAttributes(call, destination))
        : reserving
      return new OpenCall({
        kind,
        answers: call.answers,
        budget,
        circuit,
        reservation,
        expected,
        allowed,
        counter,
        withCost,
        history
      })
    })
  }
}

const keyOf = ({ model }: Dialect.Call, { provider, url }: Destination): string =>
  Breaker.key({ provider: provider ?? (url === undefined ? undefined : URL.parse(url)?.host) ?? "unknown", model })

const wholeTokens = (name: string, tokens: number): number => {
  if (Usage.isAmount(tokens)) return tokens
  throw new RangeError(`Governor.make: ${name} must be a non-negative safe integer, got ${String(tokens)}`)
}

// More than nearly all answers have, and no more than the smallest maximum of the models that are served today.
const OUTPUT_TOKENS = 4_096

// Names of models come with requests: warnings about them are bounded.
const UNPRICED_MAX = 100
