/**
 * For the tests of programs that use budgets: a budget at any fill level, a provider that refuses on cue, and the
 * assertion that nothing is held at the end.
 *
 * It knows no test runner. What it finds wrong is an ordinary `Error`, with which the effect dies.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Budget from "./Budget.ts"
import { missingTo } from "./internal/testing/fill.ts"
import { ScriptedProvider } from "./internal/testing/provider.ts"
import * as Meter from "./Meter.ts"
import type * as Usage from "./Usage.ts"

/**
 * Charges a budget until its limits are as full as a fraction of their maximum: 0.9 leaves a tenth, 1 leaves nothing,
 * and more than 1 is a debt.
 *
 * **Details**
 *
 * Every limit of the budget gets as near to the fraction as is possible without one of them getting beyond it: of two
 * limits on the same meter, the smaller one decides. What is there already counts. The budgets around it are charged as
 * for any call. `Limit.concurrency` and `Limit.perCall` hold no charges: whoever needs a place to be taken reserves it.
 *
 * It dies with a `RangeError` when the fraction is not a number from 0 on.
 *
 * **Example**
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Budget, BudgetTesting, Limit } from "effect-budget"
 *
 * const program = Effect.gen(function* () {
 *   const run = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 1_000), Limit.cap("usd", 2)] })
 *   yield* BudgetTesting.fill(run, 0.9)
 *   return (yield* run.snapshot).limits.map(({ available }) => available)
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => [100, 200_000_000]
 * ```
 *
 * @category fill levels
 * @since 0.1.0
 */
export const fill = Effect.fnUntraced(function* (budget: Budget.Budget, fraction: number): Effect.fn.Return<void> {
  if (!(fraction >= 0 && Number.isFinite(fraction))) {
    return yield* Effect.die(new RangeError(`BudgetTesting.fill: the fraction must be 0 or more, got ${fraction}`))
  }
  const { limits } = yield* budget.snapshot
  yield* Effect.orDie(budget.charge(missingTo(limits, fraction)))
})

/**
 * Makes a budget that is filled to a fraction. See {@link fill}.
 *
 * **Example** (what does the program do when only little is left?)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Budget, BudgetTesting, Limit } from "effect-budget"
 *
 * const modelFor = (budget: Budget.Budget) =>
 *   Effect.map(Budget.utilisation(budget), (full) => (full > 0.8 ? "small-model" : "large-model"))
 *
 * const program = Effect.gen(function* () {
 *   const tight = yield* BudgetTesting.makeFilled({ name: "run", limits: [Limit.cap("tokens", 1_000)] }, 0.85)
 *   return yield* modelFor(tight)
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => "small-model"
 * ```
 *
 * @category fill levels
 * @since 0.1.0
 */
export const makeFilled = (
  options: Budget.MakeOptions & { readonly key?: undefined },
  fraction: number
): Effect.Effect<Budget.Budget, never, Scope.Scope> =>
  Effect.tap(Budget.make(options), (budget) => fill(budget, fraction))

/**
 * The layer of a budget that is a service, filled to a fraction. See {@link fill}.
 *
 * **Example**
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Budget, BudgetTesting, Limit, Usage } from "effect-budget"
 *
 * class AgentRun extends Budget.Service<AgentRun>()("app/AgentRun", { limits: [Limit.cap("tokens", 50_000)] }) {}
 *
 * const program = Effect.succeed("an answer").pipe(
 *   AgentRun.spend({ estimate: Usage.make({ outputTokens: 500 }) }),
 *   Effect.catchTag("BudgetError", ({ reason }) => Effect.succeed(reason._tag)),
 *   Effect.provide(BudgetTesting.layerFilled(AgentRun, 1))
 * )
 *
 * await Effect.runPromise(program) // => "BudgetExceeded"
 * ```
 *
 * @category fill levels
 * @since 0.1.0
 */
export const layerFilled = <Id, Outer, Store>(
  service: Budget.ServiceClass<Id, string, Outer, Store>,
  fraction: number
): Layer.Layer<Id, never, Exclude<Outer, Scope.Scope> | Store> =>
  Layer.tap(service.fresh, (context) =>
    Effect.provideContext(
      service.use((budget) => fill(budget, fraction)),
      context
    )
  )

/**
 * Nothing is open, reserved or waiting in any of these budgets: for the end of a test.
 *
 * **Details**
 *
 * It dies with an `Error` that says what is held, budget by budget. Whoever reserves within a scope has to close that
 * scope before.
 *
 * **Example** (a call that is forgotten)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Budget, BudgetTesting, Limit, Usage } from "effect-budget"
 *
 * const program = Effect.gen(function* () {
 *   const run = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 1_000)] })
 *   yield* run.reserve(Usage.make({ inputTokens: 300 }))
 *   yield* BudgetTesting.expectAtRest(run)
 * })
 *
 * const message = await Effect.runPromise(Effect.scoped(program)).catch((error: Error) => error.message)
 * message // => '"run" is not at rest: 1 open, 0 waiting, 300 tokens reserved'
 * ```
 *
 * @category assertions
 * @since 0.1.0
 */
export const expectAtRest = Effect.fnUntraced(function* (
  ...budgets: ReadonlyArray<Budget.Budget>
): Effect.fn.Return<void> {
  const held: Array<string> = []
  for (const budget of budgets) {
    const { limits, name, open, waiting } = yield* budget.snapshot
    const reserved = limits.filter((limit) => limit.reserved !== 0)
    if (open === 0 && waiting === 0 && reserved.length === 0) continue
    const amounts = reserved.map(({ limit, reserved }) => `${Meter.format(limit.meter, reserved)} reserved`)
    held.push(`"${name}" is not at rest: ${[`${open} open`, `${waiting} waiting`, ...amounts].join(", ")}`)
  }
  if (held.length > 0) return yield* Effect.die(new Error(held.join("\n")))
})

/**
 * A provider in memory, that answers each request as the API of its address does: OpenAI's chat completions and
 * responses, and Anthropic's messages. Whatever else it is asked, it is taken for a chat completion. It does not stream.
 *
 * @category providers
 * @since 0.1.0
 */
export interface Provider {
  /** What clients and `BudgetedFetch.make` take, and `FetchHttpClient.Fetch`. */
  readonly fetch: typeof globalThis.fetch

  /** All requests that reached it, in their order. */
  readonly requests: ReadonlyArray<ProviderRequest>

  /** The sum of what its answers said that they have used. */
  readonly served: Usage.Usage

  /** Refuses the next requests, with 429 unless it is told otherwise. Refusals that are asked for add up. */
  refuseNext(refusal?: ProviderRefusal): void

  /** Loses the connection of the next request: its `fetch` is rejected with a `TypeError`. */
  loseNext(): void

  /** Does not answer the next request until the function that is returned is called, or the request is aborted. */
  holdNext(): () => void
}

/**
 * What a {@link Provider} was asked.
 *
 * @category providers
 * @since 0.1.0
 */
export interface ProviderRequest {
  readonly url: string
  /** The body, as it was parsed from JSON; its text if it is none. */
  readonly body: unknown
  /** The status of its response; 0 while there is none, or when the connection was lost. */
  readonly status: number
}

/**
 * How a {@link Provider} refuses.
 *
 * @category providers
 * @since 0.1.0
 */
export interface ProviderRefusal {
  /** Default 429. */
  readonly status?: number | undefined
  /** What the `retry-after` header says, in whole seconds, rounded up. Default none. */
  readonly retryAfter?: Duration.Input | undefined
  /** How many requests. Default 1. */
  readonly times?: number | undefined
}

/**
 * What a {@link Provider} answers.
 *
 * @category providers
 * @since 0.1.0
 */
export interface ProviderAnswer {
  /** Default `"an answer"`. */
  readonly text?: string | undefined
  /** Default 10. */
  readonly inputTokens?: number | undefined
  /** Default 20. */
  readonly outputTokens?: number | undefined
}

/**
 * Makes a provider that answers every request, unless it was told before to do otherwise with the next one.
 *
 * **Example** (after a 429, nobody calls for two seconds)
 *
 * ```ts
 * import { Effect, Fiber } from "effect"
 * import { TestClock } from "effect/testing"
 * import { Budget, BudgetedFetch, BudgetTesting, Limit } from "effect-budget"
 *
 * const program = Effect.gen(function* () {
 *   const provider = BudgetTesting.makeProvider()
 *   const run = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 10_000)] })
 *   const fetch = yield* BudgetedFetch.make({ budget: run, fetch: provider.fetch })
 *   const body = JSON.stringify({ model: "gpt-4o-mini", messages: [{ role: "user", content: "Hi" }], max_tokens: 100 })
 *   const ask = Effect.promise(() => fetch("https://api.openai.com/v1/chat/completions", { method: "POST", body }))
 *
 *   provider.refuseNext({ retryAfter: "2 seconds" })
 *   const refused = yield* ask
 *   yield* Effect.promise(() => refused.text())
 *   const paused = (yield* run.snapshot).pausedUntil
 *
 *   const asking = yield* Effect.forkChild(ask)
 *   yield* TestClock.adjust("2 seconds")
 *   const answered = yield* Fiber.join(asking)
 *   yield* Effect.promise(() => answered.text())
 *   yield* BudgetTesting.expectAtRest(run)
 *   return [refused.status, paused, answered.status, (yield* run.snapshot).spent.outputTokens]
 * })
 *
 * await program.pipe(Effect.scoped, Effect.provide(TestClock.layer()), Effect.runPromise) // => [429, 2_000, 200, 20]
 * ```
 *
 * @category providers
 * @since 0.1.0
 */
export const makeProvider = (answer: ProviderAnswer | ((request: ProviderRequest) => ProviderAnswer) = {}): Provider =>
  new ScriptedProvider(typeof answer === "function" ? answer : () => answer)
