import { assert, it } from "@effect/vitest"
import { Budget, Limit } from "effect-budget"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import { expectOver } from "./support/over.ts"
import { listenTo } from "./support/heard.ts"
import { describeStores } from "./support/store/kinds.ts"
import { callAt, inTwoProcesses, STARTED_AT, used } from "./support/store/twoProcesses.ts"
import { tokens } from "./support/store/user.ts"

const window = Limit.slidingWindow("tokens", 100, "1 minute")

describeStores("what a process says of a shared budget", ({ make }) => {
  const keyOf = (options: Partial<Budget.MakeOptions> = {}) =>
    inTwoProcesses(make, Budget.make({ name: "key", key: "openai", limits: [window], ...options }))

  it.effect("that something was used without asking, counts for all, and keeps others waiting", () =>
    Effect.gen(function* () {
      const { elsewhere, here } = yield* keyOf()
      yield* here.charge(tokens(150))
      assert.deepStrictEqual(yield* used(elsewhere), [150])
      const waiting = yield* Effect.forkChild(callAt(elsewhere, 1))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* Fiber.join(waiting), STARTED_AT + 60_000)
    })
  )

  it.effect("that it is paused, refuses others, who wait until the end", () =>
    Effect.gen(function* () {
      const { elsewhere, here } = yield* keyOf()
      yield* here.pauseUntil(STARTED_AT + 30_000)
      for (const budget of [here, elsewhere]) {
        const refused = yield* Effect.flip(callAt(budget, 1, { maxWait: 0 }))
        assert.strictEqual(refused.reason._tag, "Paused")
        assert.strictEqual(Duration.toMillis(refused.retryAfter!), 30_000)
        assert.strictEqual((yield* budget.snapshot).pausedUntil, STARTED_AT + 30_000)
      }
      const waiting = yield* Effect.forEach([here, elsewhere], (budget) => Effect.forkChild(callAt(budget, 1)))
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(yield* Fiber.joinAll(waiting), [STARTED_AT + 30_000, STARTED_AT + 30_000])
    })
  )

  it.effect("that a pause ends gradually, lets all processes in one after the other", () =>
    Effect.gen(function* () {
      const { elsewhere, here } = yield* keyOf()
      yield* here.pauseUntil(STARTED_AT + 30_000, { resume: "gradual" })
      const calls = [here, elsewhere, here, elsewhere].map((budget) => callAt(budget, 1))
      const waiting = yield* Effect.forEach(calls, (call) => Effect.forkChild(call))
      yield* TestClock.adjust("1 minute")
      const ends = (yield* Fiber.joinAll(waiting)).map((at) => at - STARTED_AT - 30_000)
      assert.deepStrictEqual(
        ends.toSorted((a, b) => a - b),
        [0, 1_000, 1_500, 2_000]
      )
    })
  )

  it.effect("that the provider has less left, is believed everywhere", () =>
    Effect.gen(function* () {
      const { elsewhere, here } = yield* keyOf()
      yield* callAt(elsewhere, 10)
      const heard = yield* listenTo(here)
      yield* here.tighten({ meter: "tokens", limit: 100, remaining: 20 })
      assert.strictEqual((yield* elsewhere.snapshot).limits[0]!.available, 20)
      assert.deepInclude((yield* heard)[0], { _tag: "Tightened", by: 70 })
      assert.strictEqual((yield* Effect.flip(callAt(elsewhere, 21, { maxWait: 0 }))).reason._tag, "WindowExceeded")
      // More than is left is not.
      yield* here.tighten({ meter: "tokens", limit: 100, remaining: 90 })
      assert.strictEqual((yield* elsewhere.snapshot).limits[0]!.available, 20)
    })
  )

  it.effect("that its limits are others now, is for itself, and forgets nothing", () =>
    Effect.gen(function* () {
      const { elsewhere, here } = yield* keyOf()
      yield* callAt(elsewhere, 90)
      const waiting = yield* Effect.forkChild(callAt(here, 50))
      yield* TestClock.adjust(1)
      yield* here.updateLimits([{ ...window, max: 150 }])
      yield* expectOver([waiting])
      assert.deepStrictEqual(yield* used(here), [140])
      const refused = yield* Effect.flip(callAt(elsewhere, 1, { maxWait: 0 }))
      assert.strictEqual(refused.reason._tag, "WindowExceeded")
    })
  )
})

describeStores("what a process is told of a shared budget", ({ make }) => {
  const keyOf = (options: Partial<Budget.MakeOptions> = {}) =>
    inTwoProcesses(make, Budget.make({ name: "key", key: "openai", limits: [window], ...options }))

  it.effect("is what all have used, what they hold, and who waits here, as of now", () =>
    Effect.gen(function* () {
      const { elsewhere, here } = yield* keyOf({ limits: [window, Limit.concurrency(2)] })
      yield* callAt(here, 10)
      yield* here.reserve(tokens(20))
      yield* elsewhere.reserve(tokens(30))
      yield* Effect.forkChild(callAt(elsewhere, 1))
      yield* TestClock.adjust("7 seconds")
      const seen = (budget: Budget.Budget) =>
        Effect.map(budget.snapshot, ({ asOf, limits, open, spent, waiting }) => ({
          asOf,
          open,
          waiting,
          spent: spent.inputTokens,
          limits: limits.map(({ available, reserved, used }) => [used, reserved, available])
        }))
      const counted = {
        asOf: STARTED_AT + 7_000,
        open: 2,
        spent: 10,
        limits: [
          [60, 50, 40],
          [2, 2, 0]
        ]
      }
      assert.deepStrictEqual(yield* seen(here), { ...counted, waiting: 0 })
      assert.deepStrictEqual(yield* seen(elsewhere), { ...counted, waiting: 1 })
    })
  )

  it.effect("is that a threshold was reached, also when others have reached it, once it uses the budget", () =>
    Effect.gen(function* () {
      const { elsewhere, here } = yield* keyOf({ thresholds: [0.5, 0.9] })
      const heard = Effect.map(yield* listenTo(here), (events) =>
        events.flatMap((event) => (event._tag === "ThresholdReached" ? [event.threshold] : []))
      )
      yield* elsewhere.charge(tokens(60))
      assert.deepStrictEqual(yield* heard, [])
      yield* callAt(here, 1)
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* heard, [0.5])
      yield* callAt(here, 30)
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* heard, [0.9])
    })
  )
})
