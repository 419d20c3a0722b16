import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import { TestClock } from "effect/testing"
import * as Breaker from "../src/Breaker.ts"
import { startEmbedded } from "./support/redis/embedded.ts"
import { layerOf } from "./support/redis/server.ts"

const key = Breaker.key({ provider: "openai", model: "gpt-5.4-mini" })

const through = <A, E>(call: Effect.Effect<A, E>, circuit = key) =>
  Breaker.CircuitBreaker.use((breaker) =>
    breaker.execute(call, { key: circuit, classify: (exit) => Breaker.outcomeOf(exit) })
  )
const state = (circuit = key) =>
  Effect.map(
    Breaker.CircuitBreaker.use((breaker) => breaker.state(circuit)),
    ({ _tag }) => _tag
  )
const retryAfter = Effect.map(
  Breaker.CircuitBreaker.use((breaker) => breaker.state(key)),
  (state) => (state._tag === "Open" ? Duration.toMillis(state.retryAfter) : undefined)
)
const times = (count: number, call: Effect.Effect<unknown, unknown>) =>
  Effect.forEach(Array.from({ length: count }), () => Effect.exit(through(call)), { discard: true })

const inMemory = Effect.provide(Breaker.layerMemory())
const lost = Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" })

describe("a circuit", () => {
  it.effect.each<readonly [string, unknown]>([
    ["500", { status: 500 }],
    ["529", { status: 529 }],
    ["408", { status: 408 }],
    ["a lost connection", lost],
    ["an error of which nothing is known", "no"]
  ])("is opened by ten failures: %s", ([, error]) =>
    Effect.gen(function* () {
      yield* times(9, Effect.fail(error))
      assert.strictEqual(yield* state(), "Closed")
      yield* times(1, Effect.fail(error))
      assert.strictEqual(yield* state(), "Open")
      assert.strictEqual(yield* retryAfter, 5_000)
    }).pipe(inMemory)
  )

  it.effect("is opened by time-outs", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(times(10, Effect.timeout(Effect.never, "1 second")))
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(fiber)
      assert.strictEqual(yield* state(), "Open")
    }).pipe(inMemory)
  )

  it.effect("is not opened by what is no matter of the provider's health", () =>
    Effect.gen(function* () {
      for (const status of [400, 401, 404, 413, 429]) yield* times(20, Effect.fail({ status }))
      yield* times(20, Effect.interrupt)
      assert.strictEqual(yield* state(), "Closed")
    }).pipe(inMemory)
  )

  it.effect("stays closed while less than half fail", () =>
    Effect.gen(function* () {
      for (let round = 0; round < 20; round++) {
        yield* times(2, Effect.void)
        yield* times(1, Effect.fail({ status: 500 }))
      }
      assert.strictEqual(yield* state(), "Closed")
    }).pipe(inMemory)
  )

  it.effect("is open at least as long as the provider's Retry-After says", () =>
    Effect.gen(function* () {
      yield* times(10, Effect.fail({ status: 503, headers: { "retry-after": "30" } }))
      assert.strictEqual(yield* retryAfter, 30_000)
    }).pipe(inMemory)
  )

  it.effect("lets one call through after a while: a success closes it, a failure opens it for longer", () =>
    Effect.gen(function* () {
      yield* times(10, Effect.fail({ status: 500 }))
      yield* TestClock.adjust("5 seconds")
      yield* times(1, Effect.fail({ status: 500 }))
      assert.strictEqual(yield* retryAfter, 10_000)
      yield* TestClock.adjust("10 seconds")
      // What says nothing leaves it to the next one.
      yield* times(1, Effect.fail({ status: 429 }))
      assert.strictEqual(yield* state(), "HalfOpen")
      yield* times(1, Effect.void)
      assert.strictEqual(yield* state(), "Closed")
    }).pipe(inMemory)
  )

  it.effect("is open for 40 seconds at most, while nobody says more", () =>
    Effect.gen(function* () {
      yield* times(10, Effect.fail({ status: 500 }))
      const lengths = []
      for (let round = 0; round < 6; round++) {
        const millis = (yield* retryAfter) ?? 0
        lengths.push(millis)
        yield* TestClock.adjust(millis)
        yield* times(1, Effect.fail({ status: 500 }))
      }
      assert.deepStrictEqual(lengths, [5_000, 10_000, 20_000, 40_000, 40_000, 40_000])
    }).pipe(inMemory)
  )

  it.effect("is one of each provider and model", () =>
    Effect.gen(function* () {
      yield* times(10, Effect.fail({ status: 500 }))
      assert.strictEqual(yield* state(Breaker.key({ provider: "openai", model: "gpt-5.4" })), "Closed")
      assert.notStrictEqual(Breaker.key({ provider: "a/b", model: "c" }), Breaker.key({ provider: "a", model: "b/c" }))
    }).pipe(inMemory)
  )

  it.effect("opens once for the fifty calls that fail together", () =>
    Effect.gen(function* () {
      const calls = Effect.forEach(
        Array.from({ length: 50 }),
        () => Effect.exit(through(Effect.andThen(Effect.sleep("1 second"), Effect.fail({ status: 500 })))),
        { concurrency: "unbounded", discard: true }
      )
      const fiber = yield* Effect.forkChild(calls)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      assert.strictEqual(yield* retryAfter, 5_000)
    }).pipe(inMemory)
  )

  it.effect("can be asked without taking its only slot", () =>
    Effect.gen(function* () {
      const breaker = yield* Breaker.CircuitBreaker
      const check = Effect.map(Effect.exit(Breaker.check(breaker, key)), Exit.isSuccess)
      assert.isTrue(yield* check)
      yield* times(10, Effect.fail({ status: 500 }))
      assert.isFalse(yield* check)
      yield* TestClock.adjust("5 seconds")
      assert.isTrue(yield* check)
      assert.isTrue(yield* check)
      const probe = yield* Effect.forkChild(through(Effect.sleep("1 second")))
      yield* Effect.yieldNow
      assert.isFalse(yield* check)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(probe)
      assert.isTrue(yield* check)
    }).pipe(inMemory)
  )
})

describe("circuits in Redis", () => {
  const store = CircuitBreaker.layerStoreRedis().pipe(Layer.provide(layerOf(startEmbedded)))
  const twoProcesses = Effect.gen(function* () {
    const build = Layer.build(Layer.fresh(Breaker.layer()))
    const [one, other] = [yield* build, yield* build]
    yield* Effect.provide(times(10, Effect.fail({ status: 500 })), one)
    let isSent = false
    const exit = yield* Effect.exit(Effect.provide(through(Effect.sync(() => void (isSent = true))), other))
    return { isSent, isRefused: Exit.isFailure(exit), state: yield* Effect.provide(state(), other) }
  })

  it.live("are shared: what fails for one process is not sent by the other", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* twoProcesses, { isSent: false, isRefused: true, state: "Open" })
    }).pipe(Effect.provide(store))
  )
})
