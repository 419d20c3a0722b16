import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import * as Budget from "../src/Budget.ts"
import { BudgetError } from "../src/BudgetError.ts"
import * as Deadline from "../src/Deadline.ts"
import * as Limit from "../src/Limit.ts"
import * as Usage from "../src/Usage.ts"

const tokens = (inputTokens: number) => Usage.make({ inputTokens })
const millis = Effect.map(Deadline.remaining, Duration.toMillis)

describe("a deadline", () => {
  it.effect("is what is left of the time that a task was given", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* millis, Number.POSITIVE_INFINITY)
      yield* Effect.gen(function* () {
        assert.strictEqual(yield* millis, 60_000)
        yield* TestClock.adjust("45 seconds")
        assert.strictEqual(yield* millis, 15_000)
        yield* Deadline.check
        yield* TestClock.adjust("15 seconds")
        const error = yield* Effect.flip(Deadline.check)
        assert.strictEqual(error.message, "report has had its 1m: 1m have passed")
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* millis, 0)
      }).pipe(Deadline.within("1 minute", { task: "report" }))
    })
  )

  it.effect("cuts nothing off by itself", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Deadline.within("1 second")(Effect.as(Effect.sleep("1 minute"), "done")))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* Fiber.join(fiber), "done")
    })
  )

  it.effect("interrupts what it is enforced on, at that very instant", () =>
    Effect.gen(function* () {
      let interruptedAt: number | undefined
      const work = Effect.onInterrupt(Effect.never, () =>
        Effect.map(Clock.currentTimeMillis, (now) => void (interruptedAt = now))
      )
      const fiber = yield* Effect.forkChild(
        Deadline.progress("page 3").pipe(
          Effect.andThen(Deadline.enforce(work)),
          Deadline.within("1 second", { task: "read" }),
          Effect.flip
        )
      )
      yield* TestClock.adjust(999)
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust(1)
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(interruptedAt, 1_000)
      assert.deepInclude(error, { task: "read", progress: "page 3" })
      assert.strictEqual(error.message, "read has had its 1s: 1s have passed, and was at: page 3")
    })
  )

  it.effect("does not let begin what it is enforced on when it is over", () =>
    Effect.gen(function* () {
      let hasBegun = false
      const work = Effect.sync(() => void (hasBegun = true))
      const exit = yield* TestClock.adjust("1 second").pipe(
        Effect.andThen(Deadline.enforce(work)),
        Deadline.within("1 second"),
        Effect.exit
      )
      assert.isTrue(Exit.isFailure(exit))
      assert.isFalse(hasBegun)
    })
  )

  it.effect("lets go what has none, and one of an infinite time is none", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* Deadline.enforce(Effect.succeed("done")), "done")
      assert.isUndefined(yield* Deadline.within(Duration.infinity)(Effect.flatMap(Deadline.Current, Effect.succeed)))
      yield* Deadline.progress("of nothing")
    })
  )

  it.effect("is inherited by fibers, and of nested ones the earlier counts", () =>
    Effect.gen(function* () {
      const seen = Effect.map(Deadline.Current, (deadline) => [deadline?.task, deadline?.endsAt])
      yield* TestClock.adjust("1 second")
      yield* Effect.gen(function* () {
        assert.deepStrictEqual(yield* Fiber.join(yield* Effect.forkDetach(seen)), ["outer", 11_000])
        assert.deepStrictEqual(yield* Deadline.within("4 seconds", { task: "inner" })(seen), ["inner", 5_000])
        // It has less time left than it is given, so that it is the outer task's time that it runs out of.
        assert.deepStrictEqual(yield* Deadline.within("1 minute", { task: "inner" })(seen), ["outer", 11_000])
        assert.deepStrictEqual(yield* Deadline.within("1 second")(seen), ["outer", 2_000])
        assert.deepStrictEqual(yield* seen, ["outer", 11_000])
      }).pipe(Deadline.within("10 seconds", { task: "outer" }))
      assert.deepStrictEqual(yield* seen, [undefined, undefined])
    })
  )
})

describe("a reservation under a deadline", () => {
  const full = Effect.gen(function* () {
    const key = yield* Budget.make({ name: "key", limits: [Limit.slidingWindow("tokens", 100, "1 minute")] })
    yield* key.charge(tokens(100))
    return key
  })

  const refusedBy = (error: unknown): Deadline.DeadlineExceeded => {
    assert.instanceOf(error, BudgetError)
    const { reason } = error as BudgetError
    if (reason._tag !== "DeadlineExceeded") return assert.fail(reason._tag)
    return reason.deadline
  }

  it.effect("fails at once when its start is known to lie beyond", () =>
    Effect.gen(function* () {
      const key = yield* full
      const error = yield* Effect.void.pipe(
        key.spend({ estimate: tokens(10) }),
        Deadline.within("59 seconds", { task: "report" }),
        Effect.flip
      )
      assert.strictEqual(refusedBy(error).task, "report")
      assert.strictEqual(Duration.toMillis(refusedBy(error).elapsed), 0)
      assert.strictEqual(
        error.message,
        "key: report has too little left of its 59s after 0; key: slidingWindow(tokens, 60000ms) has no room for 10 tokens: retry in 1m"
      )
      assert.isUndefined(error.retryAfter)
    })
  )

  it.effect("fails at once when it would start at the very end, and waits when it would start before", () =>
    Effect.gen(function* () {
      const key = yield* full
      const call = Effect.succeed("done").pipe(key.spend({ estimate: tokens(10) }))
      const late = yield* Effect.flip(Deadline.within("60 seconds")(call))
      assert.strictEqual(late.reason._tag, "DeadlineExceeded")
      const early = yield* Effect.forkChild(Deadline.within(60_001)(call))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* Fiber.join(early), "done")
    })
  )

  it.effect("waits until then where a settlement may let it in earlier, and leaves no trace", () =>
    Effect.gen(function* () {
      const budget = yield* Budget.make({ name: "run", limits: [Limit.concurrency(1)] })
      const open = yield* Effect.forkChild(Effect.never.pipe(budget.spend({ estimate: tokens(1) })))
      yield* Effect.yieldNow
      const waiting = yield* Effect.forkChild(
        Effect.void.pipe(
          budget.spend({ estimate: tokens(1), maxWait: "1 hour" }),
          Deadline.within("10 seconds", { task: "answer" }),
          Effect.flip
        )
      )
      yield* TestClock.adjust(9_999)
      assert.isUndefined(waiting.pollUnsafe())
      yield* TestClock.adjust(1)
      const error = yield* Fiber.join(waiting)
      assert.strictEqual(Duration.toMillis(refusedBy(error).elapsed), 10_000)
      assert.include(error.message, "run: answer has had its 10s: 10s have passed; run: concurrency is full")
      assert.strictEqual((yield* budget.snapshot).waiting, 0)
      yield* Fiber.interrupt(open)
    })
  )

  it.effect("is refused when the deadline is over, whether or not there is room", () =>
    Effect.gen(function* () {
      const budget = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 100)] })
      const error = yield* TestClock.adjust("1 second").pipe(
        Effect.andThen(budget.charge(tokens(1))),
        Effect.andThen(Effect.void.pipe(budget.spend({ estimate: tokens(10) }))),
        Deadline.within("1 second", { task: "answer" }),
        Effect.flip
      )
      assert.strictEqual(error.message, "run: answer has had its 1s: 1s have passed")
      // What was used is recorded whatever the time.
      assert.strictEqual((yield* budget.snapshot).limits[0]?.used, 1)
    })
  )

  it.effect("says of its own patience what it always says", () =>
    Effect.gen(function* () {
      const key = yield* full
      const reasons = yield* Effect.forEach([0, 10_000], (maxWait) =>
        Effect.void.pipe(key.spend({ estimate: tokens(10), maxWait }), Effect.flip)
      ).pipe(Deadline.within("30 seconds"))
      assert.deepStrictEqual(
        reasons.map(({ reason }) => reason._tag),
        ["WindowExceeded", "WindowExceeded"]
      )
      const hopeless = yield* Effect.void.pipe(
        key.spend({ estimate: tokens(101) }),
        Deadline.within("30 seconds"),
        Effect.flip
      )
      assert.strictEqual(hopeless.reason._tag, "RequestTooLarge")
    })
  )
})
