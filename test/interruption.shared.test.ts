import { expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as Budget from "../src/Budget.ts"
import * as BudgetStore from "../src/BudgetStore.ts"
import { expectAtRest } from "../src/BudgetTesting.ts"
import * as Limit from "../src/Limit.ts"
import type { Store } from "../src/StoreProtocol.ts"
import * as Usage from "../src/Usage.ts"
import { expectOver } from "./support/over.ts"
import { interruptAtEveryOperation } from "./support/interruptAtEveryOperation.ts"
import { describeStores } from "./support/store/kinds.ts"

const MINUTE = 60_000

/** The call that is interrupted is the only one to use output tokens: by them it is told from the others. */
const usage = (inputTokens: number) => Usage.make({ inputTokens, outputTokens: 1 })
const estimate = usage(10)
const actual = usage(7)
const partial = usage(3)

const mark = Limit.cap("outputTokens", 1_000, { name: "the call under test" })

const ofOthers = (inputTokens: number) => Usage.make({ inputTokens })

/** `begin` is what `running` does, for bodies that are functions: they have run as soon as they are called. */
type Call = (
  budget: Budget.Budget,
  running: Effect.Effect<void>,
  begin: () => Effect.Effect<void>
) => Effect.Effect<unknown, unknown>

/** A process that shares budgets through a store, for as long as the scope is open. */
const processOn = (store: Store, options?: BudgetStore.Options) =>
  Effect.map(
    Layer.build(BudgetStore.layer(Effect.succeed(store), options)),
    (context) =>
      (...limits: ReadonlyArray<Limit.Limit>) =>
        Effect.provide(Budget.make({ name: "key", key: "key", limits: [mark, ...limits] }), context)
  )

/** A store as seen by the process in which a call is interrupted, and how far the call has got. */
const watched = (store: Store) => {
  let phase = "asking"
  let hasRun = false
  const begin = () => {
    hasRun = true
    phase = "running"
    return Effect.yieldNow
  }
  const seen: Store = {
    listen: store.listen,
    apply: (batch) =>
      Effect.tap(store.apply(batch), (answer) =>
        Effect.sync(() => {
          const reserves = batch.operations.filter((operation) => operation._tag === "Reserve")
          const place = reserves.findIndex(({ amounts }) => amounts[0]! > 0)
          if (place < 0 || answer._tag !== "Applied") return
          phase = answer.verdicts[place] === undefined ? "admitted" : reserves[place]!.waits ? "in line" : "refused"
        })
      )
  }
  return { store: seen, begin, running: Effect.suspend(begin), hasRun: () => hasRun, phase: () => phase }
}

/** A process in which the call is made, and another one in which everything else happens. */
const two = Effect.fnUntraced(function* (make: Effect.Effect<Store>) {
  const store = yield* make
  const call = watched(store)
  return { call, here: yield* processOn(call.store), elsewhere: yield* processOn(store) }
})

/** What the call was charged, after everything that must hold when it is over. `spentByOthers` are input tokens. */
const chargedTo = Effect.fnUntraced(function* (
  exit: Exit.Exit<unknown, unknown>,
  { hasRun }: { readonly hasRun: () => boolean },
  budgets: ReadonlyArray<Budget.Budget>,
  { onSuccess, spentByOthers }: { readonly onSuccess: number; readonly spentByOthers: number }
) {
  // What was still on its way arrives.
  yield* TestClock.adjust(1)
  yield* expectAtRest(...budgets)
  const charges = yield* Effect.forEach(budgets, (budget) =>
    Effect.map(budget.snapshot, ({ limits, spent }) => {
      for (const { limit, used } of limits) {
        if (limit._tag === "Cap") expect(used).toBe(limit.meter.measure(spent))
      }
      expect(spent.outputTokens).toBe(spent.inputTokens > spentByOthers ? 1 : 0)
      return spent.inputTokens - spentByOthers
    })
  )
  expect(new Set(charges).size).toBe(1)
  const charge = charges[0]!
  if (Exit.isSuccess(exit)) expect(charge).toBe(onSuccess)
  if (!hasRun()) expect(charge).toBe(0)
  return charge
})

const committing: Call = (budget, running) =>
  budget.withReservation(estimate, (reservation) => Effect.andThen(running, reservation.commit(actual)))

/** Commits what it has used of a reservation that ends with a scope. */
const inScope =
  (reserve: (budget: Budget.Budget) => ReturnType<Budget.Budget["reserve"]>): Call =>
  (budget, running) =>
    Effect.scoped(Effect.flatMap(reserve(budget), (reservation) => Effect.andThen(running, reservation.commit(actual))))

/** Asks behind the call, and says when it was let in. */
const oneBehind = (budget: Budget.Budget) => {
  let letInAt: number | undefined
  return {
    letInAt: () => letInAt,
    call: Effect.flatMap(Clock.currentTimeMillis, (now) =>
      Effect.sync(() => {
        letInAt = now
      })
    ).pipe(budget.spend({ estimate: ofOthers(10) }))
  }
}

describeStores("interrupted at any of its operations, a call of a shared budget that need not wait", ({ make }) => {
  const limits = [Limit.cap("inputTokens", 20), Limit.concurrency(1)]

  const sweep = (call: Call, { charges, onSuccess }: { charges: Array<number>; onSuccess: number }) =>
    interruptAtEveryOperation(
      // While the store is asked it does nothing, and once it is settled nothing more.
      { operationsMin: 8, phases: ["asking", "admitted", "running"], charges },
      Effect.gen(function* () {
        const { call: watching, elsewhere, here } = yield* two(make)
        const [budget, other] = [yield* here(...limits), yield* elsewhere(...limits)]
        return {
          call: call(budget, watching.running, watching.begin),
          phase: watching.phase,
          charged: (exit: Exit.Exit<unknown, unknown>) =>
            Effect.gen(function* () {
              const charge = yield* chargedTo(exit, watching, [budget, other], { onSuccess, spentByOthers: 0 })
              // All that is left is there for another process, at once.
              yield* Effect.scoped(other.tryReserve(ofOthers(20 - charge)))
              return charge
            })
        }
      })
    )

  it.effect("is charged the actual usage once or nothing, when it commits", () =>
    sweep(committing, { charges: [0, 7], onSuccess: 7 })
  )

  it.effect("is charged the estimate once or nothing, when it does not commit", () =>
    sweep((budget, running) => budget.withReservation(estimate, () => running), { charges: [0, 10], onSuccess: 10 })
  )

  it.effect("is charged what it has recorded last, until it commits", () =>
    sweep(
      (budget, running) =>
        budget.withReservation(estimate, (reservation) =>
          running.pipe(
            Effect.andThen(reservation.record(partial)),
            Effect.andThen(Effect.yieldNow),
            Effect.andThen(reservation.commit(actual))
          )
        ),
      { charges: [0, 3, 7], onSuccess: 7 }
    )
  )

  it.effect("is charged nothing, when it releases", () =>
    sweep((budget, running) => budget.withReservation(estimate, ({ release }) => Effect.andThen(running, release)), {
      charges: [0],
      onSuccess: 0
    })
  )

  it.effect("is charged nothing before it runs and the estimate once it does, where interruptions are charged", () =>
    sweep((budget, _, begin) => budget.withReservation(estimate, begin, { onFailure: "charge" }), {
      charges: [0, 10],
      onSuccess: 10
    })
  )

  it.effect("spends the estimate once or nothing", () =>
    sweep((budget, running) => budget.spend({ estimate })(running), { charges: [0, 10], onSuccess: 10 })
  )

  it.effect("spends what its result says once or nothing", () =>
    sweep((budget, running) => budget.spend<number>({ estimate, actual: usage })(Effect.as(running, 7)), {
      charges: [0, 7],
      onSuccess: 7
    })
  )

  it.effect("is charged once or nothing, when it commits in a scope", () =>
    sweep(
      inScope((budget) => budget.reserve(estimate)),
      { charges: [0, 7], onSuccess: 7 }
    )
  )

  it.effect("is charged once or nothing, when it only tries and is admitted", () =>
    sweep(
      inScope((budget) => budget.tryReserve(estimate)),
      { charges: [0, 7], onSuccess: 7 }
    )
  )

  it.effect("is charged once or nothing, when it takes what there is", () =>
    sweep(
      inScope((budget) => budget.reserve(Usage.make({ inputTokens: 40, outputTokens: 37 }), { least: usage(4) })),
      { charges: [0, 7], onSuccess: 7 }
    )
  )

  it.effect("leaves no trace, when it only tries and is refused", () =>
    interruptAtEveryOperation(
      { operationsMin: 5, phases: ["asking", "refused"], charges: [0] },
      Effect.gen(function* () {
        const { call: watching, elsewhere, here } = yield* two(make)
        const [budget, other] = [yield* here(Limit.concurrency(1)), yield* elsewhere(Limit.concurrency(1))]
        const holder = yield* other.reserve(ofOthers(1))
        return {
          call: Effect.scoped(budget.tryReserve(estimate)),
          phase: watching.phase,
          charged: (exit: Exit.Exit<unknown, unknown>) =>
            Effect.gen(function* () {
              expect(exit._tag).toBe("Failure")
              yield* TestClock.adjust(1)
              expect((yield* other.snapshot).open).toBe(1)
              yield* holder.release
              return yield* chargedTo(exit, watching, [budget, other], { onSuccess: 0, spentByOthers: 0 })
            })
        }
      })
    )
  )

  it.effect("is charged in every budget around it, or in none", () =>
    interruptAtEveryOperation(
      { operationsMin: 10, phases: ["asking", "admitted", "running"], charges: [0, 7] },
      Effect.gen(function* () {
        const { call: watching, elsewhere, here } = yield* two(make)
        const [key, other] = [yield* here(...limits), yield* elsewhere(...limits)]
        const team = yield* Budget.make({ name: "team", limits: [Limit.concurrency(1)], within: [key] })
        const run = yield* Budget.make({ name: "run", limits: [Limit.cap("inputTokens", 1_000)], within: [team] })
        return {
          call: committing(run, watching.running, watching.begin),
          phase: watching.phase,
          charged: (exit: Exit.Exit<unknown, unknown>) =>
            chargedTo(exit, watching, [run, team, key, other], { onSuccess: 7, spentByOthers: 0 })
        }
      })
    )
  )
})

describeStores("interrupted at any of its operations, a call of a shared budget that has to wait", ({ make }) => {
  it.effect("for a window gives its turn to others, unless it has run", () =>
    interruptAtEveryOperation(
      { operationsMin: 10, phases: ["asking", "in line", "admitted", "running"], charges: [0, 7] },
      Effect.gen(function* () {
        const limits = [Limit.slidingWindow("inputTokens", 10, "1 minute"), Limit.cap("inputTokens", 1_000)]
        const { call: watching, elsewhere, here } = yield* two(make)
        const [budget, other] = [yield* here(...limits), yield* elsewhere(...limits)]
        yield* other.charge(ofOthers(10))
        const behind = oneBehind(other)
        return {
          call: committing(budget, watching.running, watching.begin),
          phase: watching.phase,
          meanwhile: Effect.gen(function* () {
            yield* TestClock.adjust(1)
            const fiber = yield* Effect.forkChild(behind.call)
            yield* TestClock.setTime(MINUTE)
            yield* TestClock.setTime(2 * MINUTE)
            yield* expectOver([fiber])
          }),
          charged: (exit: Exit.Exit<unknown, unknown>) =>
            Effect.gen(function* () {
              const charge = yield* chargedTo(exit, watching, [budget, other], { onSuccess: 7, spentByOthers: 20 })
              if (charge === 0) expect(behind.letInAt()).toBe(MINUTE)
              return charge
            })
        }
      })
    )
  )

  /** Another process ends what the call waits for. Others wait behind it: here, through another budget, and elsewhere. */
  const forSettlement = (call: Call, onSuccess: number) =>
    Effect.gen(function* () {
      const { call: watching, elsewhere, here } = yield* two(make)
      const [budget, other] = [yield* here(Limit.concurrency(1)), yield* elsewhere(Limit.concurrency(1))]
      const holder = yield* other.reserve(ofOthers(10))
      const behind = [oneBehind(budget), oneBehind(yield* here(Limit.concurrency(1))), oneBehind(other)]
      return {
        call: call(budget, watching.running, watching.begin),
        phase: watching.phase,
        meanwhile: Effect.gen(function* () {
          yield* TestClock.adjust(1)
          const fibers = yield* Effect.forEach(behind, ({ call }) => Effect.forkChild(call))
          yield* TestClock.adjust(1)
          yield* holder.commit(ofOthers(10))
          yield* expectOver(fibers)
        }),
        charged: (exit: Exit.Exit<unknown, unknown>) =>
          Effect.gen(function* () {
            expect(behind.map(({ letInAt }) => letInAt())).toEqual([2, 2, 2])
            return yield* chargedTo(exit, watching, [budget, other], { onSuccess, spentByOthers: 40 })
          })
      }
    })

  const phases = ["asking", "in line", "admitted", "running"]

  it.effect("for another process gives its turn to others", () =>
    interruptAtEveryOperation({ operationsMin: 10, phases, charges: [0, 7] }, forSettlement(committing, 7))
  )

  it.effect("for another process with a reservation in a scope does so, too", () =>
    interruptAtEveryOperation(
      { operationsMin: 10, phases, charges: [0, 7] },
      forSettlement(
        inScope((budget) => budget.reserve(estimate)),
        7
      )
    )
  )

  it.effect("for another process and is told its place does so, too", () =>
    interruptAtEveryOperation(
      { operationsMin: 15, phases, charges: [0, 10] },
      forSettlement(
        (budget, running) =>
          budget.spend({ estimate, onWait: (place) => Effect.andThen(place, Effect.yieldNow) })(running),
        10
      )
    )
  )

  it.effect("and cannot be interrupted waits, runs and is charged", () =>
    interruptAtEveryOperation(
      { operationsMin: 10, phases, charges: [7] },
      Effect.map(forSettlement(committing, 7), (trial) => ({ ...trial, uninterruptible: true }))
    )
  )

  it.effect("for a budget around its own leaves a trace in all budgets, or in none", () =>
    interruptAtEveryOperation(
      { operationsMin: 10, phases, charges: [0, 7] },
      Effect.gen(function* () {
        const { call: watching, elsewhere, here } = yield* two(make)
        const [key, other] = [yield* here(Limit.concurrency(1)), yield* elsewhere(Limit.concurrency(1))]
        const run = yield* Budget.make({
          name: "run",
          limits: [Limit.cap("inputTokens", 20), Limit.concurrency(1)],
          within: [key]
        })
        const holder = yield* other.reserve(ofOthers(10))
        const behind = [oneBehind(run), oneBehind(key), oneBehind(other)]
        return {
          call: committing(run, watching.running, watching.begin),
          phase: watching.phase,
          meanwhile: Effect.gen(function* () {
            yield* TestClock.adjust(1)
            const fibers = yield* Effect.forEach(behind, ({ call }) => Effect.forkChild(call))
            yield* TestClock.adjust(1)
            yield* holder.commit(ofOthers(10))
            yield* expectOver(fibers)
          }),
          charged: (exit: Exit.Exit<unknown, unknown>) =>
            Effect.gen(function* () {
              expect(behind.map(({ letInAt }) => letInAt())).toEqual([2, 2, 2])
              const charge = yield* chargedTo(exit, watching, [key, other], { onSuccess: 7, spentByOthers: 40 })
              expect(yield* chargedTo(exit, watching, [run], { onSuccess: 7, spentByOthers: 10 })).toBe(charge)
              return charge
            })
        }
      })
    )
  )

  it.effect("in vain, until its maxWait is over, leaves no trace", () =>
    interruptAtEveryOperation(
      { operationsMin: 5, phases: ["asking", "in line"], charges: [0] },
      Effect.gen(function* () {
        const { call: watching, elsewhere, here } = yield* two(make)
        const [budget, other] = [yield* here(Limit.concurrency(1)), yield* elsewhere(Limit.concurrency(1))]
        const holder = yield* other.reserve(ofOthers(10))
        const behind = [oneBehind(budget), oneBehind(other)]
        return {
          call: budget.spend({ estimate, maxWait: "1 second" })(watching.running),
          phase: watching.phase,
          meanwhile: Effect.gen(function* () {
            yield* TestClock.adjust(1)
            const fibers = yield* Effect.forEach(behind, ({ call }) => Effect.forkChild(call))
            yield* TestClock.setTime(2_000)
            yield* holder.commit(ofOthers(10))
            yield* expectOver(fibers)
          }),
          charged: (exit: Exit.Exit<unknown, unknown>) =>
            Effect.gen(function* () {
              expect(exit._tag).toBe("Failure")
              expect(behind.map(({ letInAt }) => letInAt())).toEqual([2_000, 2_000])
              return yield* chargedTo(exit, watching, [budget, other], { onSuccess: 0, spentByOthers: 30 })
            })
        }
      })
    )
  )
})

/** A store to which every batch takes its time, and whose answers do. */
const slow = (store: Store): Store => ({
  listen: store.listen,
  apply: (batch) =>
    Effect.sleep(WAY_MILLIS).pipe(
      Effect.andThen(Effect.suspend(() => store.apply(batch))),
      Effect.tap(() => Effect.sleep(WAY_MILLIS))
    )
})

const WAY_MILLIS = 3

/** Does something while time goes on. */
const asTimeGoesOn = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.raceFirst(effect, Effect.forever(TestClock.adjust(1)))

describeStores(
  "interrupted at any millisecond, while batches are on their way, a call of a shared budget",
  ({ make }) => {
    const limits = [Limit.concurrency(1), Limit.slidingWindow("inputTokens", 1_000, "1 minute")]
    const UNTIL_MILLIS = 60

    /** Another process holds what the call waits for, and others wait behind it. */
    const trial = Effect.fnUntraced(function* (call: Call, onSuccess: number, at: number) {
      const store = yield* make
      const watching = watched(store)
      const here = yield* processOn(slow(watching.store))
      const budget = yield* here(...limits)
      const other = yield* (yield* processOn(slow(store)))(...limits)
      const holding = yield* Effect.forkChild(Effect.sleep(10).pipe(other.spend({ estimate: ofOthers(10) })))
      yield* TestClock.adjust(1)
      const fiber = yield* Effect.forkChild(call(budget, watching.running, watching.begin))
      yield* TestClock.adjust(1)
      const twin = yield* here(...limits)
      const behind = yield* Effect.forEach([budget, twin, other], (budget) => Effect.forkChild(oneBehind(budget).call))
      yield* TestClock.adjust(at)
      yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
      yield* TestClock.adjust(UNTIL_MILLIS + 100 - at)
      yield* expectOver([holding, fiber, ...behind])
      const exit = yield* Fiber.await(fiber)
      return yield* asTimeGoesOn(chargedTo(exit, watching, [budget, other], { onSuccess, spentByOthers: 40 }))
    })

    const sweep = (call: Call, charges: ReadonlyArray<number>) =>
      Effect.gen(function* () {
        const seen: Array<number> = []
        for (let at = 0; at <= UNTIL_MILLIS; at++) {
          const charge = yield* Effect.acquireUseRelease(
            Scope.make(),
            (scope) => Scope.provide(trial(call, charges.at(-1)!, at), scope),
            (scope) => asTimeGoesOn(Scope.close(scope, Exit.void))
          ).pipe(
            Effect.catchDefect((defect) => Effect.die(new Error(`interrupted at ${at} ms: ${String(defect)}`))),
            Effect.provide(TestClock.layer())
          )
          if (seen.at(-1) !== charge) seen.push(charge)
        }
        expect(seen).toEqual(charges)
      })

    it.effect("is charged once or nothing, and keeps nobody waiting", () =>
      sweep(
        (budget, running) =>
          budget.withReservation(estimate, (reservation) =>
            running.pipe(
              Effect.andThen(Effect.sleep(4)),
              Effect.andThen(reservation.record(partial)),
              Effect.andThen(Effect.sleep(4)),
              Effect.andThen(reservation.commit(actual))
            )
          ),
        [0, 3, 7]
      )
    )
  }
)
