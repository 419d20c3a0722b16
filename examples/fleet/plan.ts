/**
 * What the fleet is asked to do, and what the provider allows it.
 */
import type { Limits, Outage } from "./provider.ts"

export interface Plan {
  readonly agents: number
  /** Calls per agent, one after the other. */
  readonly tasksPerAgent: number
  readonly outage: Outage
}

/** The provider is down for three seconds, as long as its minute, when the fleet is in full swing. */
export const defaultPlan: Plan = {
  agents: 50,
  tasksPerAgent: 8,
  outage: { fromMillis: 3_500, untilMillis: 6_500 }
}

/** A longer document is cut to its first lines that fit. */
export const documentTokensMax = 1_000

/** Sent as `max_completion_tokens`, and reserved as the output of each call. */
export const summaryTokensMax = 120

/**
 * What the provider allows to everyone who shares the key. Its minute lasts 3 seconds, so that the job shows several of
 * them and still ends while one watches.
 */
export const providerLimits: Limits = { tokensPerMinute: 60_000, requestsPerMinute: 100, minuteMillis: 3_000 }

/** What one agent may spend in its whole session. */
export const sessionTokensMax = 5_000

/** How long an agent works on one document before it goes on to the next: in line, in an outage, under way. */
export const taskMax = "1 minute"

/** How long one attempt at a call may take. */
export const attemptMax = "15 seconds"

/**
 * The share of the provider's limits that the budget gives itself, in percent.
 *
 * A bucket that holds L and refills L per minute never runs dry under a rolling window of L per minute: n windows in a
 * row admit at most n·L, and the full bucket plus n - 1 minutes of refill are n·L. Between the reservation and the
 * provider lies the network, though: calls that were reserved a minute apart may arrive closer together by as much as
 * their delays differ, J, and the bucket lacks the refill of that time. Two windows then bring 2·L·margin against
 * 2·L - L·J/minute, so a margin of 1 - J / (2·minute) is enough, and more windows need less.
 */
export const marginPercent = 90

/** The largest difference in delay that the margin covers. */
export const jitterMillisMax = (2 * providerLimits.minuteMillis * (100 - marginPercent)) / 100
