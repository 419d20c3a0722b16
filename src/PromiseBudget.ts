/**
 * A budget for programs without Effect.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Breaker from "./Breaker.ts"
import * as Budget from "./Budget.ts"
import type { BudgetEvent } from "./BudgetEvent.ts"
import * as BudgetedFetch from "./BudgetedFetch.ts"
import * as OutputHistory from "./OutputHistory.ts"
import * as Pricing from "./Pricing.ts"
import * as TokenCounter from "./TokenCounter.ts"
import type * as Usage from "./Usage.ts"

/**
 * A budget whose operations are promises and plain values. What it refuses rejects with a `BudgetError`.
 *
 * @category models
 * @since 0.1.0
 */
export interface PromiseBudget {
  readonly name: string

  /** A `fetch` within the budget, for every client that takes one. See {@link BudgetedFetch.make}. */
  readonly fetch: BudgetedFetch.Fetch

  /**
   * Runs a call of another kind within the budget. `actual` says what a success has used; without it, that is the
   * estimate. A call that fails is charged nothing, or the estimate with `onFailure: "charge"` in the budget's options.
   */
  spend<A>(call: (signal: AbortSignal) => Promise<A>, options: SpendOptions<A>): Promise<A>

  /** The counters as they are now. */
  snapshot(): Budget.Snapshot

  /** Calls a listener with what happens from now on, until the function that is returned is called. */
  onEvent(listener: (event: BudgetEvent) => void): () => void

  /** The budget itself, to be used with Effect or as the `within` of another. */
  readonly budget: Budget.Budget

  /**
   * Ends the budget: whoever waits is refused, and requests of `fetch` that are still open are charged as they were
   * estimated. A call of `spend` that has begun is settled when it ends.
   */
  close(): Promise<void>
}

/**
 * How {@link PromiseBudget.spend} reserves.
 *
 * @category models
 * @since 0.1.0
 */
export interface SpendOptions<A> {
  readonly estimate: Usage.Usage
  readonly actual?: ((value: A) => Usage.Usage) | undefined
  readonly maxWait?: Budget.ReserveOptions["maxWait"]
  readonly priority?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * What a budget is made of, and how its `fetch` works.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Budget.Options, Omit<BudgetedFetch.Options, "budget" | "breaker"> {
  /** Names the budget in errors, events and snapshots. Default `"budget"`. */
  readonly name?: string | undefined
  /** The budgets that it is inside: what it spends, they spend. */
  readonly within?: ReadonlyArray<PromiseBudget> | undefined
  /** What calls cost. Default: the bundled prices. See {@link Pricing.make}. */
  readonly pricing?: Pricing.Pricing | undefined
  /** Counts the input of OpenAI's models exactly instead of estimating it. Default `false`. */
  readonly countExactly?: boolean | undefined
  /**
   * Learns how much of what they may write calls really write, and reserves that. Default: everything that is allowed
   * is reserved. See {@link OutputHistory.make}.
   */
  readonly learn?: OutputHistory.OutputHistory | undefined
  /**
   * Keeps requests of `fetch` from a provider while it fails: `true`, or when a circuit opens and for how long. The
   * circuits are in memory, one for each provider and model. Default: none. See {@link Governor.Options.breaker}.
   */
  readonly breaker?: boolean | Breaker.Options | undefined
}

/**
 * Makes a budget for a program without Effect.
 *
 * **Details**
 *
 * Rejects with a `RangeError` when an option makes no sense.
 *
 * **Example**
 *
 * ```ts
 * import { Limit, makeBudget } from "effect-budget"
 *
 * const budget = await makeBudget({
 *   limits: [Limit.cap("usd", 2), Limit.slidingWindow("tokens", 90_000, "1 minute")],
 *   fetch: async () => Response.json({ usage: { prompt_tokens: 9, completion_tokens: 20, total_tokens: 29 } })
 * })
 * // const client = new OpenAI({ fetch: budget.fetch })
 *
 * const response = await budget.fetch("https://api.openai.com/v1/chat/completions", {
 *   method: "POST",
 *   body: JSON.stringify({ model: "gpt-4o-mini", messages: [{ role: "user", content: "Hi" }], max_tokens: 500 })
 * })
 * await response.json()
 *
 * const { inputTokens, outputTokens } = budget.snapshot().spent
 * await budget.close()
 *
 * const spent = [inputTokens, outputTokens]
 * spent // => [9, 20]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeBudget = async (options: Options): Promise<PromiseBudget> => {
  const {
    breaker: circuits = false,
    countExactly = false,
    learn,
    name = "budget",
    pricing,
    within = [],
    ...rest
  } = options
  const services = Layer.mergeAll(
    countExactly ? TokenCounter.layerByEncoding : Layer.empty,
    pricing === undefined ? Layer.empty : Layer.succeed(Pricing.Pricing, pricing),
    learn === undefined ? Layer.empty : Layer.succeed(OutputHistory.OutputHistory, learn)
  )
  const make = Effect.gen(function* () {
    const budget = yield* Budget.make({ ...rest, name, within: within.map((outer) => outer.budget) })
    const breaker = circuits === false ? undefined : yield* breakerOf(circuits === true ? {} : circuits)
    return { budget, fetch: yield* BudgetedFetch.make({ ...rest, budget, breaker }) }
  })
  const scope = Scope.makeUnsafe()
  const { budget, fetch } = await Effect.runPromise(Scope.provide(Effect.provide(make, services), scope))

  return {
    name,
    budget,
    fetch,
    spend: async (call, options) => {
      if (scope.state._tag === "Closed") throw closed(name)
      return spend(budget, call, options)
    },
    snapshot: () => Effect.runSync(budget.snapshot),
    onEvent: (listener) =>
      Effect.runCallback(Stream.runForEach(budget.events, (event) => Effect.sync(() => listener(event)))),
    close: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

const breakerOf = (options: Breaker.Options) =>
  Effect.map(Layer.build(Breaker.layerMemory(options)), Context.get(Breaker.CircuitBreaker))

const spend = async <A>(
  budget: Budget.Budget,
  call: (signal: AbortSignal) => Promise<A>,
  { actual, estimate, maxWait, priority, signal }: SpendOptions<A>
): Promise<A> => {
  const options = { estimate, maxWait, priority }
  const running = Effect.tryPromise({ try: call, catch: (error) => new CallFailed(error) })
  const spending = actual === undefined ? budget.spend(options) : budget.spend({ ...options, actual })
  signal?.throwIfAborted()
  const exit = await Effect.runPromiseExit(spending(running), signal === undefined ? undefined : { signal })
  if (Exit.isSuccess(exit)) return exit.value
  if (signal?.aborted === true) throw signal.reason
  const error = Option.getOrUndefined(Exit.findErrorOption(exit))
  if (error === undefined) throw Cause.hasInterrupts(exit.cause) ? closed(budget.name) : Cause.squash(exit.cause)
  throw error instanceof CallFailed ? error.cause : error
}

const closed = (name: string): Error => new Error(`The budget "${name}" is closed`)

/** What a call was rejected with, which may be anything. */
class CallFailed extends Error {
  constructor(cause: unknown) {
    super("the call failed", { cause })
  }
}
