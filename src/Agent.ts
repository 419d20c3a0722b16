/**
 * Budgets for agents that work in steps: so many model calls, so many tool calls, so much money for one run, and room
 * for one last answer when they are used up.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Budget from "./Budget.ts"
import * as BudgetError from "./BudgetError.ts"
import { keep, spendAtOnce } from "./internal/budget.ts"
import * as Limit from "./Limit.ts"
import * as Usage from "./Usage.ts"

/**
 * The budget of one run of an agent.
 *
 * @category models
 * @since 0.1.0
 */
export interface Agent {
  readonly name: string

  /** The run's budget: hand it to adapters. Its caps are the run's, also for steps that are made elsewhere. */
  readonly budget: Budget.Budget

  /** Counts tool calls, as requests. Its snapshot says how many are left. */
  readonly tools: Budget.Budget

  /** Makes one model call: `budget.spend`. */
  readonly step: Budget.Budget["spend"]

  /**
   * Makes one tool call. It counts from its beginning, also when it fails, and is refused when there are no more: it
   * never waits.
   */
  readonly tool: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | BudgetError.BudgetError, R>

  /**
   * Says what happens when the run is used up: without it the loop fails; with it, what was set aside as `lastAnswer`
   * becomes available and `last` runs, once. What that spends counts like anything else of the run.
   *
   * **Details**
   *
   * The run is used up when the loop fails with a refusal by one of the agent's own caps that no waiting helps against:
   * steps and tool calls included. Windows, pauses, deadlines and the caps of other budgets are something else, and so
   * is what other calls of the run have only reserved. A refusal of `last` itself is not caught again.
   *
   * When calls have used more than their estimates, there may be less left than was set aside. Then `last` is refused
   * like any call that does not fit: it does not wait.
   *
   * Errors of other types are not looked into. Where a client puts refusals into its own, take them out before: for
   * `BudgetedLanguageModel`, that is what `budgetErrorOf` is for.
   *
   * Whatever else the run does at that moment, as in a fiber of its own, competes with `last` for the room.
   */
  readonly orLastAnswer: <B, E2, R2>(
    last: (refusal: BudgetError.BudgetError) => Effect.Effect<B, E2, R2>
  ) => <A, E, R>(loop: Effect.Effect<A, E, R>) => Effect.Effect<A | B, E | E2, R | R2>

  /** Makes the agent of a part of the run. */
  readonly subagent: (options: SubagentOptions) => Effect.Effect<Agent, BudgetError.BudgetError, Scope.Scope>
}

/**
 * What every agent is bound by.
 *
 * @category models
 * @since 0.1.0
 */
export interface Bounds {
  /** Names the run in errors, events and snapshots. */
  readonly name: string
  readonly limits?: ReadonlyArray<Limit.Limit> | undefined
  /** The most model calls: a cap on `requests` that is named `steps`. */
  readonly steps?: number | undefined
  /** The most tool calls: a cap that is named `toolCalls`. */
  readonly toolCalls?: number | undefined
  /**
   * What is set aside for one last answer, in all caps of the agent itself. Of the steps, it is one. The loop does not
   * wait for it: it is refused when nothing else is left. A cap that `updateLimits` adds has nothing set aside in it.
   */
  readonly lastAnswer?: Usage.Usage | undefined
}

/**
 * How an agent is made: within other budgets, or carved out of one.
 *
 * @category models
 * @since 0.1.0
 */
export type Options = Bounds &
  (
    | {
        /** The budgets that the run is inside, such as the provider's key. */
        readonly within?: ReadonlyArray<Budget.Budget> | undefined
        readonly from?: undefined
      }
    | {
        /** The budget that the run is carved out of: see {@link Budget.slice}. */
        readonly from: Budget.Budget
        readonly within?: undefined
      }
  )

/**
 * How an agent is made that does a part of another one's work.
 *
 * @category models
 * @since 0.1.0
 */
export interface SubagentOptions extends Bounds {
  /**
   * - `"share"`: within the other one's run, perhaps with bounds of its own in addition.
   * - `"slice"`: carved out of the other one's run; what it does not use goes back when its scope closes. Give it a scope
   *   of its own: as long as it is open, calls of the other one that need that room wait for it, also those that the same
   *   fiber makes. It needs a cap, or `steps`.
   * - `"isolate"`: beside the other one, within what that is within. The other one's run does not pay.
   *
   * Model calls and tool calls of the first two count in the other one's `steps` and `toolCalls`, too.
   */
  readonly mode: "share" | "slice" | "isolate"
}

/**
 * Makes the budget of one run of an agent, private to the scope.
 *
 * **Details**
 *
 * It fails only where it is carved out of a budget that has too little left. It dies with a `RangeError` when `steps` or
 * `toolCalls` is no whole number of at least zero, `lastAnswer` makes no sense or does not fit into the agent's caps, or
 * as {@link Budget.make} and {@link Budget.slice} do.
 *
 * **Example** (three steps, the last of which is the answer)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Agent, Limit, Usage } from "effect-budget"
 *
 * const ask = (question: string) => Effect.succeed(`more about ${question}`)
 * const estimate = Usage.make({ inputTokens: 800, outputTokens: 200 })
 *
 * const program = Effect.gen(function* () {
 *   const agent = yield* Agent.make({
 *     name: "research",
 *     limits: [Limit.cap("tokens", 50_000)],
 *     steps: 3,
 *     toolCalls: 10,
 *     lastAnswer: estimate
 *   })
 *   const step = ask("budgets").pipe(agent.step({ estimate }), Effect.tap(agent.tool(Effect.void)))
 *
 *   const answer = yield* Effect.forever(step).pipe(
 *     agent.orLastAnswer(() => agent.step({ estimate })(Effect.succeed("what I know so far")))
 *   )
 *   return [answer, (yield* agent.budget.snapshot).spent.requests]
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => ["what I know so far", 3]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): Effect.Effect<Agent, BudgetError.BudgetError, Scope.Scope> =>
  makeAt(options, {
    run: options.from === undefined ? { within: options.within ?? [] } : { from: options.from },
    tools: { within: [] }
  })

/** Where a budget is made: within others, or carved out of one. */
type Place = { readonly within: ReadonlyArray<Budget.Budget> } | { readonly from: Budget.Budget }

/** Where an agent is made. */
interface Surroundings {
  readonly run: Place
  readonly tools: Place
}

/** Makes an agent as a whole or not at all: of one that fails halfway, nothing stays set aside. */
const makeAt = (
  bounds: Bounds,
  surroundings: Surroundings
): Effect.Effect<Agent, BudgetError.BudgetError, Scope.Scope> =>
  Effect.flatMap(Effect.scope, (around) =>
    Effect.flatMap(Scope.fork(around), (scope) =>
      makeIn(bounds, surroundings).pipe(
        Scope.provide(scope),
        Effect.onExit((exit) => (exit._tag === "Success" ? Effect.void : Scope.close(scope, exit)))
      )
    )
  )

const makeIn = Effect.fnUntraced(function* (
  bounds: Bounds,
  { run, tools }: Surroundings
): Effect.fn.Return<Agent, BudgetError.BudgetError, Scope.Scope> {
  const { lastAnswer, name } = bounds
  // Copies, so that nobody else's refusal is taken for one of the run's.
  const limits = [...(bounds.limits ?? []).map(copyOf), ...countCap(name, "steps", bounds.steps)]
  const toolLimits = countCap(name, "toolCalls", bounds.toolCalls)
  if (lastAnswer !== undefined) refuseMisfit(name, limits, lastAnswer)

  const budget = yield* budgetAt(run, name, limits)
  const toolBudget = yield* budgetAt(tools, name, toolLimits)
  const room =
    lastAnswer === undefined
      ? undefined
      : yield* Effect.acquireRelease(keep(budget, lastAnswer), ({ giveBack }) => giveBack)

  const isUsedUp = ({ reason }: BudgetError.BudgetError, changed: ReadonlyArray<Limit.Limit>): boolean => {
    if (reason._tag !== "BudgetExceeded" && reason._tag !== "RequestTooLarge") return false
    const { limit, requested } = reason
    if (limit._tag !== "Cap" || ![...limits, ...toolLimits, ...changed].includes(limit)) return false
    if (reason._tag === "RequestTooLarge") return true
    // Also when the room has been given back meanwhile, for a loop beside this one.
    return reason.used + (room?.amountOf(limit) ?? 0) + requested > limit.max
  }

  const orLastAnswer =
    <B, E2, R2>(last: (refusal: BudgetError.BudgetError) => Effect.Effect<B, E2, R2>) =>
    <A, E, R>(loop: Effect.Effect<A, E, R>): Effect.Effect<A | B, E | E2, R | R2> =>
      loop.pipe(
        Effect.catch((error): Effect.Effect<B, E | E2, R2> =>
          Effect.flatMap(ownLimits(budget, toolBudget), (changed): Effect.Effect<B, E | E2, R2> => {
            if (!(error instanceof BudgetError.BudgetError && isUsedUp(error, changed))) return Effect.fail(error)
            return Effect.andThen(
              room?.giveBack ?? Effect.void,
              Effect.suspend(() => last(error))
            )
          })
        )
      )

  return {
    name,
    budget,
    tools: toolBudget,
    step: budget.spend.bind(budget),
    tool: (self) => Effect.andThen(spendAtOnce(toolBudget, oneToolCall), self),
    orLastAnswer,
    subagent: (options) => {
      switch (options.mode) {
        case "share":
          return makeAt(options, { run: { within: [budget] }, tools: { within: [toolBudget] } })
        case "slice":
          return makeAt(options, {
            run: { from: budget },
            tools: options.toolCalls === undefined ? { within: [toolBudget] } : { from: toolBudget }
          })
        case "isolate":
          return makeAt(options, { run: around(run), tools: around(tools) })
      }
    }
  }
})

const copyOf = (limit: Limit.Limit): Limit.Limit => ({ ...limit })

const oneToolCall = Usage.make({})

const around = (place: Place): Place => ("from" in place ? { within: [place.from] } : place)

const budgetAt = (
  place: Place,
  name: string,
  limits: ReadonlyArray<Limit.Limit>
): Effect.Effect<Budget.Budget, BudgetError.BudgetError, Scope.Scope> =>
  "from" in place ? Budget.slice({ name, limits, ...place }) : Budget.make({ name, limits, ...place })

const countCap = (agent: string, name: string, max: number | undefined): ReadonlyArray<Limit.Cap> => {
  if (max === undefined) return []
  if (Usage.isAmount(max)) return [Limit.cap("requests", max, { name })]
  throw new RangeError(`Agent "${agent}": ${name} must be a non-negative safe integer, got ${String(max)}`)
}

const refuseMisfit = (agent: string, limits: ReadonlyArray<Limit.Limit>, lastAnswer: Usage.Usage): void => {
  const problem = Usage.problem(lastAnswer)
  if (problem !== undefined) throw new RangeError(`Agent "${agent}": lastAnswer makes no sense: ${problem}`)
  for (const { _tag, max, meter, name } of limits) {
    if (_tag !== "Cap") continue
    const amount = meter.measure(lastAnswer)
    if (!Usage.isAmount(amount)) {
      throw new RangeError(`Agent "${agent}": lastAnswer makes no sense: ${name} measures ${String(amount)}`)
    }
    if (amount > max) throw new RangeError(`Agent "${agent}": lastAnswer does not fit into ${name}`)
  }
}

/** The limits that an agent has now: `updateLimits` may have changed them. */
const ownLimits = (...budgets: ReadonlyArray<Budget.Budget>): Effect.Effect<ReadonlyArray<Limit.Limit>> =>
  Effect.map(
    Effect.forEach(budgets, ({ snapshot }) => snapshot),
    (snapshots) => snapshots.flatMap(({ limits }) => limits.map(({ limit }) => limit))
  )
