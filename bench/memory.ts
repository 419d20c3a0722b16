/** How much memory things take that there may be many of: by how much each lets the heap grow, after collection. */
import { Effect, Fiber, Semaphore } from "effect"
import { Budget, BudgetMap, Limit } from "effect-budget"
import { starting } from "../src/internal/limit/start.ts"
import { Ledger } from "../src/internal/ledger.ts"
import { actual, actualTokens, estimate, estimateTokens, plenty } from "./amounts.ts"
import { median } from "./harness.ts"
import { watchHeap } from "./heap.ts"

/** What one of many takes. */
export interface Footprint {
  readonly what: string
  readonly bytes: number
  readonly bytesMax: number | undefined
}

/** Weighs everything `rounds` times, in turn. */
export const footprints = (count: number, rounds: number): Effect.Effect<ReadonlyArray<Footprint>> =>
  Effect.gen(function* () {
    const keys = Array.from({ length: count }, (_, index) => `tenant ${index}`)
    const weigh = Effect.all({
      ledger: ledgers(count),
      idle: Effect.provide(entries(IdleTenants, keys), IdleTenants.layer),
      left: Effect.provide(entries(LeftTenants, keys), LeftTenants.layer),
      budgetWaiter: budgetWaiters(count),
      semaphoreWaiter: semaphoreWaiters(count),
      fiber: fibers(count, Effect.never)
    })
    const weighed = yield* Effect.replicateEffect(weigh, rounds)
    const bytesOf = (name: keyof (typeof weighed)[number]): number => median(weighed.map((bytes) => bytes[name]))
    const ledger = bytesOf("ledger")
    const idle = bytesOf("idle")
    const left = bytesOf("left")
    return [
      { what: "ledger of an idle tenant: cap + window", bytes: ledger, bytesMax: 600 },
      { what: "its entry in a BudgetMap during idleTimeToLive, with the ledger", bytes: idle, bytesMax: undefined },
      { what: "added by the entry during idleTimeToLive", bytes: idle - ledger, bytesMax: undefined },
      { what: "its entry in a BudgetMap after idleTimeToLive, with the ledger", bytes: left, bytesMax: undefined },
      { what: "added by the entry after idleTimeToLive", bytes: left - ledger, bytesMax: undefined },
      { what: "a caller waiting in a budget, with its fiber", bytes: bytesOf("budgetWaiter"), bytesMax: 1_300 },
      { what: "a caller waiting at an effect Semaphore", bytes: bytesOf("semaphoreWaiter"), bytesMax: undefined },
      { what: "a fiber waiting for nothing", bytes: bytesOf("fiber"), bytesMax: undefined }
    ]
  })

const limits = [Limit.cap("tokens", plenty), Limit.slidingWindow("tokens", plenty, "1 minute")]

/** A few calls are enough for a ledger to have grown to its usual size. */
const CALLS = 3

/** Ledgers through which some calls have come and gone, a few milliseconds apart. */
const ledgers = Effect.fnUntraced(function* (count: number) {
  const kept = new Array<Ledger>(count)
  const start = starting(() => 0)
  const heap = yield* watchHeap
  for (let index = 0; index < count; index++) {
    const ledger = new Ledger(limits, start)
    for (let call = 0; call < CALLS; call++) passThrough(ledger, START_MILLIS + 7 * call)
    kept[index] = ledger
  }
  const grownBytes = yield* heap.grownBytes
  return grownBytes / kept.length
})

const passThrough = (ledger: Ledger, now: number): void => {
  ledger.open++
  for (const state of ledger.states) {
    state.take(estimateTokens, now)
    state.settle(estimateTokens, actualTokens, now)
  }
  ledger.settle(actual)
}

const START_MILLIS = 1_700_000_000_000

class Tenant extends Budget.Service<Tenant>()("Tenant", { limits }) {}
class IdleTenants extends BudgetMap.Service<IdleTenants>()("IdleTenants", {
  budget: Tenant,
  idleTimeToLive: "1 hour"
}) {}
class LeftTenants extends BudgetMap.Service<LeftTenants>()("LeftTenants", { budget: Tenant, idleTimeToLive: 0 }) {}

/** Entries of a family that some calls have used. The keys are not counted. */
const entries = Effect.fnUntraced(function* <Self, Name extends string>(
  family: BudgetMap.ServiceClass<Self, Name, Tenant, never>,
  keys: ReadonlyArray<string>
) {
  const calls = Effect.replicateEffect(Tenant.spend({ estimate, actual: () => actual })(Effect.void), CALLS)
  const heap = yield* watchHeap
  yield* Effect.forEach(keys, (key) => Effect.provide(Effect.orDie(calls), family.get(key)), { discard: true })
  return (yield* heap.grownBytes) / keys.length
})

/** Callers that wait for the only place in a budget. They share one description of what they do. */
const budgetWaiters = (count: number): Effect.Effect<number> =>
  Effect.scoped(
    Effect.gen(function* () {
      const budget = yield* Budget.make({ name: "gate", limits: [Limit.concurrency(1)] })
      yield* Effect.orDie(budget.reserve(estimate))
      return yield* fibers(count, budget.spend({ estimate, actual: () => actual })(Effect.void))
    })
  )

const semaphoreWaiters = (count: number): Effect.Effect<number> =>
  Effect.suspend(() => fibers(count, Semaphore.makeUnsafe(0).withPermit(Effect.void)))

/** Fibers that all run until they wait, and are interrupted in the end. */
const fibers = Effect.fnUntraced(function* <E>(count: number, effect: Effect.Effect<void, E>) {
  const kept = new Array<Fiber.Fiber<void, E>>(count)
  const heap = yield* watchHeap
  for (let index = 0; index < count; index++) {
    kept[index] = yield* Effect.forkChild(effect, { startImmediately: true })
  }
  const grownBytes = yield* heap.grownBytes
  yield* Fiber.interruptAll(kept)
  return grownBytes / count
})
