import { assert, it } from "@effect/vitest"
import { Budget, type BudgetEvent, BudgetStore, Limit, Usage } from "effect-budget"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { type FaultyStore, makeFaulty } from "./support/store/faultyStore.ts"
import { describeStores, type StoreKind } from "./support/store/kinds.ts"

const tokens = (inputTokens: number) => Usage.make({ inputTokens })

const cap = Limit.cap("tokens", 100)

const shared = (...limits: ReadonlyArray<Limit.Limit>) => Budget.make({ name: "key", key: "openai", limits })

/** A program with a store in which things go wrong. */
const faulty =
  ({ make }: StoreKind) =>
  <A, E, R>(
    program: (store: FaultyStore) => Effect.Effect<A, E, R | BudgetStore.BudgetStore>,
    options?: BudgetStore.Options
  ) =>
    Effect.gen(function* () {
      const store = yield* makeFaulty(make)
      return yield* Effect.provide(program(store), BudgetStore.layer(Effect.succeed(store), options))
    })

const counters = (budget: Budget.Budget) =>
  Effect.map(budget.snapshot, ({ limits, open }) => ({ open, used: limits.map(({ used }) => used) }))

const eventsOf = Effect.fnUntraced(function* (budget: Budget.Budget) {
  const told: Array<BudgetEvent.BudgetEvent["_tag"]> = []
  yield* Effect.forkScoped(
    Stream.runForEach(budget.events, ({ _tag }) => Effect.sync(() => void told.push(_tag))),
    { startImmediately: true }
  )
  yield* Effect.yieldNow
  return told
})

const spend = (budget: Budget.Budget, estimate: number, actual = estimate) =>
  budget.spend({ estimate: tokens(estimate), actual: () => tokens(actual) })(Effect.void)

/** Lets everybody go on who has something to do, and time pass. */
const pass = (duration: Parameters<typeof TestClock.adjust>[0] = 1) => TestClock.adjust(duration)

describeStores("a store that cannot be reached", (kind) => {
  const withFaulty = faulty(kind)

  it.effect("fails calls at once, whoever waits included, and says so", () =>
    withFaulty((store) =>
      Effect.gen(function* () {
        const key = yield* shared(cap)
        const told = yield* eventsOf(key)
        const end = yield* Deferred.make<void>()
        const open = yield* Effect.forkChild(key.spend({ estimate: tokens(90) })(Deferred.await(end)))
        yield* pass()
        const waiting = yield* Effect.forkChild(Effect.flip(spend(key, 50)))
        yield* pass()
        store.fault = "refuse"
        const error = yield* Effect.flip(spend(key, 1))
        assert.strictEqual(error.reason._tag, "BudgetStoreError")
        assert.strictEqual(error.message, "key: the store could not answer")
        assert.strictEqual((yield* Fiber.join(waiting)).reason._tag, "BudgetStoreError")
        const sentBefore = store.sent.length
        assert.strictEqual((yield* Effect.flip(spend(key, 1))).reason._tag, "BudgetStoreError")
        assert.strictEqual(store.sent.length, sentBefore)
        yield* Deferred.succeed(end, undefined)
        yield* Fiber.join(open)

        store.fault = "none"
        yield* pass("2 seconds")
        assert.deepStrictEqual(yield* counters(key), { open: 0, used: [90] })
        yield* spend(key, 10)
        assert.deepStrictEqual(
          told.filter((tag) => tag.startsWith("Store")),
          ["StoreUnreachable", "StoreReached"]
        )
      })
    )
  )

  it.effect("shows what was heard of it last", () =>
    withFaulty((store) =>
      Effect.gen(function* () {
        const key = yield* shared(cap)
        yield* key.charge(tokens(70))
        const { asOf, limits } = yield* key.snapshot
        store.fault = "refuse"
        yield* pass("1 second")
        yield* Effect.flip(spend(key, 1))
        assert.deepStrictEqual(yield* key.snapshot, { ...(yield* key.snapshot), asOf, limits })
        assert.strictEqual(yield* Budget.utilisation(key), 0.7)
        store.fault = "none"
        yield* pass("2 seconds")
      })
    )
  )

  it.effect("keeps what was settled and delivers it later, once", () =>
    withFaulty((store) =>
      Effect.gen(function* () {
        const key = yield* shared(cap)
        yield* Effect.scoped(
          Effect.gen(function* () {
            const reservations = yield* Effect.all([key.reserve(tokens(30)), key.reserve(tokens(40))])
            store.fault = "loseAnswer"
            for (const reservation of reservations) yield* reservation.commit(tokens(20))
            yield* pass("10 seconds")
            store.fault = "refuse"
            yield* pass("5 seconds")
          })
        )
        store.fault = "none"
        yield* pass("2 seconds")
        assert.deepStrictEqual(yield* counters(key), { open: 0, used: [40] })
        assert.deepStrictEqual((yield* key.snapshot).spent.inputTokens, 40)
      })
    )
  )

  it.effect("gives back what it has admitted when nobody got to know of it", () =>
    withFaulty((store) =>
      Effect.gen(function* () {
        const key = yield* shared(cap, Limit.concurrency(1))
        store.fault = "loseAnswer"
        assert.strictEqual((yield* Effect.flip(spend(key, 50))).reason._tag, "BudgetStoreError")
        store.fault = "none"
        yield* pass("2 seconds")
        assert.deepStrictEqual(yield* counters(key), { open: 0, used: [0, 0] })
        yield* spend(key, 100)
      })
    )
  )

  it.effect("counts as unreachable when it has not answered for too long, and answers late without harm", () =>
    withFaulty(
      (store) =>
        Effect.gen(function* () {
          const key = yield* shared(cap)
          store.fault = "silence"
          const call = yield* Effect.forkChild(Effect.flip(spend(key, 50)))
          yield* pass(999)
          assert.isUndefined(call.pollUnsafe())
          yield* pass(1)
          assert.strictEqual((yield* Fiber.join(call)).reason._tag, "BudgetStoreError")
          store.fault = "none"
          yield* pass("1 second")
          assert.deepStrictEqual(yield* counters(key), { open: 0, used: [0] })
        }),
      { timeout: "1 second" }
    )
  )

  it.effect("is tried again soon after a failure, however short the timeout is", () =>
    withFaulty(
      (store) =>
        Effect.gen(function* () {
          const key = yield* shared(cap)
          store.fault = "refuse"
          yield* Effect.flip(spend(key, 50))
          yield* pass("10 seconds")
          assert.isAtLeast(store.sent.length, 10)
          store.fault = "none"
          yield* pass("1 second")
          yield* spend(key, 50)
        }),
      { timeout: 100 }
    )
  )

  it.effect("lets an interrupted call go at once, whatever becomes of its request", () =>
    withFaulty((store) =>
      Effect.gen(function* () {
        const key = yield* shared(cap)
        store.fault = "silence"
        const call = yield* Effect.forkChild(Effect.scoped(key.reserve(tokens(50))))
        yield* pass(100)
        yield* Fiber.interrupt(call)
        store.fault = "none"
        yield* pass(100)
        assert.deepStrictEqual(yield* counters(key), { open: 0, used: [0] })
      })
    )
  )

  it.effect("admits everything where that is wanted, and charges it when it is back", () =>
    withFaulty(
      (store) =>
        Effect.gen(function* () {
          const key = yield* shared(cap, Limit.concurrency(1))
          store.fault = "refuse"
          yield* spend(key, 80, 70)
          yield* spend(key, 80, 70)
          yield* Effect.flip(Effect.fail("not made").pipe(key.spend({ estimate: tokens(10) })))
          assert.strictEqual((yield* key.snapshot).asOf, 0)
          store.fault = "none"
          yield* pass("2 seconds")
          assert.deepStrictEqual(yield* counters(key), { open: 0, used: [140, 0] })
          assert.strictEqual((yield* Effect.flip(spend(key, 1))).reason._tag, "BudgetExceeded")
        }),
      { whenUnreachable: "admit" }
    )
  )

  it.effect("is replaced by a share of each limit where that is wanted", () =>
    withFaulty(
      (store) =>
        Effect.gen(function* () {
          const key = yield* shared(Limit.slidingWindow("tokens", 100, "1 minute"))
          store.fault = "refuse"
          yield* spend(key, 15)
          const error = yield* Effect.flip(key.spend({ estimate: tokens(10), maxWait: 0 })(Effect.void))
          assert.strictEqual(error.reason._tag, "WindowExceeded")
          const waiting = yield* Effect.forkChild(spend(key, 10))
          yield* pass("59 seconds")
          assert.isUndefined(waiting.pollUnsafe())
          yield* pass("1 second")
          yield* Fiber.join(waiting)
          store.fault = "none"
          yield* pass("2 seconds")
          assert.deepStrictEqual(yield* counters(key), { open: 0, used: [25] })
          yield* spend(key, 75)
        }),
      { whenUnreachable: { share: 0.2 } }
    )
  )

  it.effect("is waited for when the layer is closed, as long as may be", () =>
    Effect.gen(function* () {
      const store = yield* makeFaulty(kind.make)
      const program = Effect.gen(function* () {
        const key = yield* shared(cap)
        yield* Effect.scoped(
          Effect.gen(function* () {
            const reservation = yield* key.reserve(tokens(30))
            store.fault = "refuse"
            yield* reservation.commit(tokens(20))
          })
        )
      })
      const closing = yield* program.pipe(
        Effect.scoped,
        Effect.provide(BudgetStore.layer(Effect.succeed(store), { shutdown: "3 seconds" })),
        Effect.forkChild
      )
      yield* pass()
      yield* pass("2 seconds")
      assert.isUndefined(closing.pollUnsafe())
      store.fault = "none"
      yield* pass("1 second")
      yield* Fiber.join(closing)
      const used = yield* Effect.scoped(Effect.flatMap(shared(cap), counters)).pipe(
        Effect.provide(BudgetStore.layer(Effect.succeed(store)))
      )
      assert.deepStrictEqual(used, { open: 0, used: [20] })
    })
  )
})

describeStores("whoever waits for another process", (kind) => {
  const withFaulty = faulty(kind)

  const two = Effect.fnUntraced(function* (store: FaultyStore) {
    // In the first milliseconds of all time, a store believes that it has just woken everybody.
    yield* pass("1 second")
    const one = yield* shared(Limit.concurrency(1))
    const user = yield* Layer.build(BudgetStore.layer(Effect.succeed({ ...store, apply: store.apply })))
    return { one, other: yield* Effect.provide(shared(Limit.concurrency(1)), user) }
  })

  const openCall = Effect.fnUntraced(function* (budget: Budget.Budget) {
    const end = yield* Deferred.make<void>()
    const call = yield* Effect.forkChild(budget.spend({ estimate: tokens(1) })(Deferred.await(end)))
    yield* pass()
    return Effect.andThen(Deferred.succeed(end, undefined), Fiber.join(call))
  })

  /** A process listens once it has had to wait. */
  const listening = Effect.fnUntraced(function* (budget: Budget.Budget) {
    const end = yield* openCall(budget)
    const waiting = yield* Effect.forkChild(spend(budget, 1))
    yield* pass()
    yield* end
    yield* Fiber.join(waiting)
  })

  for (const [what, { listens, ...delays }] of Object.entries({
    "before it knows that it has to wait": { listens: true, answersAfter: 10, listensAfter: 0 },
    "before it listens": { listens: false, answersAfter: 0, listensAfter: 50 }
  })) {
    it.effect(`gets its turn soon, also when that comes ${what}`, () =>
      withFaulty((store) =>
        Effect.gen(function* () {
          const { one, other } = yield* two(store)
          if (listens) yield* listening(one)
          const end = yield* openCall(other)
          Object.assign(store, delays)
          const waiting = yield* Effect.forkChild(spend(one, 1))
          yield* pass(5)
          assert.isUndefined(waiting.pollUnsafe())
          yield* end
          yield* pass(5)
          yield* pass(100)
          Object.assign(store, { answersAfter: 0, listensAfter: 0 })
          assert.isDefined(waiting.pollUnsafe())
        })
      )
    )
  }

  it.effect("is known to the store, also when one was refused before who did not wait", () =>
    withFaulty((store) =>
      Effect.gen(function* () {
        const { one, other } = yield* two(store)
        const end = yield* openCall(other)
        yield* Effect.flip(one.spend({ estimate: tokens(1), maxWait: 0 })(Effect.void))
        const waiting = yield* Effect.forkChild(spend(one, 1))
        yield* pass()
        assert.isUndefined(waiting.pollUnsafe())
        yield* end
        yield* pass(99)
        yield* pass(1)
        assert.isDefined(waiting.pollUnsafe())
      })
    )
  )

  it.effect("is known to the store, also when those who waited before have gone away", () =>
    withFaulty((store) =>
      Effect.gen(function* () {
        const { one, other } = yield* two(store)
        const end = yield* openCall(other)
        const first = yield* Effect.forkChild(one.spend({ estimate: tokens(1), maxWait: 50 })(Effect.void))
        yield* pass()
        const second = yield* Effect.forkChild(spend(one, 1))
        yield* pass()
        yield* pass(100)
        assert.isDefined(first.pollUnsafe())
        assert.isUndefined(second.pollUnsafe())
        yield* end
        yield* pass(99)
        yield* pass(1)
        assert.isDefined(second.pollUnsafe())
      })
    )
  )

  for (const maxWait of [0, "1 minute"] as const) {
    it.effect(`asks the store only if its own limits let it in (${maxWait})`, () =>
      withFaulty((store) =>
        Effect.gen(function* () {
          const machine = yield* Budget.make({ name: "machine", limits: [Limit.concurrency(1)] })
          const make = (within: ReadonlyArray<Budget.Budget>) =>
            Budget.make({ name: "key", key: "openai", limits: [cap], within })
          const one = yield* make([machine])
          const other = yield* Effect.provide(
            make([]),
            yield* Layer.build(BudgetStore.layer(Effect.succeed({ ...store })))
          )
          const end = yield* Deferred.make<void>()
          const call = yield* Effect.forkChild(
            other.spend({ estimate: tokens(95), actual: () => tokens(0) })(Deferred.await(end))
          )
          yield* pass()
          yield* Effect.flip(one.spend({ estimate: tokens(10), maxWait: 0 })(Effect.void))
          yield* Deferred.succeed(end, undefined)
          yield* Fiber.join(call)
          yield* machine.withReservation(tokens(1), () =>
            Effect.gen(function* () {
              const asked = yield* Effect.forkChild(one.spend({ estimate: tokens(20), maxWait })(Effect.never))
              yield* pass("10 seconds")
              assert.strictEqual((yield* machine.snapshot).open, 1)
              yield* Fiber.interrupt(asked)
            })
          )
        })
      )
    )
  }
})

describeStores("a lease", (kind) => {
  const withFaulty = faulty(kind)

  it.effect("is renewed while calls run, and only then", () =>
    withFaulty((store) =>
      Effect.gen(function* () {
        const key = yield* shared(cap)
        const call = yield* Effect.forkChild(key.spend({ estimate: tokens(50) })(Effect.sleep("10 minutes")))
        yield* pass()
        yield* pass("10 minutes")
        yield* Fiber.join(call)
        assert.deepStrictEqual(yield* counters(key), { open: 0, used: [50] })
        const sent = store.sent.length
        assert.isAtLeast(sent, 60)
        yield* pass("1 hour")
        assert.strictEqual(store.sent.length, sent)
      })
    )
  )

  for (const onLapse of ["charge", "release"] as const) {
    it.effect(`that is over settles what was reserved, and nobody settles it again: ${onLapse}`, () =>
      withFaulty(
        (store) =>
          Effect.gen(function* () {
            const key = yield* shared(cap, Limit.concurrency(1))
            const other = yield* Effect.provide(
              shared(cap, Limit.concurrency(1)),
              yield* Layer.build(BudgetStore.layer(Effect.succeed({ ...store, apply: store.apply })))
            )
            const told = yield* eventsOf(key)
            yield* Effect.scoped(
              Effect.gen(function* () {
                const reservation = yield* key.reserve(tokens(50))
                store.fault = "refuse"
                yield* pass("1 minute")
                store.fault = "none"
                // The other process finds the lease over, and then this one.
                yield* spend(other, 10)
                yield* pass("2 seconds")
                yield* reservation.commit(tokens(30))
              })
            )
            yield* pass("5 seconds")
            const used = onLapse === "charge" ? 60 : 10
            assert.deepStrictEqual(yield* counters(key), { open: 0, used: [used, 0] })
            assert.include(told, "LeaseExpired")
            yield* spend(key, 10)
            assert.deepStrictEqual(yield* counters(other), { open: 0, used: [used + 10, 0] })
          }),
        { onLapse }
      )
    )
  }
})

describeStores("a store that has lost its data", (kind) => {
  const withFaulty = faulty(kind)

  it.effect("is told what is reserved", () =>
    withFaulty((store) =>
      Effect.gen(function* () {
        const key = yield* shared(cap, Limit.concurrency(1))
        yield* spend(key, 30)
        const end = yield* Deferred.make<void>()
        const call = yield* Effect.forkChild(
          key.spend({ estimate: tokens(50), actual: () => tokens(20) })(Deferred.await(end))
        )
        yield* pass()
        yield* store.loseData
        yield* pass("10 seconds")
        assert.deepStrictEqual(yield* counters(key), { open: 1, used: [50, 1] })
        yield* Deferred.succeed(end, undefined)
        yield* Fiber.join(call)
        assert.deepStrictEqual(yield* counters(key), { open: 0, used: [20, 0] })
      })
    )
  )

  it.effect("is told what was used, when it was settled meanwhile", () =>
    withFaulty((store) =>
      Effect.gen(function* () {
        const key = yield* shared(cap, Limit.concurrency(1))
        const end = yield* Deferred.make<void>()
        const call = yield* Effect.forkChild(
          key.spend({ estimate: tokens(50), actual: () => tokens(20) })(Deferred.await(end))
        )
        yield* pass()
        yield* store.loseData
        yield* Deferred.succeed(end, undefined)
        yield* Fiber.join(call)
        assert.deepStrictEqual(yield* counters(key), { open: 0, used: [20, 0] })
      })
    )
  )
})

describeStores("a thousand calls", (kind) => {
  const withFaulty = faulty(kind)

  it.effect("travel together", () =>
    withFaulty((store) =>
      Effect.gen(function* () {
        const key = yield* shared(Limit.cap("tokens", 10_000), Limit.concurrency(1_000))
        yield* Effect.all(
          Array.from({ length: 1_000 }, () => spend(key, 3)),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(yield* counters(key), { open: 0, used: [3_000, 0] })
        assert.isBelow(store.sent.length, 20)
      })
    )
  )
})
