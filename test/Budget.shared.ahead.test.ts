import { assert, it } from "@effect/vitest"
import { Budget, BudgetStore, Limit, Usage } from "effect-budget"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import type { Store } from "../src/StoreProtocol.ts"
import { makeFaulty } from "./support/store/faultyStore.ts"
import { describeStores } from "./support/store/kinds.ts"

const tokens = (inputTokens: number) => Usage.make({ inputTokens })

const shared = (...limits: ReadonlyArray<Limit.Limit>) => Budget.make({ name: "key", key: "openai", limits })

const pass = (millis = 1) => TestClock.adjust(millis)

/** Two processes on one store, of which the first takes ahead. */
const processesOver = Effect.fnUntraced(function* (make: Effect.Effect<Store>, limits: ReadonlyArray<Limit.Limit>) {
  const store = yield* makeFaulty(make)
  const process = (options?: BudgetStore.Options) =>
    Effect.flatMap(
      Layer.build(BudgetStore.layer(Effect.succeed({ ...store, apply: store.apply }), options)),
      (context) => Effect.provide(shared(...limits), context)
    )
  return { store, one: yield* process({ ahead: 100 }), other: yield* process() }
})

const used = (budget: Budget.Budget) => Effect.map(budget.snapshot, ({ limits }) => limits.map(({ used }) => used))

const spend = (budget: Budget.Budget, amount = 10, actual = amount) =>
  budget.spend({ estimate: tokens(amount), actual: () => tokens(actual), maxWait: 0 })(Effect.void)

describeStores("what is taken ahead", ({ make }) => {
  const processes = (...limits: ReadonlyArray<Limit.Limit>) => processesOver(make, limits)

  it.effect("lets calls in without asking for each of them", () =>
    Effect.gen(function* () {
      const { one, store } = yield* processes(
        Limit.cap("tokens", 1_000_000),
        Limit.slidingWindow("tokens", 1_000_000, "1 minute")
      )
      yield* Effect.repeat(spend(one), { times: 9 })
      yield* pass(2)
      const sent = store.sent.length
      yield* Effect.repeat(Effect.asVoid(spend(one)), { times: 9 })
      const asked = store.sent
        .slice(sent)
        .flatMap(({ operations }) => operations.filter(({ _tag }) => _tag === "Reserve"))
      assert.isBelow(asked.length, 5)
      yield* pass(200)
      assert.deepStrictEqual(yield* used(one), [200, 200])
    })
  )

  it.effect("goes back when its time is over, and counts no longer than it would have by that time", () =>
    Effect.gen(function* () {
      const { one, other } = yield* processes(
        Limit.cap("tokens", 1_000),
        Limit.slidingWindow("tokens", 800, "1 second")
      )
      yield* spend(one)
      yield* pass()
      // Four calls more were taken ahead.
      assert.deepStrictEqual(yield* used(other), [50, 50])
      yield* pass(100)
      assert.deepStrictEqual(yield* used(other), [10, 10])
      yield* pass(998)
      assert.deepStrictEqual(yield* used(other), [10, 10])
      yield* pass(1)
      assert.deepStrictEqual(yield* used(other), [10, 0])
    })
  )

  it.effect("counts until a window after the last call that may be granted from it", () =>
    Effect.gen(function* () {
      const { one, other } = yield* processes(Limit.slidingWindow("tokens", 400, "1 second"))
      yield* spend(one)
      yield* pass(90)
      yield* spend(one, 40)
      // The call began at 90 ms: until 1,090 ms no more than the rest is let in.
      yield* pass(999)
      assert.isAtLeast((yield* used(other))[0]!, 40)
      assert.strictEqual((yield* Effect.flip(spend(other, 361))).reason._tag, "WindowExceeded")
      yield* pass(20)
      yield* spend(other, 400)
    })
  )

  it.effect("is at most an eighth of a limit, and nothing where somebody waits", () =>
    Effect.gen(function* () {
      const { one, other } = yield* processes(Limit.cap("tokens", 80))
      yield* spend(one)
      yield* pass()
      assert.deepStrictEqual(yield* used(other), [20])
      yield* pass(200)
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* other.reserve(tokens(60))
          const waiting = yield* Effect.forkChild(other.spend({ estimate: tokens(20) })(Effect.void))
          yield* pass()
          yield* spend(one, 5)
          yield* pass()
          assert.deepStrictEqual(yield* used(other), [75])
          yield* Fiber.interrupt(waiting)
        })
      )
    })
  )

  it.effect("is not good beyond the end of a window of the calendar", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(59_950)
      const { one, other } = yield* processes(Limit.fixedWindow("tokens", 400, "minute"))
      yield* spend(one)
      yield* pass(49)
      yield* spend(other, 340)
      yield* pass(1)
      yield* spend(one, 40)
      yield* pass(200)
      assert.deepStrictEqual(yield* used(other), [40])
    })
  )

  it.effect("goes back when the layer is closed", () =>
    Effect.gen(function* () {
      const store = yield* makeFaulty(make)
      const program = Effect.andThen(Effect.flatMap(shared(Limit.cap("tokens", 1_000)), spend), Effect.yieldNow)
      yield* program.pipe(
        Effect.scoped,
        Effect.provide(BudgetStore.layer(Effect.succeed(store), { ahead: "1 second" }))
      )
      const left = yield* Effect.scoped(Effect.flatMap(shared(Limit.cap("tokens", 1_000)), used)).pipe(
        Effect.provide(BudgetStore.layer(Effect.succeed(store)))
      )
      assert.deepStrictEqual(left, [10])
    })
  )
})
