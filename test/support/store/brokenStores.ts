/** Stores that do not keep their contract, each in one way: what its suite has to notice. */
import * as Cron from "effect/Cron"
import * as Meter from "../../../src/Meter.ts"
import { AFTER_SETTLEMENT, NEVER, type Operation, type SharedBudget } from "../../../src/StoreProtocol.ts"
import * as Usage from "../../../src/Usage.ts"
import {
  answering,
  answeringRefusals,
  answeringSights,
  type Break,
  hearing,
  hearingAmounts,
  hearingBudgets,
  hearingLimits,
  hearingOperation,
  hearingOperations,
  type SharedLimit,
  waking
} from "./breaking.ts"
import * as Misremembering from "./misremembering.ts"

const settling = (change: (settle: Extract<Operation, { _tag: "Settle" }>) => Operation): Break =>
  hearingOperation((operation) => (operation._tag === "Settle" ? change(operation) : operation))

const naiveRefunds = (estimates: ReadonlyArray<number>, actuals: ReadonlyArray<number>) =>
  estimates.map((estimate, index) => Math.max(0, estimate - actuals[index]!))

const asFloat = (digits: number) => (amount: number) =>
  Number.isFinite(amount) && amount !== AFTER_SETTLEMENT ? Number(amount.toPrecision(digits)) : amount

const flooring = (unit: number) => (amount: number) => Math.floor(amount / unit) * unit

/** How a store is broken, by what it does: "a store that …". */
export const brokenStores: Readonly<Record<string, Break>> = {
  "does a batch again that is sent again": Misremembering.anew,
  "remembers only the last answer of a group": Misremembering.forgetsAnswersOfOthers,
  "answers again as of now": Misremembering.answersAgainAsOfNow,
  "does batches in their order only": Misremembering.inOrderOnly,
  "forgets all answers when one is acknowledged": hearing((batch) => ({
    ...batch,
    answered: batch.answered > 0 ? batch.sequence - 1 : 0
  })),
  "does again what was acknowledged, and serves whoever it has forgotten": Misremembering.doesAgainWhatWasAcknowledged,
  "never forgets": hearing((batch) => ({ ...batch, answered: 0 })),
  "keeps what a member held of whom it has lost data": Misremembering.keepsWhatWasLost,
  "takes whoever it does not know for lost": Misremembering.expectsTheFirst,

  "does a batch in pieces": Misremembering.inPieces,
  "admits by halves": Misremembering.byHalves,
  "takes from the first budget only": hearingOperation((operation) =>
    operation._tag === "Reserve"
      ? {
          ...operation,
          amounts: operation.amounts.map((amount, index) =>
            index < operation.route.budgets[0]!.limits.length ? amount : 0
          )
        }
      : operation
  ),
  "mixes its answers up": answering((answer) => ({ ...answer, sights: answer.sights.toReversed() })),
  "lacks answers": answering((answer) => ({ ...answer, tightened: answer.tightened.slice(1) })),
  "names the first limit": answeringRefusals((refused) => ({ ...refused, index: 0 })),
  "goes backwards in time": Misremembering.backwards,
  "stands still": Misremembering.standsStill,
  "counts seconds": answering((answer) => ({ ...answer, now: flooring(1_000)(answer.now) })),
  "has fractions of millis": answering((answer) => ({ ...answer, now: answer.now + 0.5 })),

  "says a moment too late": answeringRefusals((refused) => ({ ...refused, readyInMillis: refused.readyInMillis + 1 })),
  "says a moment too early": answeringRefusals((refused) => ({ ...refused, readyInMillis: refused.readyInMillis - 1 })),
  "rounds up to seconds": answeringRefusals((refused) => ({
    ...refused,
    readyInMillis:
      refused.readyInMillis < AFTER_SETTLEMENT
        ? Math.ceil(refused.readyInMillis / 1_000) * 1_000
        : refused.readyInMillis
  })),
  "lets people wait for what never fits": answeringRefusals((refused) => ({
    ...refused,
    readyInMillis: Math.min(refused.readyInMillis, AFTER_SETTLEMENT)
  })),
  "gives up what a settlement can make possible": answeringRefusals((refused) => ({
    ...refused,
    readyInMillis: refused.readyInMillis === AFTER_SETTLEMENT ? NEVER : refused.readyInMillis
  })),
  "never asks again": answeringRefusals((refused) => ({ ...refused, askAgainInMillis: NEVER })),
  "asks again after five seconds": answeringRefusals((refused) => ({ ...refused, askAgainInMillis: 5_000 })),
  "does not say what is used": answeringRefusals((refused) => ({ ...refused, used: 0, reserved: 0 })),

  "loses refunds": settling((settle) => ({
    ...settle,
    actuals: settle.actuals.map((actual, index) => Math.max(actual, settle.estimates[index]!)),
    refunds: settle.refunds.map(() => 0)
  })),
  "refunds what was reserved last": settling((settle) => ({ ...settle, takenAt: Number.MAX_SAFE_INTEGER })),
  "refunds what was reserved first": settling((settle) => ({ ...settle, takenAt: 0 })),
  "works refunds out of sums": settling((settle) => ({
    ...settle,
    refunds: naiveRefunds(settle.estimates, settle.actuals)
  })),
  "records at most what was reserved": settling((settle) => ({
    ...settle,
    actuals: settle.actuals.map((actual, index) => Math.min(actual, settle.estimates[index]!))
  })),
  "settles one of several": settling((settle) => ({ ...settle, count: 1 })),
  "settles nothing": settling((settle) => ({ ...settle, count: 0, estimates: settle.estimates.map(() => 0) })),
  "charges only what there is room for": hearingOperation((operation) =>
    operation._tag === "Charge"
      ? { ...operation, amounts: operation.amounts.map((amount) => Math.min(amount, 5)) }
      : operation
  ),
  "takes at least one": hearingOperation((operation) =>
    operation._tag === "Reserve"
      ? { ...operation, amounts: operation.amounts.map((amount) => Math.max(1, amount)) }
      : operation
  ),
  "does not take again what it has lost": hearingOperations((operation) =>
    operation._tag === "Assert" ? [] : [operation]
  ),
  "takes again one of several": hearingOperation((operation) =>
    operation._tag === "Assert" ? { ...operation, count: 1 } : operation
  ),

  "has caps that heal": hearingLimits((limit) =>
    limit._tag === "Cap" ? { ...limit, _tag: "SlidingWindow", windowMillis: 3_600_000, chargeAt: "reserve" } : limit
  ),
  "has no concurrency": hearingLimits((limit) => (limit._tag === "Concurrency" ? { ...limit, max: 1_000 } : limit)),
  "counts concurrency as a cap": hearingLimits((limit) =>
    limit._tag === "Concurrency" ? { ...limit, _tag: "Cap" } : limit
  ),
  "refills buckets at whole intervals": hearingLimits((limit) =>
    limit._tag === "TokenBucket" && limit.refill < limit.refillMillis
      ? { ...limit, refill: 1, refillMillis: Math.floor(limit.refillMillis / limit.refill) }
      : limit
  ),
  "has buckets that overflow": hearingLimits((limit) =>
    limit._tag === "TokenBucket" ? { ...limit, max: 2 * limit.max } : limit
  ),
  "has a window that is a moment too long": hearingLimits((limit) =>
    limit._tag === "SlidingWindow" ? { ...limit, windowMillis: limit.windowMillis + 1 } : limit
  ),
  "has a window that is a moment too short": hearingLimits((limit) =>
    limit._tag === "SlidingWindow" ? { ...limit, windowMillis: limit.windowMillis - 1 } : limit
  ),
  "counts always from the reservation": hearingLimits((limit) =>
    "chargeAt" in limit ? { ...limit, chargeAt: "reserve" } : limit
  ),
  "counts always from the settlement": hearingLimits((limit) =>
    "chargeAt" in limit ? { ...limit, chargeAt: "settle" } : limit
  ),
  "has a calendar of its own": hearingLimits((limit) =>
    limit._tag === "FixedWindow" ? { ...limit, resets: Cron.parseUnsafe("*/2 * * * * *") } : limit
  ),
  "has fixed windows that slide": hearingLimits((limit) =>
    limit._tag === "FixedWindow" ? { ...limit, _tag: "SlidingWindow", windowMillis: 1_000 } : limit
  ),
  "counts maxima apart": hearingLimits((limit) => ({ ...limit, name: `${limit.name} ${limit.max}` })),
  "takes one rule for the other": hearingLimits((limit) => ({
    ...(limit._tag === "SlidingWindow" ? { ...limit, chargeAt: "reserve" as const } : limit),
    meter: Meter.tokens
  })),

  "does not say what was spent": answeringSights((sight) => ({ ...sight, spent: Usage.zero })),
  "does not count what is open": answeringSights((sight) => ({ ...sight, open: 0 })),
  "does not pause": hearingOperations((operation) => (operation._tag === "Pause" ? [] : [operation])),
  "does not say that it is paused": answeringSights((sight) => ({ ...sight, pausedMillis: 0, resumesInMillis: 0 })),
  "shortens pauses": hearingOperations((operation) =>
    operation._tag === "Pause" ? [{ ...operation, millis: 0 }, operation] : [operation]
  ),
  "does not end pauses": hearingOperation((operation) =>
    operation._tag === "Pause" ? { ...operation, millis: Math.max(1, operation.millis) } : operation
  ),
  "resumes at once": hearingOperation((operation) =>
    operation._tag === "Pause" ? { ...operation, isGradual: false } : operation
  ),
  "resumes gradually": hearingOperation((operation) =>
    operation._tag === "Pause" ? { ...operation, isGradual: true } : operation
  ),
  "tightens too much": hearingOperation((operation) =>
    operation._tag === "Tighten" ? { ...operation, remaining: 0 } : operation
  ),
  "tightens the first limit only": hearingOperation((operation) =>
    operation._tag === "Tighten" ? { ...operation, indices: operation.indices.map(() => 0) } : operation
  ),
  "keeps out who is only tried out": hearingBudgets((budget) => ({ ...budget, isShadow: false })),
  "does not count what is only tried out": (store) => {
    const shadows = hearingBudgets((budget) => (budget.isShadow ? { ...budget, key: `${Math.random()}` } : budget))
    return shadows(store)
  },

  "takes nothing ahead": hearingOperation((operation) =>
    "aheadMillis" in operation ? { ...operation, aheadMillis: 0 } : operation
  ),
  "takes ahead for longer than it knows": hearingOperation((operation) =>
    operation._tag === "Reserve" && operation.aheadMillis > 0 ? { ...operation, aheadMillis: 1 } : operation
  ),
  "does not give back what was taken ahead": settling((settle) =>
    settle.aheadMillis > 0 ? { ...settle, takenAt: 0, estimates: settle.estimates.map(() => 0) } : settle
  ),

  "knows no leases": hearing((batch) => ({ ...batch, leaseMillis: 1e12 })),
  "never renews leases": Misremembering.neverRenews,
  "always charges": hearing((batch) => ({ ...batch, lapse: "charge" })),
  "always releases": hearing((batch) => ({ ...batch, lapse: "release" })),
  "goes on after the end of a lease": Misremembering.goesOnAfterLapse,
  "says that it has forgotten whose lease is over": Misremembering.forgetsLapsed,

  "gives no tickets": answeringRefusals((refused) => ({ ...refused, ticket: undefined })),
  "gives tickets to everybody": hearingOperation((operation) =>
    operation._tag === "Reserve" ? { ...operation, waits: true } : operation
  ),
  "gives a new ticket each time": hearingOperation((operation) =>
    operation._tag === "Reserve" ? { ...operation, ticket: undefined } : operation
  ),
  "counts the tickets of each member": Misremembering.countsTicketsPerMember,
  "forgets who waits": Misremembering.forgetsWhoWaits,
  "lets nobody pass": Misremembering.strictlyInTurn,
  "does not withdraw": hearingOperations((operation) => (operation._tag === "Withdraw" ? [] : [operation])),
  "wakes nobody": waking(() => {}),
  "wakes nobody twice": Misremembering.wakesOnce,
  "wakes somebody": waking((_, onWake) => onWake("somebody")),
  "wakes everybody": waking((member, onWake) => {
    for (const name of ["second", "other", member]) onWake(name)
  }),
  "wakes all the time": Misremembering.wakesAtOnce,

  "knows one group": hearing((batch) => ({ ...batch, group: "the group" })),
  "wakes all groups": Misremembering.wakesAllGroups,
  "trims names": hearingBudgets((budget) => ({ ...budget, key: budget.key.trim() })),
  "ignores case": hearingBudgets((budget) => ({ ...budget, key: budget.key.toLowerCase() })),
  "replaces what is odd in names": hearingBudgets((budget) => ({
    ...budget,
    key: budget.key.replace(/[^a-z0-9_%]/gi, "_")
  })),
  "puts names together": hearingOperation((operation) => {
    const together = (budget: SharedBudget): SharedBudget => ({
      ...budget,
      key: "all",
      limits: budget.limits.map((limit): SharedLimit => ({ ...limit, name: `${budget.key}:${limit.name}` }))
    })
    return "route" in operation
      ? { ...operation, route: { budgets: operation.route.budgets.map(together) } }
      : { ...operation, budget: together(operation.budget) }
  }),
  "cuts names at braces": waking((member, onWake) => onWake(member.replace(/\{.*?\}/g, ""))),
  "answers with 14 digits": answering((answer) => ({
    ...answer,
    verdicts: answer.verdicts.map((verdict) =>
      verdict === undefined ? undefined : { ...verdict, readyInMillis: asFloat(14)(verdict.readyInMillis) }
    ),
    sights: answer.sights.map((sight) => ({ ...sight, used: sight.used.map(asFloat(14)) }))
  })),
  "counts in floats": hearingAmounts((amount) => (amount > 1e15 ? Number(amount.toPrecision(14)) : amount)),
  "rounds what is large": answeringRefusals((refused) => ({
    ...refused,
    readyInMillis: refused.readyInMillis < AFTER_SETTLEMENT ? Math.fround(refused.readyInMillis) : refused.readyInMillis
  }))
}
