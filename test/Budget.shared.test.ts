import { assert, it } from "@effect/vitest"
import { Budget, Deadline, Limit } from "effect-budget"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import { expectOver } from "./support/over.ts"
import { everyoneRests } from "./support/latch.ts"
import { describeStores } from "./support/store/kinds.ts"
import { callAt, inTwoProcesses, STARTED_AT, used } from "./support/store/twoProcesses.ts"
import { tokens } from "./support/store/user.ts"

const shared = (...limits: ReadonlyArray<Limit.Limit>) => Budget.make({ name: "key", key: "openai", limits })

const window = Limit.slidingWindow("tokens", 100, "1 minute")
const cap = Limit.cap("tokens", 100)

/** Lets a fiber end that has all it waits for. */
const joined = <A, E>(fiber: Fiber.Fiber<A, E>) => Effect.andThen(TestClock.adjust(0), Fiber.join(fiber))

describeStores("a budget with a key", ({ make }) => {
  const keyOf = (...limits: ReadonlyArray<Limit.Limit>) => inTwoProcesses(make, shared(...limits))

  it.effect("counts what all processes use that have the key", () =>
    Effect.gen(function* () {
      const { elsewhere, here } = yield* keyOf(window)
      yield* here.spend({ estimate: tokens(60), actual: () => tokens(40) })(Effect.void)
      assert.deepStrictEqual(yield* used(elsewhere), [40])
      const error = yield* Effect.flip(callAt(elsewhere, 70, { maxWait: 0 }))
      assert.strictEqual(error.reason._tag, "WindowExceeded")
      assert.strictEqual(error.message, "key: slidingWindow(tokens, 60000ms) has no room for 70 tokens: retry in 1m")
    })
  )

  it.effect("is charged with what a call has used beyond its estimate", () =>
    Effect.gen(function* () {
      const { elsewhere, here } = yield* keyOf(window, cap)
      yield* here.spend({ estimate: tokens(10), actual: () => tokens(120) })(Effect.void)
      assert.deepStrictEqual(yield* used(elsewhere), [120, 120])
      assert.strictEqual((yield* elsewhere.snapshot).spent.inputTokens, 120)
    })
  )

  it.effect("counts no other key", () =>
    Effect.gen(function* () {
      const { elsewhere, here } = yield* inTwoProcesses(
        make,
        Effect.all([shared(window), Budget.make({ name: "key", key: "anthropic", limits: [window] })])
      )
      yield* here[0].charge(tokens(80))
      assert.deepStrictEqual(yield* Effect.forEach(elsewhere, used), [[80], [0]])
    })
  )

  /** When a call is let in after others have used up everything. */
  const waits = {
    "its rolling window": { limit: window, at: STARTED_AT + 60_000 },
    "its window of the calendar": { limit: Limit.fixedWindow("tokens", 100, "minute"), at: 60_000 },
    "its bucket": {
      limit: Limit.tokenBucket("tokens", 100, "1 minute"),
      at: STARTED_AT + 30_000
    }
  }
  for (const [what, { at, limit }] of Object.entries(waits)) {
    it.effect(`waits for ${what}, to the millisecond, when another process has used it up`, () =>
      Effect.gen(function* () {
        const { elsewhere, here } = yield* keyOf(limit)
        yield* callAt(elsewhere, 100)
        const waiting = yield* Effect.forkChild(callAt(here, 50))
        const refused = yield* Effect.flip(callAt(here, 50, { maxWait: 0 }))
        assert.strictEqual(Duration.toMillis(refused.retryAfter!), at - STARTED_AT)
        yield* TestClock.setTime(at)
        assert.strictEqual(yield* joined(waiting), at)
      })
    )
  }

  it.effect("is woken by a settlement elsewhere", () =>
    Effect.gen(function* () {
      const { elsewhere, here } = yield* keyOf(cap)
      const open = yield* elsewhere.reserve(tokens(80))
      const waiting = yield* Effect.forkChild(callAt(here, 30))
      yield* everyoneRests
      yield* TestClock.adjust(234)
      assert.isUndefined(waiting.pollUnsafe())
      yield* open.commit(tokens(10))
      yield* expectOver([waiting])
      assert.strictEqual(yield* Fiber.join(waiting), STARTED_AT + 234)
    })
  )

  it.effect("lets those in who wait in a process in the order in which they came, but for their priority", () =>
    Effect.gen(function* () {
      const { elsewhere, here } = yield* keyOf(Limit.concurrency(1))
      const open = yield* elsewhere.reserve(tokens(1))
      const order: Array<string> = []
      const call = (name: string, priority = 0) =>
        here.spend({ estimate: tokens(1), priority })(Effect.sync(() => order.push(name)))
      const usual = yield* Effect.forEach(["first", "second", "third"], (name) => Effect.forkChild(call(name)))
      yield* TestClock.adjust(1)
      const urgent = yield* Effect.forkChild(call("urgent", 1))
      yield* TestClock.adjust(1)
      yield* open.release
      yield* expectOver([...usual, urgent])
      assert.deepStrictEqual(order, ["urgent", "first", "second", "third"])
    })
  )

  it.effect("lets a large call in that waits here, through a stream of small ones elsewhere", () =>
    Effect.gen(function* () {
      const { elsewhere, here } = yield* keyOf(cap)
      const small = elsewhere.spend({ estimate: tokens(30), actual: () => tokens(0) })(Effect.sleep("2 seconds"))
      const loop = (after: number) => Effect.forkChild(Effect.andThen(Effect.sleep(after), Effect.forever(small)))
      yield* Effect.forEach([0, 1_000], loop)
      yield* TestClock.adjust("1500 millis")
      const large = yield* Effect.forkChild(callAt(here, 80))
      yield* TestClock.adjust("1 minute")
      assert.isAbove(yield* joined(large), STARTED_AT + 1_500)
    })
  )

  it.effect("refuses at once what only tries, and lets it in as soon as another process has given something back", () =>
    Effect.gen(function* () {
      const { elsewhere, here } = yield* keyOf(Limit.concurrency(1))
      const open = yield* elsewhere.reserve(tokens(1))
      const refused = yield* Effect.flip(here.tryReserve(tokens(1)))
      assert.strictEqual(refused.reason._tag, "ConcurrencyExceeded")
      yield* open.release
      yield* TestClock.adjust(1)
      yield* here.tryReserve(tokens(1))
    })
  )

  it.effect("refuses for ever what can never be let in any more, whoever has used it", () =>
    Effect.gen(function* () {
      const { elsewhere, here } = yield* keyOf(cap)
      const tooLarge = yield* Effect.flip(callAt(here, 101))
      assert.strictEqual(tooLarge.reason._tag, "RequestTooLarge")
      yield* elsewhere.charge(tokens(90))
      const spent = yield* Effect.flip(callAt(here, 20))
      assert.strictEqual(spent.reason._tag, "BudgetExceeded")
      assert.isUndefined(spent.retryAfter)
    })
  )

  it.effect("refuses each call that is larger than a call may be, before anything is counted", () =>
    Effect.gen(function* () {
      const { elsewhere, here } = yield* keyOf(cap, Limit.perCall("tokens", 40))
      assert.strictEqual((yield* Effect.flip(callAt(here, 41))).reason._tag, "RequestTooLarge")
      yield* callAt(here, 40)
      assert.deepStrictEqual((yield* used(elsewhere))[0], 40)
    })
  )

  it.effect("grants an elastic call what others have left", () =>
    Effect.gen(function* () {
      const { elsewhere, here } = yield* keyOf(cap)
      const open = yield* elsewhere.reserve(tokens(70))
      const { granted } = yield* here.reserve(tokens(50), { least: tokens(5) })
      assert.isAtLeast(granted.inputTokens, 5)
      assert.isAtMost(granted.inputTokens, 30)
      assert.deepStrictEqual(yield* used(elsewhere), [70 + granted.inputTokens])
      yield* open.release
      // Nobody waits, so that nobody is told: what was refused is asked again after a few seconds.
      yield* TestClock.adjust("6 seconds")
      assert.strictEqual((yield* here.reserve(tokens(50), { least: tokens(5) })).granted.inputTokens, 50)
    })
  )

  const bounds = {
    "its maxWait is over": {
      call: (budget: Budget.Budget) => callAt(budget, 1, { maxWait: "5 seconds" }),
      reason: "ConcurrencyExceeded"
    },
    "the time of its task is over": {
      call: (budget: Budget.Budget) => Deadline.within("5 seconds")(callAt(budget, 1)),
      reason: "DeadlineExceeded"
    }
  }
  for (const [what, { call, reason }] of Object.entries(bounds)) {
    it.effect(`keeps nobody waiting for another process when ${what}, to the millisecond`, () =>
      Effect.gen(function* () {
        const { elsewhere, here } = yield* keyOf(Limit.concurrency(1))
        const open = yield* elsewhere.reserve(tokens(1))
        const waiting = yield* Effect.forkChild(Effect.flip(call(here)))
        yield* TestClock.adjust(4_999)
        assert.isUndefined(waiting.pollUnsafe())
        yield* TestClock.adjust(1)
        assert.strictEqual((yield* joined(waiting)).reason._tag, reason)
        yield* open.release
        yield* callAt(elsewhere, 1, { maxWait: 0 })
      })
    )
  }
})

describeStores("a budget with a key, and others on its path", ({ make }) => {
  it.effect("are reserved together, or none: what others have refused is given back here", () =>
    Effect.gen(function* () {
      const { elsewhere, here } = yield* inTwoProcesses(make, shared(window))
      const run = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 1_000)], within: [here] })
      yield* elsewhere.charge(tokens(90))
      const refused = yield* Effect.flip(callAt(run, 50, { maxWait: "1 second" }))
      assert.strictEqual(refused.reason._tag, "WindowExceeded")
      assert.deepStrictEqual(yield* used(run), [0])
      yield* callAt(run, 10)
      assert.deepStrictEqual(yield* used(run), [10])
      assert.deepStrictEqual(yield* used(elsewhere), [100])
    })
  )

  it.effect("are not held while one waits for another process", () =>
    Effect.gen(function* () {
      const { elsewhere, here } = yield* inTwoProcesses(make, shared(Limit.concurrency(1)))
      const machine = yield* Budget.make({ name: "machine", limits: [Limit.concurrency(1)] })
      const run = yield* Budget.make({ name: "run", limits: [], within: [machine, here] })
      const open = yield* elsewhere.reserve(tokens(1))
      const waiting = yield* Effect.forkChild(callAt(run, 1))
      yield* everyoneRests
      yield* callAt(machine, 1, { maxWait: 0 })
      yield* open.release
      yield* expectOver([waiting])
      assert.strictEqual((yield* machine.snapshot).spent.inputTokens, 2)
    })
  )

  it.effect("are charged alike, wherever they are", () =>
    Effect.gen(function* () {
      const tenant = Effect.gen(function* () {
        const key = yield* shared(window)
        return yield* Budget.make({ name: "tenant", key: "acme", limits: [cap], within: [key] })
      })
      const { elsewhere, here } = yield* inTwoProcesses(make, tenant)
      yield* here.spend({ estimate: tokens(60), actual: () => tokens(30) })(Effect.void)
      assert.deepStrictEqual(yield* used(elsewhere), [30])
      // The key has room for no more than its tenant has.
      yield* callAt(elsewhere, 70)
      const refused = yield* Effect.flip(callAt(here, 1))
      assert.strictEqual(refused.reason._tag, "BudgetExceeded")
    })
  )
})
