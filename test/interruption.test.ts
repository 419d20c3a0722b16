import { describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as Budget from "../src/Budget.ts"
import { expectAtRest } from "../src/BudgetTesting.ts"
import * as Limit from "../src/Limit.ts"
import type { Reservation } from "../src/Reservation.ts"
import * as Usage from "../src/Usage.ts"
import { interruptAtEveryOperation } from "./support/interruptAtEveryOperation.ts"

const MINUTE = 60_000

/** The call that is interrupted is the only one to use output tokens: by them it is told from the others. */
const usage = (inputTokens: number) => Usage.make({ inputTokens, outputTokens: 1 })
const estimate = usage(10)
const actual = usage(7)
const partial = usage(3)

const ofOthers = (inputTokens: number) => Usage.make({ inputTokens })

const mark = Limit.cap("outputTokens", 1_000, { name: "the call under test" })

/** `begin` is what `running` does, for bodies that are functions: they have run as soon as they are called. */
type Call = (
  budget: Budget.Budget,
  running: Effect.Effect<void>,
  begin: () => Effect.Effect<void>
) => Effect.Effect<unknown, unknown>

/** Says where the call is of which `running` is a part, and whether it has run. */
const watch = (budget: Budget.Budget, othersInLine: () => number = () => 0) => {
  let hasWaited = false
  let wasOpen = false
  let hasRun = false
  const begin = () => {
    hasRun = true
    return Effect.yieldNow
  }
  return {
    begin,
    running: Effect.suspend(begin),
    hasRun: () => hasRun,
    phase: () => {
      const { limits, waiting } = Effect.runSync(budget.snapshot)
      const reserved = limits.find(({ limit }) => limit.name === mark.name)!.reserved
      if (reserved > 0) {
        wasOpen = true
        return hasRun ? "running" : "admitted"
      }
      if (wasOpen) return "settled"
      if (waiting > othersInLine()) {
        hasWaited = true
        return "in line"
      }
      return hasWaited ? "out of line" : "asking"
    }
  }
}

/** What the call was charged, after everything that must hold when it is over. `spentByOthers` are input tokens. */
const chargedTo = Effect.fnUntraced(function* (
  exit: Exit.Exit<unknown, unknown>,
  { hasRun }: { readonly hasRun: () => boolean },
  budgets: ReadonlyArray<Budget.Budget>,
  { onSuccess, spentByOthers }: { readonly onSuccess: number; readonly spentByOthers: number }
) {
  yield* expectAtRest(...budgets)
  const charges = yield* Effect.forEach(budgets, (budget) =>
    Effect.map(budget.snapshot, ({ limits, spent }) => {
      // A cap holds what was spent, no more and no less.
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

const committing = (budget: Budget.Budget, running: Effect.Effect<void>) =>
  budget.withReservation(estimate, (reservation) => Effect.andThen(running, reservation.commit(actual)))

/** Its least fits beside others; of what there is, it takes all. */
const committingElastic = (budget: Budget.Budget, running: Effect.Effect<void>) =>
  budget.withReservation(
    Usage.make({ inputTokens: 40, outputTokens: 37 }),
    (reservation) =>
      running.pipe(
        Effect.andThen(Effect.sync(() => expect(reservation.granted.outputTokens).toBeGreaterThan(1))),
        Effect.andThen(reservation.commit(actual))
      ),
    { least: usage(4) }
  )

describe("interrupted at any of its operations, a call that need not wait", () => {
  const phases = ["asking", "admitted", "running", "settled"]

  const sweep = (
    call: Call,
    { charges, onSuccess, operationsMin = 8 }: { charges: Array<number>; onSuccess: number; operationsMin?: number }
  ) =>
    interruptAtEveryOperation(
      { operationsMin, phases, charges },
      Effect.gen(function* () {
        const budget = yield* Budget.make({
          name: "run",
          limits: [Limit.cap("inputTokens", 20), Limit.concurrency(1), mark]
        })
        const watched = watch(budget)
        return {
          call: call(budget, watched.running, watched.begin),
          phase: watched.phase,
          charged: (exit: Exit.Exit<unknown, unknown>) =>
            Effect.gen(function* () {
              const charge = yield* chargedTo(exit, watched, [budget], { onSuccess, spentByOthers: 0 })
              // All that is left is there for the next one, at once.
              yield* Effect.scoped(budget.tryReserve(ofOthers(20 - charge)))
              return charge
            })
        }
      })
    )

  it.effect("is charged the estimate once or nothing, when it does not commit", () =>
    sweep((budget, running) => budget.withReservation(estimate, () => running), { charges: [0, 10], onSuccess: 10 })
  )

  it.effect("is charged the actual usage once or nothing, when it commits", () =>
    sweep(committing, { charges: [0, 7], onSuccess: 7 })
  )

  it.effect("is charged the actual usage once or nothing, when it is elastic and commits", () =>
    sweep(committingElastic, { charges: [0, 7], onSuccess: 7 })
  )

  it.effect("is charged what it has recorded last, until it commits", () =>
    sweep(
      (budget, running) =>
        budget.withReservation(estimate, (reservation) =>
          running.pipe(
            Effect.andThen(reservation.record(partial)),
            Effect.andThen(reservation.record(usage(5))),
            Effect.andThen(Effect.yieldNow),
            Effect.andThen(reservation.commit(actual))
          )
        ),
      { charges: [0, 3, 5, 7], onSuccess: 7 }
    )
  )

  it.effect("is charged nothing, when it releases", () =>
    sweep((budget, running) => budget.withReservation(estimate, ({ release }) => Effect.andThen(running, release)), {
      charges: [0],
      onSuccess: 0
    })
  )

  it.effect("is charged the estimate once or nothing, when it commits nonsense and that is logged", () =>
    sweep(
      (budget, running) =>
        budget.withReservation(estimate, (reservation) =>
          Effect.andThen(running, reservation.commit(usage(Number.NaN)))
        ),
      { charges: [0, 10], onSuccess: 10, operationsMin: 13 }
    )
  )

  it.effect("is charged once or nothing, when it settles several times and that is logged", () =>
    sweep(
      (budget, running) =>
        budget.withReservation(estimate, (reservation) =>
          running.pipe(
            Effect.andThen(reservation.commit(actual)),
            Effect.andThen(reservation.commit(actual)),
            Effect.andThen(reservation.release)
          )
        ),
      { charges: [0, 7], onSuccess: 7, operationsMin: 18 }
    )
  )

  it.effect("is charged nothing or what it has recorded, when it would have failed", () =>
    sweep(
      (budget, running) =>
        budget.withReservation(estimate, (reservation) =>
          running.pipe(Effect.andThen(reservation.record(partial)), Effect.andThen(Effect.fail("cut off")))
        ),
      { charges: [0, 3], onSuccess: 0 }
    )
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

  it.effect("is charged nothing before it runs and the estimate once it does, where interruptions are charged", () =>
    sweep((budget, _, begin) => budget.withReservation(estimate, begin, { onFailure: "charge" }), {
      charges: [0, 10],
      onSuccess: 10
    })
  )

  const scoped =
    (use: (reservation: Reservation) => Effect.Effect<unknown, unknown>): Call =>
    (budget, running) =>
      Effect.scoped(
        Effect.flatMap(budget.reserve(estimate), (reservation) => Effect.andThen(running, use(reservation)))
      )

  it.effect("is charged the actual usage once or nothing, when it commits in a scope", () =>
    sweep(
      scoped((reservation) => reservation.commit(actual)),
      { charges: [0, 7], onSuccess: 7 }
    )
  )

  it.effect("is charged nothing, when it releases in a scope", () =>
    sweep(
      scoped((reservation) => reservation.release),
      { charges: [0], onSuccess: 0 }
    )
  )

  it.effect("is charged what it has recorded in a scope, and the estimate once that has closed with success", () =>
    sweep(
      scoped((reservation) => Effect.andThen(reservation.record(partial), Effect.yieldNow)),
      { charges: [0, 3, 10], onSuccess: 10 }
    )
  )

  it.effect("is charged the estimate once or nothing, when nobody settles in the scope", () =>
    sweep(
      scoped(() => Effect.yieldNow),
      { charges: [0, 10], onSuccess: 10 }
    )
  )

  it.effect("is charged once or nothing, when it only tries and is admitted", () =>
    sweep(
      (budget, running) =>
        Effect.scoped(
          Effect.flatMap(budget.tryReserve(estimate), (reservation) =>
            Effect.andThen(running, reservation.commit(actual))
          )
        ),
      { charges: [0, 7], onSuccess: 7 }
    )
  )

  it.effect("leaves no trace, when it only tries and is refused", () =>
    interruptAtEveryOperation(
      { operationsMin: 5, phases: ["asking"], charges: [0] },
      Effect.gen(function* () {
        const budget = yield* Budget.make({ name: "run", limits: [Limit.concurrency(1), mark] })
        const holder = yield* budget.reserve(ofOthers(1))
        const watched = watch(budget)
        return {
          call: Effect.scoped(budget.tryReserve(estimate)),
          phase: watched.phase,
          charged: (exit: Exit.Exit<unknown, unknown>) =>
            Effect.gen(function* () {
              expect(exit._tag).toBe("Failure")
              expect((yield* budget.snapshot).open).toBe(1)
              yield* holder.release
              return yield* chargedTo(exit, watched, [budget], { onSuccess: 0, spentByOthers: 0 })
            })
        }
      })
    )
  )

  it.effect("is charged in every budget around it, or in none", () =>
    interruptAtEveryOperation(
      { operationsMin: 10, phases, charges: [0, 7] },
      Effect.gen(function* () {
        const budgets = yield* threeNested
        const watched = watch(budgets[0])
        return {
          call: committing(budgets[0], watched.running),
          phase: watched.phase,
          charged: (exit: Exit.Exit<unknown, unknown>) =>
            chargedTo(exit, watched, budgets, { onSuccess: 7, spentByOthers: 0 })
        }
      })
    )
  )

  it.effect("takes a cut stream for a success: the estimate is charged, and before that what was recorded", () =>
    sweep(
      (budget, running) =>
        budget.reserve(estimate).pipe(
          Effect.map((reservation) =>
            Stream.make(1, 2, 3).pipe(Stream.tap((part) => Effect.andThen(running, reservation.record(usage(part)))))
          ),
          Stream.unwrap,
          Stream.take(1),
          Stream.runDrain
        ),
      { charges: [0, 1, 10], onSuccess: 10, operationsMin: 30 }
    )
  )
})

/** A run within a team within a key, with limits of all kinds. */
const threeNested = Effect.gen(function* () {
  const key = yield* Budget.make({
    name: "key",
    limits: [Limit.slidingWindow("inputTokens", 10, "1 minute"), Limit.cap("inputTokens", 1_000)]
  })
  const team = yield* Budget.make({ name: "team", limits: [Limit.concurrency(1)], within: [key] })
  const run = yield* Budget.make({ name: "run", limits: [mark, Limit.cap("inputTokens", 1_000)], within: [team] })
  return [run, team, key] as const
})

/** Waits in line behind the call, and says when it was let in. */
const oneBehind = (budget: Budget.Budget) => {
  let letInAt: number | undefined
  let isInLine = false
  const call = Effect.flatMap(Clock.currentTimeMillis, (now) =>
    Effect.sync(() => {
      letInAt = now
    })
  ).pipe(budget.spend({ estimate: ofOthers(10) }))
  return {
    letInAt: () => letInAt,
    isInLine: () => isInLine,
    queue: Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(call)
      yield* Effect.yieldNow
      isInLine = true
      return fiber
    })
  }
}

describe("interrupted at any of its operations, a call that has to wait", () => {
  const phases = ["asking", "in line", "admitted", "running", "settled"]

  /** The window is full for a minute, and another call waits behind. */
  const inWindow = (call: Call, onSuccess: number) =>
    Effect.gen(function* () {
      const budget = yield* Budget.make({
        name: "run",
        limits: [Limit.slidingWindow("inputTokens", 10, "1 minute"), Limit.cap("inputTokens", 1_000), mark]
      })
      yield* budget.charge(ofOthers(10))
      const watched = watch(budget)
      const behind = oneBehind(budget)
      return {
        call: call(budget, watched.running, watched.begin),
        phase: watched.phase,
        meanwhile: Effect.gen(function* () {
          const fiber = yield* behind.queue
          yield* TestClock.setTime(MINUTE)
          yield* TestClock.setTime(2 * MINUTE)
          yield* Fiber.join(fiber)
        }),
        charged: (exit: Exit.Exit<unknown, unknown>) =>
          Effect.gen(function* () {
            const charge = yield* chargedTo(exit, watched, [budget], { onSuccess, spentByOthers: 20 })
            // The one behind gets the room that the call has not used, at once.
            expect(behind.letInAt()).toBe(charge === 0 ? MINUTE : 2 * MINUTE)
            return charge
          })
      }
    })

  it.effect("for a window gives its turn to the next, unless it has run", () =>
    interruptAtEveryOperation({ operationsMin: 10, phases, charges: [0, 7] }, inWindow(committing, 7))
  )

  it.effect("for a window and is elastic does so, too", () =>
    interruptAtEveryOperation({ operationsMin: 10, phases, charges: [0, 7] }, inWindow(committingElastic, 7))
  )

  it.effect("for a window with a reservation in a scope does so, too", () =>
    interruptAtEveryOperation(
      { operationsMin: 15, phases, charges: [0, 7] },
      inWindow(
        (budget, running) =>
          Effect.scoped(
            Effect.flatMap(budget.reserve(estimate), (reservation) =>
              Effect.andThen(running, reservation.commit(actual))
            )
          ),
        7
      )
    )
  )

  it.effect("for a window and is told its place does so, too", () =>
    interruptAtEveryOperation(
      { operationsMin: 15, phases, charges: [0, 10] },
      inWindow(
        (budget, running) =>
          budget.spend({ estimate, onWait: (place) => Effect.andThen(place, Effect.yieldNow) })(running),
        10
      )
    )
  )

  it.effect("for a window before its stream begins does so, too", () =>
    interruptAtEveryOperation(
      { operationsMin: 30, phases, charges: [0, 1, 10] },
      inWindow(
        (budget, running) =>
          budget.reserve(estimate).pipe(
            Effect.map((reservation) =>
              Stream.make(1, 2).pipe(Stream.tap((part) => Effect.andThen(running, reservation.record(usage(part)))))
            ),
            Stream.unwrap,
            Stream.take(1),
            Stream.runDrain
          ),
        10
      )
    )
  )

  it.effect("where interruptions are charged is charged nothing before it runs", () =>
    interruptAtEveryOperation(
      { operationsMin: 10, phases, charges: [0, 10] },
      inWindow((budget, _, begin) => budget.withReservation(estimate, begin, { onFailure: "charge" }), 10)
    )
  )

  it.effect("for the end of another call gives its turn to the next", () =>
    interruptAtEveryOperation(
      { operationsMin: 10, phases, charges: [0, 7] },
      Effect.gen(function* () {
        const budget = yield* Budget.make({ name: "run", limits: [Limit.concurrency(1), mark] })
        const holder = yield* budget.reserve(ofOthers(10))
        const watched = watch(budget)
        const behind = oneBehind(budget)
        return {
          call: committing(budget, watched.running),
          phase: watched.phase,
          meanwhile: Effect.gen(function* () {
            const fiber = yield* behind.queue
            yield* TestClock.setTime(1)
            yield* holder.commit(ofOthers(10))
            yield* Fiber.join(fiber)
          }),
          charged: (exit: Exit.Exit<unknown, unknown>) =>
            Effect.gen(function* () {
              expect(behind.letInAt()).toBe(1)
              return yield* chargedTo(exit, watched, [budget], { onSuccess: 7, spentByOthers: 20 })
            })
        }
      })
    )
  )

  it.effect("behind another leaves the one before it and the one behind it alone", () =>
    interruptAtEveryOperation(
      { operationsMin: 10, phases, charges: [0, 7] },
      Effect.gen(function* () {
        const budget = yield* Budget.make({ name: "run", limits: [Limit.concurrency(1), mark] })
        const holder = yield* budget.reserve(ofOthers(10))
        const ahead = oneBehind(budget)
        const behind = oneBehind(budget)
        const first = yield* ahead.queue
        const watched = watch(budget, () => 1)
        return {
          call: committing(budget, watched.running),
          phase: watched.phase,
          meanwhile: Effect.gen(function* () {
            const last = yield* behind.queue
            yield* TestClock.setTime(1)
            yield* holder.commit(ofOthers(10))
            yield* Fiber.join(first)
            yield* Fiber.join(last)
          }),
          charged: (exit: Exit.Exit<unknown, unknown>) =>
            Effect.gen(function* () {
              expect([ahead.letInAt(), behind.letInAt()]).toEqual([1, 1])
              return yield* chargedTo(exit, watched, [budget], { onSuccess: 7, spentByOthers: 30 })
            })
        }
      })
    )
  )

  it.effect("in vain, until its maxWait is over, leaves no trace", () =>
    interruptAtEveryOperation(
      { operationsMin: 5, phases: ["asking", "in line", "out of line"], charges: [0] },
      Effect.gen(function* () {
        const budget = yield* Budget.make({
          name: "run",
          limits: [Limit.slidingWindow("inputTokens", 10, "1 minute"), mark]
        })
        const holder = yield* budget.reserve(ofOthers(10))
        const behind = oneBehind(budget)
        const watched = watch(budget, () => (behind.isInLine() ? 1 : 0))
        return {
          call: budget.spend({ estimate, maxWait: "30 seconds" })(watched.running),
          phase: watched.phase,
          meanwhile: Effect.gen(function* () {
            const fiber = yield* behind.queue
            yield* TestClock.setTime(MINUTE / 2)
            yield* TestClock.setTime(MINUTE)
            yield* Fiber.join(fiber)
            yield* holder.commit(ofOthers(10))
          }),
          charged: (exit: Exit.Exit<unknown, unknown>) =>
            Effect.gen(function* () {
              expect(exit._tag).toBe("Failure")
              expect(behind.letInAt()).toBe(MINUTE)
              return yield* chargedTo(exit, watched, [budget], { onSuccess: 0, spentByOthers: 20 })
            })
        }
      })
    )
  )

  it.effect("for a budget around it leaves a trace in all budgets, or in none", () =>
    interruptAtEveryOperation(
      { operationsMin: 10, phases, charges: [0, 7] },
      Effect.gen(function* () {
        const budgets = yield* threeNested
        const [run, team] = budgets
        const holder = yield* run.reserve(ofOthers(10))
        const watched = watch(run)
        const behind = oneBehind(team)
        return {
          call: committing(run, watched.running),
          phase: watched.phase,
          meanwhile: Effect.gen(function* () {
            const fiber = yield* behind.queue
            yield* TestClock.setTime(1)
            // Now it waits for the window, of which nothing is given back.
            yield* holder.commit(ofOthers(10))
            yield* TestClock.setTime(MINUTE)
            yield* TestClock.setTime(2 * MINUTE)
            yield* Fiber.join(fiber)
          }),
          charged: (exit: Exit.Exit<unknown, unknown>) =>
            Effect.gen(function* () {
              const { spent } = yield* team.snapshot
              expect(behind.letInAt()).toBe(spent.inputTokens === 20 ? MINUTE : 2 * MINUTE)
              const charge = yield* chargedTo(exit, watched, [run], { onSuccess: 7, spentByOthers: 10 })
              expect(yield* chargedTo(exit, watched, budgets.slice(1), { onSuccess: 7, spentByOthers: 20 })).toBe(
                charge
              )
              return charge
            })
        }
      })
    )
  )

  it.effect("and cannot be interrupted waits, runs and is charged", () =>
    interruptAtEveryOperation(
      { operationsMin: 10, phases, charges: [7] },
      Effect.map(inWindow(committing, 7), (trial) => ({ ...trial, uninterruptible: true }))
    )
  )
})

/** A call that waits a minute for a window, and takes ten seconds. Another one waits behind. */
const scheduled = Effect.gen(function* () {
  const budget = yield* Budget.make({
    name: "run",
    limits: [Limit.slidingWindow("inputTokens", 10, "1 minute"), Limit.concurrency(1), mark]
  })
  yield* budget.charge(ofOthers(10))
  const call = yield* Effect.forkChild(
    budget.withReservation(estimate, (reservation) =>
      Effect.sleep("5 seconds").pipe(
        Effect.andThen(reservation.record(partial)),
        Effect.andThen(Effect.sleep("5 seconds")),
        Effect.andThen(reservation.commit(actual))
      )
    )
  )
  yield* Effect.yieldNow
  const behind = oneBehind(budget)
  yield* behind.queue
  return { behind, budget, call }
})

describe("interrupted by another fiber, a call", () => {
  const instants = [
    { at: 0, charge: 0, nextAt: MINUTE },
    { at: 1, charge: 0, nextAt: MINUTE },
    { at: MINUTE - 1, charge: 0, nextAt: MINUTE },
    { at: MINUTE, charge: 0, nextAt: MINUTE },
    { at: MINUTE + 1, charge: 0, nextAt: MINUTE + 1 },
    { at: MINUTE + 4_999, charge: 0, nextAt: MINUTE + 4_999 },
    { at: MINUTE + 5_000, charge: 3, nextAt: 2 * MINUTE },
    { at: MINUTE + 9_999, charge: 3, nextAt: 2 * MINUTE },
    { at: MINUTE + 10_000, charge: 7, nextAt: 2 * MINUTE },
    { at: MINUTE + 10_001, charge: 7, nextAt: 2 * MINUTE }
  ]
  for (const { at, charge, nextAt } of instants) {
    it.effect(`at ${at} ms of its schedule is charged ${charge}, and the next one starts at ${nextAt} ms`, () =>
      Effect.gen(function* () {
        const { behind, budget, call } = yield* scheduled
        yield* TestClock.setTime(at)
        yield* Fiber.interrupt(call)
        yield* Effect.yieldNow
        expect((yield* budget.snapshot).spent.inputTokens).toBe(10 + charge + (behind.letInAt() === at ? 10 : 0))
        yield* TestClock.setTime(2 * MINUTE)
        expect(behind.letInAt()).toBe(nextAt)
        expect((yield* budget.snapshot).spent.inputTokens).toBe(20 + charge)
        yield* expectAtRest(budget)
      })
    )
  }

  const waitingForOne = Effect.fnUntraced(function* (onFailure: Budget.OnFailure) {
    const budget = yield* Budget.make({ name: "run", limits: [Limit.concurrency(1), mark] })
    const holder = yield* budget.reserve(ofOthers(10))
    let hasRun = false
    const call = yield* Effect.forkChild(
      budget.spend({ estimate, onFailure })(
        Effect.sync(() => {
          hasRun = true
        })
      )
    )
    yield* Effect.yieldNow
    const behind = oneBehind(budget)
    yield* behind.queue
    return { behind, budget, call, hasRun: () => hasRun, holder }
  })

  for (const onFailure of ["release", "charge"] as const) {
    it.effect(
      `in the tick in which it is let in does not run, gives its turn away, and has nothing to ${onFailure}`,
      () =>
        Effect.gen(function* () {
          const { behind, budget, call, hasRun, holder } = yield* waitingForOne(onFailure)
          yield* holder.release
          expect(yield* budget.snapshot).toMatchObject({ open: 1, waiting: 1 })
          call.interruptUnsafe()
          expect(Exit.hasInterrupts(yield* Fiber.await(call))).toBe(true)
          expect(hasRun()).toBe(false)
          yield* Effect.yieldNow
          expect(behind.letInAt()).toBe(0)
          yield* expectAtRest(budget)
          expect((yield* budget.snapshot).spent).toEqual(ofOthers(10))
        })
    )
  }

  it.effect("in the tick before a settlement would let it in leaves the line, and the next one is let in", () =>
    Effect.gen(function* () {
      const { behind, budget, call, hasRun, holder } = yield* waitingForOne("release")
      call.interruptUnsafe()
      yield* holder.release
      yield* Fiber.await(call)
      yield* Effect.yieldNow
      expect(hasRun()).toBe(false)
      expect(behind.letInAt()).toBe(0)
      yield* expectAtRest(budget)
      expect((yield* budget.snapshot).spent).toEqual(ofOthers(10))
    })
  )

  const fullForAMinute = Effect.gen(function* () {
    const budget = yield* Budget.make({
      name: "run",
      limits: [Limit.slidingWindow("inputTokens", 20, "1 minute"), mark]
    })
    yield* budget.charge(ofOthers(20))
    return budget
  })

  it.effect("at the instant that would let it in, just before that, gives its turn to the next", () =>
    Effect.gen(function* () {
      const budget = yield* fullForAMinute
      let hasRun = false
      const running = Effect.sync(() => {
        hasRun = true
      })
      const interrupting = Effect.flatMap(Effect.sleep(MINUTE), () => Effect.sync(() => call.interruptUnsafe()))
      // Of those who sleep until the same instant, the first to fall asleep is woken first.
      yield* Effect.forkChild(interrupting, { startImmediately: true })
      const call = yield* Effect.forkChild(budget.spend({ estimate: usage(20) })(running))
      yield* Effect.yieldNow
      const behind = oneBehind(budget)
      yield* behind.queue
      yield* TestClock.setTime(MINUTE)
      expect(Exit.hasInterrupts(yield* Fiber.await(call))).toBe(true)
      expect([hasRun, behind.letInAt()]).toEqual([false, MINUTE])
      expect((yield* budget.snapshot).spent.inputTokens).toBe(30)
      yield* expectAtRest(budget)
    })
  )

  it.effect("by one that the same instant has let in before it gives its turn to the next", () =>
    Effect.gen(function* () {
      const budget = yield* fullForAMinute
      let hasRun = false
      const running = Effect.sync(() => {
        hasRun = true
      })
      const interrupting = Effect.sync(() => call.interruptUnsafe())
      yield* Effect.forkChild(budget.spend({ estimate: ofOthers(10) })(interrupting))
      yield* Effect.yieldNow
      const call = yield* Effect.forkChild(budget.spend({ estimate })(running))
      yield* Effect.yieldNow
      const behind = oneBehind(budget)
      yield* behind.queue
      yield* TestClock.setTime(MINUTE)
      expect(Exit.hasInterrupts(yield* Fiber.await(call))).toBe(true)
      expect([hasRun, behind.letInAt()]).toEqual([false, MINUTE])
      expect((yield* budget.snapshot).spent.inputTokens).toBe(40)
      yield* expectAtRest(budget)
    })
  )

  it.effect("in line leaves it at once, in whatever way it has asked", () =>
    Effect.gen(function* () {
      const budget = yield* Budget.make({ name: "run", limits: [Limit.concurrency(1), mark] })
      yield* budget.reserve(ofOthers(10))
      const ways: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
        Effect.scoped(budget.reserve(estimate)),
        Effect.scoped(budget.reserve(estimate, { maxWait: "1 minute", onWait: () => Effect.never })),
        budget.withReservation(estimate, () => Effect.void),
        budget.spend({ estimate, onWait: () => Effect.never })(Effect.void),
        Stream.runDrain(Stream.unwrap(Effect.as(budget.reserve(estimate), Stream.make(1))))
      ]
      for (const way of ways) {
        const call = yield* Effect.forkChild(way, { startImmediately: true })
        yield* Effect.yieldNow
        expect(yield* budget.snapshot).toMatchObject({ open: 1, waiting: 1 })
        yield* Fiber.interrupt(call)
        expect(yield* budget.snapshot).toMatchObject({ open: 1, waiting: 0, spent: Usage.zero })
      }
    })
  )

  it.effect("in line with a maxWait leaves no alarm that would ring later", () =>
    Effect.gen(function* () {
      const budget = yield* Budget.make({ name: "run", limits: [Limit.concurrency(1), mark] })
      const holder = yield* budget.reserve(ofOthers(10))
      const ahead = oneBehind(budget)
      const first = yield* ahead.queue
      const call = yield* Effect.forkChild(budget.spend({ estimate, maxWait: "1 second" })(Effect.void))
      yield* Effect.yieldNow
      const behind = oneBehind(budget)
      const last = yield* behind.queue
      yield* Fiber.interrupt(call)
      yield* TestClock.setTime(MINUTE)
      expect((yield* budget.snapshot).waiting).toBe(2)
      yield* holder.release
      yield* Fiber.joinAll([first, last])
      expect([ahead.letInAt(), behind.letInAt()]).toEqual([MINUTE, MINUTE])
      yield* expectAtRest(budget)
    })
  )

  it.effect("whose fiber waits twice in a race is withdrawn where it lost", () =>
    Effect.gen(function* () {
      const fast = yield* Budget.make({ name: "fast", limits: [Limit.concurrency(1)] })
      const slow = yield* Budget.make({ name: "slow", limits: [Limit.concurrency(1)] })
      const holders = yield* Effect.all([fast.reserve(ofOthers(1)), slow.reserve(ofOthers(1))])
      const race = yield* Effect.forkChild(
        Effect.race(fast.spend({ estimate })(Effect.succeed("fast")), slow.spend({ estimate })(Effect.succeed("slow")))
      )
      yield* Effect.yieldNow
      yield* Effect.yieldNow
      yield* holders[0].release
      expect(yield* Fiber.join(race)).toBe("fast")
      yield* holders[1].release
      yield* expectAtRest(fast, slow)
      expect((yield* slow.snapshot).spent).toEqual(Usage.zero)
    })
  )
})

describe("when the scope of a budget closes", () => {
  it.effect("whoever waits in it is interrupted, and nothing is charged", () =>
    Effect.gen(function* () {
      const key = yield* Budget.make({ name: "key", limits: [Limit.concurrency(1)] })
      const scope = yield* Scope.make()
      const run = yield* Scope.provide(Budget.make({ name: "run", limits: [mark], within: [key] }), scope)
      const holder = yield* key.reserve(ofOthers(10))
      const calls = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(run.spend({ estimate })(Effect.void)))
      const behind = oneBehind(key)
      const next = yield* behind.queue
      expect((yield* key.snapshot).waiting).toBe(4)
      yield* Scope.close(scope, Exit.void)
      for (const call of calls) expect(Exit.hasInterrupts(yield* Fiber.await(call))).toBe(true)
      expect((yield* key.snapshot).waiting).toBe(1)
      yield* holder.release
      yield* Fiber.join(next)
      yield* expectAtRest(key, run)
      expect((yield* run.snapshot).spent).toEqual(Usage.zero)
    })
  )

  it.effect("whoever waited behind them elsewhere is let in at once", () =>
    Effect.gen(function* () {
      const key = yield* Budget.make({ name: "key", limits: [Limit.slidingWindow("inputTokens", 10, "1 minute")] })
      const scope = yield* Scope.make()
      const run = yield* Scope.provide(Budget.make({ name: "run", limits: [], within: [key] }), scope)
      yield* key.charge(ofOthers(5))
      yield* TestClock.setTime(1)
      yield* Effect.forkChild(run.spend({ estimate: ofOthers(8) })(Effect.void), { startImmediately: true })
      const next = yield* Effect.forkChild(key.spend({ estimate: ofOthers(4) })(Effect.void), {
        startImmediately: true
      })
      expect((yield* key.snapshot).waiting).toBe(2)
      yield* Scope.close(scope, Exit.void)
      yield* Effect.yieldNow
      expect(next.pollUnsafe()).toEqual(Exit.void)
      yield* expectAtRest(key, run)
    })
  )
})
