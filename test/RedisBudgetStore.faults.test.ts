import { assert } from "@effect/vitest"
import { Budget, type BudgetStore, Limit } from "effect-budget"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Proxy from "./support/redis/proxy.ts"
import { startNative } from "./support/redis/native.ts"
import { connect, type ServerProcess } from "./support/redis/server.ts"
import { describeDurableServers, describeOn, describeServerProcess, nativeMissing } from "./support/redis/servers.ts"
import { become, eventsOf, live, openCall, ROUNDING_MILLIS, spend, timed, used } from "./support/store/calls.ts"
import { eventually } from "./support/store/eventually.ts"
import { everySecond } from "./support/store/load.ts"
import { budgetAt, countersOf, key } from "./support/store/user.ts"
import { startWorker } from "./support/store/worker.ts"
import { makeWallClock } from "./support/wallClock.ts"

const LEASE_MILLIS = 600

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

describeDurableServers("a server that is killed and started again with its data", ({ start }) => {
  live("goes on counting what is open, and is told once what was settled meanwhile", () =>
    Effect.gen(function* () {
      const server = yield* start
      const [one, other] = [yield* budgetAt(server, key), yield* budgetAt(server, key)]
      yield* spend(one, 100)
      const endOne = yield* openCall(one, 300, 250)
      const endOther = yield* openCall(other, 200, 150)
      yield* server.kill
      yield* endOne
      assert.strictEqual((yield* Effect.flip(spend(one, 10))).reason._tag, "BudgetStoreError")
      yield* server.restart
      yield* become(countersOf(one), { ...used(550, 1), reserved: [200, 1], spent: 350 })
      yield* endOther
      yield* become(countersOf(other), { ...used(500, 0), reserved: [0, 0], spent: 500 })
      yield* spend(one, 10)
      yield* become(countersOf(other), { ...used(510, 0), spent: 510 })
    })
  )
})

describeServerProcess("a server that is killed and started again without its data", ({ start }) => {
  live("is told what is open, and what was settled meanwhile", () =>
    Effect.gen(function* () {
      const server = yield* start
      const [one, other] = [yield* budgetAt(server, key), yield* budgetAt(server, key)]
      yield* spend(one, 100)
      const endOne = yield* openCall(one, 300, 250)
      const endOther = yield* openCall(other, 200, 150)
      yield* server.kill
      yield* endOne
      yield* server.restartEmpty
      // What was used before is lost.
      yield* become(countersOf(one), { used: [250, 0], spent: 250 })
      yield* become(countersOf(other), { ...used(450, 1), reserved: [200, 1], spent: 250 })
      yield* endOther
      yield* become(countersOf(one), { ...used(400, 0), reserved: [0, 0], spent: 400 })
    })
  )
})

/** One that is started again with the data that it has saved, which are older than what it had answered last. */
const savedOnly = { name: "redis-server with a snapshot", start: startNative(), missing: nativeMissing }

/** A server is there again within this time, also where much else is going on: nobody loses its lease. */
const RESTART_MILLIS_MAX = 3_000

const save = ({ url }: ServerProcess) =>
  Effect.scoped(Effect.flatMap(connect(url), (send) => Effect.promise(() => send("SAVE"))))

describeOn([savedOnly])("a server that has lost what it was told last", ({ start }) => {
  for (const onLapse of ["charge", "release"] as const) {
    live(`counts what is open once (${onLapse})`, () =>
      Effect.gen(function* () {
        const server = yield* start
        const options: BudgetStore.Options = { onLapse, lease: RESTART_MILLIS_MAX }
        const [one, other] = [yield* budgetAt(server, key, options), yield* budgetAt(server, key, options)]
        const endKept = yield* openCall(one, 300, 250)
        const endOld = yield* openCall(one, 100, 50)
        yield* save(server)
        yield* endOld
        const endNew = yield* openCall(one, 200, 150)
        yield* server.kill
        yield* server.restart
        // What was settled since is lost. All that can be known is what is open now.
        yield* become(countersOf(one), { ...used(500, 2), reserved: [500, 2] })
        yield* Effect.all([endKept, endNew])
        yield* become(countersOf(other), { ...used(400, 0), reserved: [0, 0], spent: 400 })
        // So it is still when the lease is over that the server remembers.
        yield* Effect.sleep(RESTART_MILLIS_MAX)
        yield* become(countersOf(other), { ...used(400, 0), reserved: [0, 0], spent: 400 })
      })
    )
  }
})

describeServerProcess("a server that answers slowly", ({ start }) => {
  live("is asked for more at a time, and counts everything", () =>
    Effect.gen(function* () {
      const proxy = yield* Proxy.make(yield* start)
      const roomy = Budget.make({
        name: "key",
        key: "openai",
        limits: [Limit.cap("tokens", 1_000_000), Limit.concurrency(1_000)]
      })
      const one = yield* budgetAt(proxy, roomy)
      const slowness = Effect.gen(function* () {
        const held = yield* proxy.holdReplies(SCRIPTS)
        yield* Effect.sleep(200)
        yield* held.release
      })
      yield* Effect.forkScoped(Effect.forever(slowness))
      // Calls come one by one, not all at once.
      const calls = Array.from({ length: 1_000 }, (_, index) => Effect.delay(spend(one, 10, 7), index))
      yield* Effect.all(calls, { concurrency: "unbounded" })
      yield* become(countersOf(one), { ...used(7_000, 0), reserved: [0, 0], spent: 7_000 })
      const batches = (yield* proxy.commands).filter(SCRIPTS).length
      assert.isBelow(batches, 200)
    })
  )
})

const HOUR_MILLIS = 3_600_000

describeServerProcess("a process whose clock is wrong by an hour", ({ start }) => {
  for (const aheadMillis of [HOUR_MILLIS, -HOUR_MILLIS]) {
    live(`counts in the same windows as others (${aheadMillis > 0 ? "ahead" : "behind"})`, () =>
      Effect.gen(function* () {
        const server = yield* start
        const wall = yield* makeWallClock
        yield* wall.setBy(aheadMillis)
        const wrongly = Effect.provideService(Clock.Clock, wall.clock)
        const make = Budget.make({
          name: "key",
          key: "openai",
          limits: [Limit.slidingWindow("tokens", 100, 1_000), Limit.fixedWindow("requests", 3, everySecond)]
        })
        const one = yield* wrongly(budgetAt(server, make))
        const other = yield* budgetAt(server, make)

        const first = yield* timed(
          Effect.gen(function* () {
            yield* wrongly(spend(one, 100))
            yield* Effect.all([wrongly(spend(one, 50)), spend(other, 50)], { concurrency: "unbounded" })
          })
        )
        assert.isAtLeast(first.millis, 1_000 - ROUNDING_MILLIS)

        // An administrator sets the clock right while somebody waits.
        const begin = Math.floor(Date.now() / 1_000)
        const calls = Array.from({ length: 6 }, () => [wrongly(spend(one, 1)), spend(other, 1)]).flat()
        const all = yield* Effect.forkChild(Effect.all(calls, { concurrency: "unbounded" }))
        yield* Effect.sleep(500)
        yield* wall.setBy(-aheadMillis)
        yield* Fiber.join(all)
        const seconds = Math.floor(Date.now() / 1_000) - begin
        // Three in each second, of which the first may have been used up.
        assert.isAtLeast(seconds, 3)
        assert.isBelow(seconds, 15)
      })
    )
  }
})
