import { assert, it } from "@effect/vitest"
import { Budget, type BudgetStore, Limit } from "effect-budget"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as References from "effect/References"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Proxy from "./support/redis/proxy.ts"
import { connect } from "./support/redis/server.ts"
import { describeServerProcess } from "./support/redis/servers.ts"
import { eventually } from "./support/store/eventually.ts"
import { budgetAt, type Counters, countersOf, key, tokens } from "./support/store/user.ts"
import { startWorker } from "./support/store/worker.ts"

/** A test by the real clock. What a store logs when it is in trouble is not for whoever reads the report. */
const live = <E>(name: string, body: () => Effect.Effect<void, E, Scope.Scope>): void =>
  it.live(name, () => Effect.provideService(body(), References.MinimumLogLevel, "None"), 60_000)

const spend = (budget: Budget.Budget, estimate: number, actual = estimate) =>
  budget.spend({ estimate: tokens(estimate), actual: () => tokens(actual) })(Effect.void)

/** A call that is open until its end is told. */
const openCall = Effect.fnUntraced(function* (budget: Budget.Budget, estimate: number, actual: number) {
  const begun = yield* Deferred.make<void>()
  const end = yield* Deferred.make<void>()
  const call = yield* Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(end)).pipe(
    budget.spend({ estimate: tokens(estimate), actual: () => tokens(actual) }),
    Effect.forkChild
  )
  yield* Deferred.await(begun)
  return Effect.andThen(Deferred.succeed(end, undefined), Fiber.join(call))
})

const eventsOf = Effect.fnUntraced(function* (budget: Budget.Budget) {
  const told: Array<string> = []
  yield* Effect.forkScoped(
    Stream.runForEach(budget.events, ({ _tag }) => Effect.sync(() => void told.push(_tag))),
    { startImmediately: true }
  )
  return told
})

const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const since = performance.now()
    return Effect.map(effect, (value) => ({ value, millis: performance.now() - since }))
  })

/** Counters as they have to be, in the end. */
const become = (counters: Effect.Effect<Counters>, expected: Partial<Counters>) =>
  eventually(counters, (seen) => assert.deepStrictEqual({ ...seen, ...expected }, seen))

/** The limits of the key of all tests: a cap on tokens, and how many calls are open. */
const used = (cap: number, concurrency: number): Partial<Counters> => ({ used: [cap, concurrency], open: concurrency })

const LEASE_MILLIS = 600
/** How much earlier something may seem to happen, because clocks count whole milliseconds. */
const ROUNDING_MILLIS = 2

describeServerProcess("a process that is killed", ({ start }) => {
  for (const onLapse of ["charge", "release"] as const) {
    live(`loses its lease: then whoever waits elsewhere gets in (${onLapse})`, () =>
      Effect.gen(function* () {
        const server = yield* start
        const options: BudgetStore.Options = { lease: LEASE_MILLIS, onLapse }
        const [one, other] = yield* Effect.all([startWorker(server, options), startWorker(server, options)])
        const { millis } = yield* timed(
          Effect.gen(function* () {
            assert.strictEqual(yield* one.reserve("a", 300), "admitted")
            assert.strictEqual(yield* one.reserve("b", 200), "admitted")
            const waiting = yield* Effect.forkChild(other.reserve("c", 400))
            yield* become(other.counters, { waiting: 1 })
            yield* one.kill
            assert.strictEqual(yield* Fiber.join(waiting), "admitted")
          })
        )
        assert.isAtLeast(millis, LEASE_MILLIS - ROUNDING_MILLIS)
        const charged = onLapse === "charge" ? 500 : 0
        yield* become(other.counters, { ...used(charged + 400, 1), reserved: [400, 1] })
        yield* other.commit("c", 100)
        yield* become(other.counters, { ...used(charged + 100, 0), reserved: [0, 0], spent: 100 })
      })
    )
  }
})

describeServerProcess("a process that is frozen for longer than its lease", ({ start }) => {
  live("settles nothing twice when it goes on, says what it has lost, and works again", () =>
    Effect.gen(function* () {
      const server = yield* start
      const options: BudgetStore.Options = { lease: LEASE_MILLIS }
      const [one, other] = yield* Effect.all([startWorker(server, options), startWorker(server, options)])
      yield* one.reserve("a", 300)
      yield* one.reserve("b", 200)
      yield* one.pause
      // Settles as soon as it goes on, before it can know.
      const late = yield* Effect.forkChild(one.commit("a", 50), { startImmediately: true })
      yield* become(other.counters, { ...used(500, 0), reserved: [0, 0] })
      assert.strictEqual(yield* other.reserve("c", 100, 0), "admitted")
      yield* one.resume
      yield* Fiber.join(late)
      yield* eventually(one.events, (events) => assert.include(events, "LeaseExpired"))
      yield* one.commit("b", 20)
      yield* other.commit("c", 100)
      yield* become(one.counters, { ...used(600, 0), reserved: [0, 0], spent: 100 })
      assert.strictEqual(yield* one.reserve("d", 150, 0), "admitted")
      yield* one.commit("d", 120)
      yield* become(other.counters, { ...used(720, 0), spent: 220 })
    })
  )
})

const TIMEOUT_MILLIS = 300
/** By how much a call may fail too late on a busy machine. */
const LATE_MILLIS_MAX = 2_000

describeServerProcess("a server that is frozen for longer than the timeout", ({ start }) => {
  live("fails calls in about the timeout, and is told everything once when it goes on", () =>
    Effect.gen(function* () {
      const server = yield* start
      const one = yield* budgetAt(server, key, { timeout: TIMEOUT_MILLIS })
      const told = yield* eventsOf(one)
      yield* spend(one, 100)
      const end = yield* openCall(one, 300, 250)
      yield* server.pause
      yield* end
      const { millis, value } = yield* timed(Effect.flip(spend(one, 10)))
      assert.strictEqual(value.reason._tag, "BudgetStoreError")
      assert.isAtLeast(millis, TIMEOUT_MILLIS - ROUNDING_MILLIS)
      assert.isBelow(millis, TIMEOUT_MILLIS + LATE_MILLIS_MAX)
      const atOnce = yield* timed(Effect.flip(spend(one, 10)))
      assert.isBelow(atOnce.millis, TIMEOUT_MILLIS)
      yield* server.resume
      yield* eventually(
        Effect.sync(() => told),
        (told) => assert.include(told, "StoreReached")
      )
      yield* become(countersOf(one), { ...used(350, 0), reserved: [0, 0], spent: 350 })
      yield* spend(one, 10)
      const other = yield* budgetAt(server, key)
      yield* become(countersOf(other), { ...used(360, 0), spent: 360 })
    })
  )
})

const SCRIPTS = Proxy.named("EVALSHA", "EVAL")

describeServerProcess("a connection that is cut", ({ start }) => {
  const losses = {
    "before a script has run": (proxy: Proxy.Proxy) => proxy.loseRequest(SCRIPTS),
    "after a script has run": (proxy: Proxy.Proxy) => proxy.loseReply(SCRIPTS)
  }
  for (const [when, lose] of Object.entries(losses)) {
    live(`${when}: a settlement arrives once`, () =>
      Effect.gen(function* () {
        const proxy = yield* Proxy.make(yield* start)
        const one = yield* budgetAt(proxy, key)
        const end = yield* openCall(one, 300, 250)
        const lost = yield* lose(proxy)
        yield* end
        yield* lost
        yield* become(countersOf(one), { ...used(250, 0), reserved: [0, 0], spent: 250 })
        yield* spend(one, 100)
        yield* become(countersOf(one), { ...used(350, 0), reserved: [0, 0], spent: 350 })
      })
    )

    live(`${when}: a call fails at once, and holds nothing`, () =>
      Effect.gen(function* () {
        const proxy = yield* Proxy.make(yield* start)
        const one = yield* budgetAt(proxy, key)
        yield* spend(one, 100)
        const lost = yield* lose(proxy)
        assert.strictEqual((yield* Effect.flip(spend(one, 300))).reason._tag, "BudgetStoreError")
        yield* lost
        yield* become(countersOf(one), { ...used(100, 0), reserved: [0, 0], spent: 100 })
      })
    )
  }

  live("again and again, while many call: everything is counted once", () =>
    Effect.gen(function* () {
      const proxy = yield* Proxy.make(yield* start)
      const roomy = Budget.make({
        name: "key",
        key: "openai",
        limits: [Limit.cap("tokens", 1_000_000), Limit.concurrency(50)]
      })
      const one = yield* budgetAt(proxy, roomy)
      const done = { spent: 0, isOver: false }
      const cuts = Effect.gen(function* () {
        for (let round = 0; round < 10; round++) {
          const before = done.spent
          yield* Effect.flatten(Object.values(losses)[round % 2]!(proxy))
          yield* eventually(
            Effect.sync(() => done.spent),
            (spent) => assert.isAbove(spent, before)
          )
        }
        done.isOver = true
      })
      const caller = Effect.gen(function* () {
        while (!done.isOver) {
          const exit = yield* Effect.exit(spend(one, 10, 7))
          if (exit._tag === "Success") done.spent += 7
          else yield* Effect.sleep(1)
        }
      })
      yield* Effect.all([cuts, ...Array.from({ length: 20 }, () => caller)], {
        concurrency: "unbounded"
      })
      const { spent } = done
      yield* become(countersOf(one), { ...used(spent, 0), reserved: [0, 0], spent })
    })
  )
})

describeServerProcess("a server that has forgotten the script", ({ start }) => {
  live("is told it again, and does everything once", () =>
    Effect.gen(function* () {
      const server = yield* start
      const one = yield* budgetAt(server, key)
      const send = yield* connect(server.url)
      for (let round = 1; round <= 5; round++) {
        const end = yield* openCall(one, 100, 70)
        yield* Effect.promise(() => send("SCRIPT", "FLUSH"))
        yield* Effect.all([end, spend(one, 10), spend(one, 10)], { concurrency: "unbounded" })
        yield* become(countersOf(one), { ...used(90 * round, 0), reserved: [0, 0], spent: 90 * round })
      }
    })
  )
})
