/**
 * Budgets for LLM calls, as Effect Layers.
 *
 * @since 0.1.0
 */

/** Are the limits too tight, and what would be enough? */
export * as Advice from "./Advice.ts"
/** Budgets for agents that work in steps. */
export * as Agent from "./Agent.ts"
/** The `Tokenizer` of `effect/ai`, as a counter of tokens and from one. */
export * as AiTokenizer from "./AiTokenizer.ts"
/** Effect's circuit breaker, with a classification for calls to models. */
export * as Breaker from "./Breaker.ts"
/** A set of limits, perhaps inside other budgets, with one waiting line. */
export * as Budget from "./Budget.ts"
/** Why a budget said no. */
export * as BudgetError from "./BudgetError.ts"
/** What happens to the reservations of a budget, as it happens. */
export * as BudgetEvent from "./BudgetEvent.ts"
/** A family of budgets by key. */
export * as BudgetMap from "./BudgetMap.ts"
/** The counters of budgets as JSON, for whoever looks at them from outside. */
export * as BudgetStatus from "./BudgetStatus.ts"
/** Where the counters of shared budgets live. */
export * as BudgetStore from "./BudgetStore.ts"
/** The suite that a store of shared budgets has to pass, for who writes one. */
export * as BudgetStoreContract from "./BudgetStoreContract.ts"
/** For the tests of programs that use budgets. */
export * as BudgetTesting from "./BudgetTesting.ts"
/** A `fetch` within a budget. */
export * as BudgetedFetch from "./BudgetedFetch.ts"
/** An `HttpClient` within a budget. */
export * as BudgetedHttpClient from "./BudgetedHttpClient.ts"
/** A `LanguageModel` of `effect/ai` within a budget. */
export * as BudgetedLanguageModel from "./BudgetedLanguageModel.ts"
/** What a failed call says of the provider. */
export * as CallFailure from "./CallFailure.ts"
/** A wall-clock bound on a task. */
export * as Deadline from "./Deadline.ts"
/** Doing less instead of failing. */
export * as Degradation from "./Degradation.ts"
/** How a provider's API says what a call asks for and what it used. */
export * as Dialect from "./Dialect.ts"
/** What a provider says of its limits with each response. */
export * as Feedback from "./Feedback.ts"
/** Puts a budget in front of a model: what all adapters have in common. */
export * as Governor from "./Governor.ts"
/** Deadline, breaker, budget and retries around a call, in the right order. */
export * as Guard from "./Guard.ts"
/** One rule on one meter. */
export * as Limit from "./Limit.ts"
/** A named projection of a `Usage` to one integer. */
export * as Meter from "./Meter.ts"
/** Learns how much of what they may write calls really write. */
export * as OutputHistory from "./OutputHistory.ts"
/** A budget for programs without Effect. */
export * as PromiseBudget from "./PromiseBudget.ts"
export { makeBudget } from "./PromiseBudget.ts"
/** What calls cost. */
export * as Pricing from "./Pricing.ts"
/** What happened in a budget, as plain JSON in bounded memory. */
export * as Recording from "./Recording.ts"
/** Budgets that are shared by processes and machines, through Redis. */
export * as RedisBudgetStore from "./RedisBudgetStore.ts"
/** A held estimate. */
export * as Reservation from "./Reservation.ts"
/** Limits and a workload, run together in virtual time. */
export * as Simulation from "./Simulation.ts"
/** What a store of shared budgets does, for who writes one. */
export * as StoreProtocol from "./StoreProtocol.ts"
/** Budgets as operators see them: metrics, spans and logs of refusals. */
export * as Telemetry from "./Telemetry.ts"
/** Counts the tokens of texts and chat messages. */
export * as TokenCounter from "./TokenCounter.ts"
/** What one call consumes. */
export * as Usage from "./Usage.ts"
/** The calls of a simulation. */
export * as Workload from "./Workload.ts"
