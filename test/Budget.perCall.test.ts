import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Budget from "../src/Budget.ts"
import * as Limit from "../src/Limit.ts"
import * as Usage from "../src/Usage.ts"
import { listenTo } from "./support/heard.ts"

const tokens = (count: number) => Usage.make({ inputTokens: count })
const ceiling = Limit.perCall("tokens", 10)

/** Goes on for as long as it is not released. */
const holding = (budget: Budget.Budget, count = 1) =>
  Effect.map(Effect.replicateEffect(budget.reserve(tokens(1)), count), (held) =>
    Effect.forEach(held, ({ release }) => release, { discard: true })
  )

describe("a ceiling per call", () => {
  it.effect("refuses a larger call before it is made, and no other, however many there are", () =>
    Effect.gen(function* () {
      const budget = yield* Budget.make({ name: "run", limits: [ceiling] })
      let made = 0
      const call = (count: number) =>
        Effect.sync(() => {
          made++
        }).pipe(budget.spend({ estimate: tokens(count) }))
      for (let index = 0; index < 5; index++) yield* call(10)
      const { reason } = yield* Effect.flip(call(11))
      expect(reason).toMatchObject({ _tag: "RequestTooLarge", limit: ceiling, requested: 11 })
      expect(made).toBe(5)
    })
  )

  it.effect("holds nothing, and reports what a call used beyond its reservation", () =>
    Effect.gen(function* () {
      const budget = yield* Budget.make({ name: "run", limits: [ceiling] })
      const heard = yield* listenTo(budget)
      const reservation = yield* budget.reserve(tokens(8))
      const untouched = { limit: ceiling, used: 0, reserved: 0, available: 10 }
      expect((yield* budget.snapshot).limits).toEqual([untouched])
      yield* reservation.commit(tokens(15))
      expect((yield* budget.snapshot).limits).toEqual([untouched])
      expect(yield* heard).toContainEqual(
        expect.objectContaining({ _tag: "Overran", budget: "run", limit: ceiling, overrun: 7 })
      )
    })
  )

  it.effect("does not make a small call wait for one that has its place at all limits of the budget", () =>
    Effect.gen(function* () {
      const a = yield* Budget.make({ name: "a", limits: [Limit.concurrency(2), ceiling] })
      const b = yield* Budget.make({ name: "b", limits: [Limit.concurrency(1)] })
      const both = yield* Budget.make({ name: "both", limits: [], within: [a, b] })
      let releaseB = yield* holding(b)
      yield* Effect.forkChild(both.spend({ estimate: tokens(6) })(Effect.never), { startImmediately: true })
      // Its turn comes at one of them when the other one is full, until it has been so four times.
      for (let time = 0; time < 2; time++) {
        const releaseA = yield* holding(a, 2)
        yield* releaseB
        releaseB = yield* holding(b)
        yield* releaseA
      }
      yield* Effect.scoped(a.tryReserve(tokens(6)))
      expect((yield* both.snapshot).waiting).toBe(1)
    })
  )
})
