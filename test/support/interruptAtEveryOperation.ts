/**
 * Interrupts a fiber at its n-th operation, for every n until it ends by itself.
 *
 * An interruption strikes in two ways: in the middle of an operation, so that what follows does not run, or while the
 * fiber has yielded to others just before one, as the scheduler lets it now and then.
 */
import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"

type Strike = "in the middle of" | "before"

/** One run, on a clock of its own that stands at zero. */
export interface Trial {
  /** What is interrupted. */
  readonly call: Effect.Effect<unknown, unknown>
  /** What others do once the call has begun or waits. */
  readonly meanwhile?: Effect.Effect<unknown, unknown>
  /** Whether the call begins in a region in which interruptions have to wait. */
  readonly uninterruptible?: boolean
  /** Where the call is. Asked before each of its operations. */
  readonly phase: () => string
  /** Looks at what the call has left behind. Says what was charged. */
  readonly charged: (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<number, unknown>
}

/** What all runs together must have seen. */
export interface Coverage {
  /** The call has at least so many operations: fewer, and the sweep missed something. */
  readonly operationsMin: number
  /** The phases in which it was interrupted, in order. */
  readonly phases: ReadonlyArray<string>
  /** What was charged, in the order of the operation of the interruption; it must not go back and forth. */
  readonly charges: ReadonlyArray<number>
}

export const interruptAtEveryOperation = Effect.fnUntraced(function* (
  coverage: Coverage,
  trial: Effect.Effect<Trial, unknown, Scope.Scope>
) {
  for (const strike of ["in the middle of", "before"] as const) {
    const phases: Array<string> = []
    const charges: Array<number> = []
    let operation = 1
    while (true) {
      const { charge, isOver, phase } = yield* Effect.provide(run(trial, strike, operation), TestClock.layer())
      if (charges.at(-1) !== charge) charges.push(charge)
      if (isOver) break
      if (phases.at(-1) !== phase) phases.push(phase)
      operation++
    }
    expect({ strike, phases, charges }).toEqual({ strike, phases: coverage.phases, charges: coverage.charges })
    expect(operation).toBeGreaterThan(coverage.operationsMin)
  }
})

const run = (trial: Effect.Effect<Trial, unknown, Scope.Scope>, strike: Strike, operation: number) => {
  let phase = "not begun"
  let isOver = true
  return Effect.scoped(
    Effect.gen(function* () {
      const { call, charged, meanwhile, phase: look, uninterruptible = false } = yield* trial
      const base = yield* Scheduler.Scheduler
      let target: Fiber.Fiber<unknown, unknown> | undefined
      let operations = 0
      const scheduler: Scheduler.Scheduler = {
        executionMode: base.executionMode,
        makeDispatcher: () => base.makeDispatcher(),
        shouldYield: (fiber) => {
          target ??= fiber
          if (fiber !== target || operations === operation) return false
          phase = look()
          if (++operations < operation) return false
          isOver = false
          if (strike === "in the middle of") fiber.interruptUnsafe()
          else fiber.currentDispatcher.scheduleTask(() => fiber.interruptUnsafe(), 0)
          return strike === "before"
        }
      }
      const fiber = yield* Effect.forkChild(Effect.provideService(call, Scheduler.Scheduler, scheduler), {
        uninterruptible
      })
      if (meanwhile !== undefined) yield* Effect.andThen(Effect.yieldNow, meanwhile)
      const charge = yield* charged(yield* Fiber.await(fiber))
      return { charge, isOver, phase }
    })
  ).pipe(
    Effect.catchDefect((defect) =>
      Effect.die(
        new Error(`interrupted ${strike} operation ${operation}, ${phase}: ${String(defect)}`, { cause: defect })
      )
    )
  )
}
