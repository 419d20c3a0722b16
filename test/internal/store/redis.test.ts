import { assert, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redis from "effect/persistence/Redis"
import * as Queue from "effect/Queue"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { baseOf } from "../../../src/internal/store/redis/keys.ts"
import { makeRedis } from "../../../src/internal/store/redis/store.ts"
import * as Limit from "../../../src/Limit.ts"
import * as RedisBudgetStore from "../../../src/RedisBudgetStore.ts"
import type { Answer, Batch, Operation, SharedBudget, Sight, Store } from "../../../src/StoreProtocol.ts"
import * as Usage from "../../../src/Usage.ts"
import { Random } from "../../support/random.ts"
import * as ClusterClient from "../../support/redis/clusterClient.ts"
import { layerOf } from "../../support/redis/server.ts"
import { describeClusters, describeServers } from "../../support/redis/servers.ts"
import { anyLimit, changedLimit, StoreProgram } from "../../support/storeProgram.ts"

const START = Date.UTC(2026, 2, 28)

/** A process whose answers always arrive. */
class Member {
  readonly #store: Store
  readonly #name: string
  readonly leaseMillis: number
  sequence = 0

  constructor(store: Store, name = "member", leaseMillis = 3_600_000) {
    this.#store = store
    this.#name = name
    this.leaseMillis = leaseMillis
  }

  readonly send = (...operations: ReadonlyArray<Operation>): Effect.Effect<Applied> =>
    Effect.suspend(() => this.#store.apply(this.batch(operations))).pipe(
      Effect.orDie,
      Effect.flatMap((answer) => (answer._tag === "Applied" ? Effect.succeed(answer) : Effect.die(answer)))
    )

  batch(operations: ReadonlyArray<Operation>): Batch {
    const sequence = ++this.sequence
    const { leaseMillis } = this
    return {
      group: "group",
      member: this.#name,
      sequence,
      answered: sequence - 1,
      leaseMillis,
      lapse: "charge",
      operations
    }
  }
}

type Applied = Extract<Answer, { _tag: "Applied" }>

const budgetOf = (...limits: SharedBudget["limits"]): SharedBudget => ({ key: "budget", limits, isShadow: false })

const reserve = (budget: SharedBudget, ...amounts: ReadonlyArray<number>): Operation => ({
  _tag: "Reserve",
  route: { budgets: [budget] },
  amounts,
  ticket: undefined,
  waits: false,
  aheadMillis: 0
})

const settle = (budget: SharedBudget, takenAt: number, estimate: number, actual: number): Operation => ({
  _tag: "Settle",
  route: { budgets: [budget] },
  takenAt,
  aheadMillis: 0,
  count: 1,
  estimates: [estimate],
  actuals: [actual],
  refunds: [Math.max(0, estimate - actual)],
  usage: Usage.zero
})

const charge = (budget: SharedBudget, ...amounts: ReadonlyArray<number>): Operation => ({
  _tag: "Charge",
  route: { budgets: [budget] },
  amounts,
  usage: Usage.zero
})

const sightOf = (member: Member, budget: SharedBudget): Effect.Effect<Sight> =>
  Effect.map(member.send({ _tag: "Look", budget }), ({ sights }) => sights[0]!)

describeServers("the store in Redis", ({ start }) => {
  it.layer(layerOf(start), { timeout: 120_000 })((it) => {
    let prefixes = 0
    /** A store of its own, whose time is set by hand. */
    const fresh = Effect.gen(function* () {
      const prefix = `test ${++prefixes} of ${process.pid}`
      const clock = { now: START }
      const store = yield* makeRedis({ prefix, now: () => clock.now })
      const redis = yield* Redis.Redis
      return { prefix, clock, store, redis, member: new Member(store) }
    })

    it.effect("returns the capacity of a busy window at most a thousandth of it late, and never early", () =>
      Effect.gen(function* () {
        const { clock, member, prefix, redis } = yield* fresh
        const random = new Random(1)
        const windowMillis = 2_000
        const budget = budgetOf(Limit.slidingWindow("tokens", 1_000_000, windowMillis, { name: "window" }))
        const taken: Array<{ at: number; amount: number; estimate: number }> = []
        const countedAfter = (instant: number) =>
          taken.reduce((sum, { amount, at }) => (at > instant ? sum + amount : sum), 0)
        for (let step = 0; step < 4_000; step++) {
          clock.now += random.weighted({ one: 8, two: 2, many: 0.005 }) === "one" ? 1 : 2
          const estimate = random.int(1, 9)
          const operations = [reserve(budget, estimate)]
          if (taken.length > 0 && random.chance(0.4)) {
            const entry = random.pick(taken.slice(-1_000))
            const actual = random.chance(0.3) ? 0 : random.int(0, entry.estimate)
            operations.unshift(settle(budget, entry.at, entry.estimate, actual))
            // Settled once, and its refund lands where it was taken.
            if (entry.estimate > 0 && entry.at > clock.now - windowMillis) entry.amount -= entry.estimate - actual
            entry.estimate = 0
          }
          taken.push({ at: clock.now, amount: estimate, estimate })
          operations.push({ _tag: "Look", budget })
          const { sights } = yield* member.send(...operations.filter(isPossible))
          const used = sights[0]!.used[0]!
          const [least, most] = [countedAfter(clock.now - windowMillis), countedAfter(clock.now - windowMillis * 1.001)]
          assert.isAtLeast(used, least, `step ${step}`)
          assert.isAtMost(used, most, `step ${step}`)
        }
        const length = yield* redis.send<number>("STRLEN", `${baseOf(prefix, "group")}window:budget:window`)
        assert.isAtMost(Number(length) / 32, 5_000)
        clock.now += windowMillis * 1.001
        assert.deepStrictEqual((yield* sightOf(member, budget)).used, [0])
      })
    )

    it.effect("promises an instant at which a busy window has room, and not before", () =>
      Effect.gen(function* () {
        const { clock, member } = yield* fresh
        const budget = budgetOf(Limit.slidingWindow("requests", 3_000, 10_000))
        for (let taken = 0; taken < 3_000; taken++) {
          clock.now += 2
          yield* member.send(reserve(budget, 1))
        }
        for (const amount of [1, 7, 500, 1_500, 3_000]) {
          const { verdicts } = yield* member.send(reserve(budget, amount))
          const truth = START + 2 * amount + 10_000 - clock.now
          assert.isAtLeast(verdicts[0]!.readyInMillis, truth)
          assert.isAtMost(verdicts[0]!.readyInMillis, truth + 10)
        }
        const { verdicts } = yield* member.send(reserve(budget, 1_500))
        clock.now += verdicts[0]!.readyInMillis - 1
        assert.strictEqual((yield* member.send(reserve(budget, 1_500))).verdicts[0]?.readyInMillis, 1)
        clock.now += 1
        assert.deepStrictEqual((yield* member.send(reserve(budget, 1_500))).verdicts, [undefined])
      })
    )

    it.effect("keeps no trace of what was given back in a window", () =>
      Effect.gen(function* () {
        const { clock, member, prefix, redis } = yield* fresh
        const budget = budgetOf(Limit.slidingWindow("tokens", 100, "1 hour", { name: "window" }))
        yield* member.send(reserve(budget, 10))
        for (let round = 0; round < 1_500; round++) {
          clock.now += 1
          const { now } = yield* member.send(reserve(budget, 40))
          clock.now += 1
          yield* member.send(reserve(budget, 50), settle(budget, now, 40, 0))
          yield* member.send(settle(budget, clock.now, 50, 0))
        }
        assert.deepStrictEqual((yield* sightOf(member, budget)).used, [10])
        const length = yield* redis.send<number>("STRLEN", `${baseOf(prefix, "group")}window:budget:window`)
        assert.isAtMost(Number(length) / 32, 1_100)
        clock.now = START + 3_600_000
        assert.deepStrictEqual((yield* sightOf(member, budget)).used, [0])
      })
    )

    it.effect("counts up to 2^53 - 1 exactly and stays there", () =>
      Effect.gen(function* () {
        const { member } = yield* fresh
        const most = Number.MAX_SAFE_INTEGER
        const budget = budgetOf(Limit.cap("tokens", most), Limit.slidingWindow("tokens", most, "1 day"))
        yield* member.send(charge(budget, most - 1, most - 1))
        assert.deepStrictEqual((yield* sightOf(member, budget)).used, [most - 1, most - 1])
        yield* member.send(reserve(budget, 1, 1))
        assert.deepStrictEqual((yield* sightOf(member, budget)).used, [most, most])
        yield* member.send(charge(budget, most, 5))
        assert.deepStrictEqual((yield* sightOf(member, budget)).used, [most, most])
      })
    )

    it.effect("refuses amounts that it could not count, before they are sent", () =>
      Effect.gen(function* () {
        const { member, store } = yield* fresh
        const budget = budgetOf(Limit.cap("tokens", 10))
        for (const amount of [2 ** 53, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
          const { cause } = yield* Effect.flip(store.apply(member.batch([reserve(budget, amount)])))
          assert.instanceOf(cause, RangeError)
          assert.include(String(cause), `amount must be a non-negative safe integer, got ${amount}`)
        }
      })
    )

    it.effect("goes on when the server has forgotten its script", () =>
      Effect.gen(function* () {
        const { member, redis } = yield* fresh
        const budget = budgetOf(Limit.cap("tokens", 10))
        yield* member.send(reserve(budget, 4))
        yield* redis.send("SCRIPT", "FLUSH")
        yield* member.send(reserve(budget, 4))
        assert.deepStrictEqual((yield* sightOf(member, budget)).used, [8])
      })
    )

    it.effect("reports a server that says no as an error", () =>
      Effect.gen(function* () {
        const { member, prefix, redis, store } = yield* fresh
        yield* redis.send("SET", `${baseOf(prefix, "group")}group`, "of another type")
        const { cause } = yield* Effect.flip(store.apply(member.batch([])))
        assert.include(String(cause), "WRONGTYPE")
      })
    )

    it.effect("uses the server's clock, also for windows of the calendar, and if ours is wrong by years", () =>
      Effect.gen(function* () {
        const { prefix } = yield* fresh
        assert.strictEqual(yield* Effect.clockWith((clock) => clock.currentTimeMillis), 0)
        const member = new Member(yield* RedisBudgetStore.make({ prefix }))
        const budget = budgetOf(Limit.fixedWindow("tokens", 10, "day"))
        const before = Date.now()
        const { now, verdicts } = yield* member.send(reserve(budget, 8), reserve(budget, 8))
        assert.isAtLeast(now, before - 1_000)
        assert.isAtMost(now, Date.now() + 1_000)
        assert.deepStrictEqual(verdicts[0], undefined)
        assert.strictEqual(verdicts[1]!.readyInMillis, 86_400_000 - (now % 86_400_000))
      })
    )

    it.effect("does not run backwards with the server's clock", () =>
      Effect.gen(function* () {
        const { clock, member } = yield* fresh
        clock.now -= 3_000
        const earlier = yield* member.send()
        clock.now -= 60_000
        assert.strictEqual((yield* member.send()).now, earlier.now)
        clock.now += 63_000
        assert.strictEqual((yield* member.send()).now, START)
      })
    )

    it.effect("keeps the answers that a member may yet ask for, and no others", () =>
      Effect.gen(function* () {
        const { member, prefix, redis, store } = yield* fresh
        const id = `${baseOf(prefix, "group")}member:member`
        for (let batch = 0; batch < 9; batch++) yield* member.send()
        const unheard = { ...member.batch([]), answered: 7 }
        yield* store.apply(unheard)
        const keys = yield* redis.send<ReadonlyArray<string>>("HKEYS", id)
        assert.deepStrictEqual(keys.filter((key) => key.startsWith("answer/")).sort(), ["answer/10", "answer/9"])
      })
    )

    it.effect("says that it has forgotten a member when it has lost what it had answered", () =>
      Effect.gen(function* () {
        const { member, prefix, redis, store } = yield* fresh
        const id = `${baseOf(prefix, "group")}member:member`
        for (let batch = 0; batch < 5; batch++) yield* member.send()
        // As after a replica has taken over that had not heard of the last batches.
        yield* redis.send("HSET", id, "latest", "3", "answered", "2")
        assert.strictEqual((yield* store.apply(member.batch([])))._tag, "Forgotten")
        yield* redis.send("DEL", id)
        assert.strictEqual((yield* store.apply(member.batch([])))._tag, "Forgotten")
      })
    )

    it.effect("settles what many dead processes hold of many budgets bit by bit, and all of it", () =>
      Effect.gen(function* () {
        const { clock, redis, store, prefix } = yield* fresh
        const budgets = Array.from({ length: 300 }, (_, index) => ({
          ...budgetOf(Limit.concurrency(9)),
          key: `${index}`
        }))
        const dead = Array.from({ length: 7 }, (_, index) => new Member(store, `dead ${index}`, 1_000))
        for (const member of dead) yield* member.send(...budgets.map((budget) => reserve(budget, 1)))
        const looker = new Member(store, "looker")
        const looks = budgets.map((budget): Operation => ({ _tag: "Look", budget }))
        const open = Effect.map(looker.send(...looks), ({ sights }) => sights.reduce((sum, { open }) => sum + open, 0))
        assert.strictEqual(yield* open, 2_100)
        clock.now += 1_000
        let left = yield* open
        assert.isBelow(left, 2_100)
        for (const member of dead) assert.strictEqual((yield* store.apply(member.batch([])))._tag, "Lapsed")
        for (let calls = 0; left > 0 && calls < 50; calls++) {
          const rest = yield* open
          assert.isBelow(rest, left)
          left = rest
        }
        assert.strictEqual(left, 0)
        const members = yield* redis.send<ReadonlyArray<string>>(
          "ZRANGE",
          `${baseOf(prefix, "group")}members`,
          "0",
          "9"
        )
        assert.deepStrictEqual(members, ["looker"])
      })
    )

    it.effect("leaves no key that does not expire", () =>
      Effect.gen(function* () {
        const { prefix, redis } = yield* fresh
        for (let seed = 1; seed <= 30; seed++) {
          const random = new Random(seed)
          let now = START
          const store = yield* makeRedis({ prefix, now: () => now })
          const program = new StoreProgram(random, `group ${seed}`, {
            members: 3,
            limit: anyLimit,
            changed: changedLimit
          })
          for (let step = 0; step < 30; step++) {
            now += random.magnitude(1, 10_000)
            const { batch, member } = program.next()
            program.hear(member, batch, yield* store.apply(batch))
          }
        }
        const keys = yield* redis.send<ReadonlyArray<string>>("KEYS", `${prefix}:*`)
        assert.isAbove(keys.length, 100)
        for (const key of keys) assert.isAbove(Number(yield* redis.send("PTTL", key)), 0, key)
      })
    )

    it.effect("shows a person what of it counts now, also when nobody has used it for a while", () =>
      Effect.gen(function* () {
        const { clock, member, prefix } = yield* fresh
        const limits = [
          Limit.slidingWindow("tokens", 1_000, "1 minute", { name: "exact" }),
          Limit.slidingWindow("tokens", 1_000, "10 seconds", { name: "over" }),
          Limit.slidingWindow("tokens", 1_000, "1 minute", { name: "at settlement", chargeAt: "settle" }),
          Limit.tokenBucket("tokens", 7, "1 second", { name: "bucket", capacity: 2_000 }),
          Limit.fixedWindow("tokens", 1_000, "hour", { name: "hour" }),
          Limit.cap("tokens", 1_000, { name: "cap" }),
          Limit.concurrency(5, { name: "at once" })
        ] as const
        const [budget, same] = [budgetOf(...limits), budgetOf(...limits)]
        // Ahead of the server's clock, so that this clock counts; more than a page of the log, of which half has left.
        clock.now = Date.UTC(2100, 0, 1)
        for (let second = 0; second < 80; second++) {
          clock.now += 1_000
          yield* member.send(charge(budget, 1, 2, 3, 4, 5, 6, 0))
        }
        yield* member.send(reserve(budget, 10, 10, 10, 10, 10, 10, 1))
        const inspected = Effect.map(RedisBudgetStore.inspect({ prefix })("group"), ({ budgets }) =>
          budgets[0]!.limits.map(({ used }) => used)
        )
        const asked = Effect.map(member.send({ _tag: "Look", budget: same }), (answer) =>
          answer._tag === "Applied" ? answer.sights[0]!.used : []
        )
        // The script goes by the last instant of the group: a budget of its own moves it on.
        const elsewhere: SharedBudget = { key: "{group}/other", limits: [], isShadow: false }
        for (const millis of [0, 1, 999, 12_345, 30_000, 20_000, 3_500_000]) {
          clock.now += millis
          yield* member.send({ _tag: "Look", budget: elsewhere })
          assert.deepStrictEqual(yield* inspected, yield* asked)
        }
      })
    )

    it.effect("shows a person what a group has counted, and who holds it", () =>
      Effect.gen(function* () {
        const { clock, member, prefix } = yield* fresh
        const budget = budgetOf(
          Limit.cap("tokens", 100, { name: "cap" }),
          Limit.slidingWindow("requests", 5, "1 minute", { name: "window" })
        )
        yield* member.send(reserve(budget, 60, 1), { _tag: "Pause", budget, millis: 50, isGradual: false })
        clock.now += 50
        const waits: Operation = { ...reserve(budget, 70, 1), _tag: "Reserve", waits: true } as Operation
        const usage = Usage.make({ inputTokens: 7 })
        yield* member.send(waits, { ...charge(budget, 30, 0), usage } as Operation)
        const { budgets, members } = yield* RedisBudgetStore.inspect({ prefix })("group")
        const [shown] = budgets
        assert.deepStrictEqual(
          shown!.limits.map(({ kind, max, meter, name, waiting }) => ({ kind, max, meter, name, waiting })),
          [
            {
              name: "cap",
              kind: "Cap",
              meter: "tokens",
              max: 100,
              waiting: [{ member: "member", ticket: 1, amount: 70, asksAt: START + 5_050 }]
            },
            { name: "window", kind: "SlidingWindow", meter: "requests", max: 5, waiting: [] }
          ]
        )
        assert.include(shown!.limits[0]!.counters, { reserved: 60, committed: 30 })
        assert.include(shown!.limits[1]!.counters, { reserved: 1, counted: 1 })
        assert.include(shown, { key: "budget", open: 1, pausedUntil: START + 50 })
        assert.strictEqual(shown!.spent.inputTokens, 7)
        assert.isAbove(shown!.expiresAt, START + 30 * 86_400_000)
        assert.deepStrictEqual(members, [
          {
            name: "member",
            leaseEnd: START + 50 + 3_600_000,
            held: [{ budget: "budget", open: 1, amounts: { cap: 60, window: 1 } }]
          }
        ])
        assert.deepStrictEqual(yield* RedisBudgetStore.inspect({ prefix })("unknown"), { budgets: [], members: [] })
      })
    )
  })
})

describeClusters("the store in a Redis Cluster", ({ start }) => {
  const layer = Layer.unwrap(
    Effect.map(start, ({ nodes }) => ClusterClient.layer({ rootNodes: nodes.map(({ url }) => ({ url })) }))
  )
  it.layer(layer, { timeout: 120_000 })((it) => {
    it.effect("keeps each group on one of the servers", () =>
      Effect.gen(function* () {
        let now = START
        const store = yield* makeRedis({ prefix: `test of ${process.pid}`, now: () => now })
        for (let seed = 1; seed <= 20; seed++) {
          const random = new Random(seed)
          const program = new StoreProgram(random, `{${seed}}`, { members: 3, limit: anyLimit, changed: changedLimit })
          for (let step = 0; step < 20; step++) {
            now += random.magnitude(1, 10_000)
            const { batch, member } = program.next()
            program.hear(member, batch, yield* store.apply(batch))
          }
        }
      })
    )
  })
})

/** What was settled before is not settled again. */
const isPossible = (operation: Operation): boolean => operation._tag !== "Settle" || operation.estimates[0]! > 0

describe("the keys of a group", () => {
  const names = ["group", "a{b", "a}b", "{}", "}{", "", "%", "%7b", "a:b", "ü"]

  it("have one hash tag, whatever the names are, and another for each group", () => {
    const tags = names.map((group) => {
      const base = baseOf("pre{fix}", group)
      const open = base.indexOf("{")
      const close = base.indexOf("}", open)
      assert.isAbove(close, open + 1, base)
      assert.strictEqual(base.slice(close), "}:")
      return base.slice(open + 1, close)
    })
    assert.strictEqual(new Set(tags).size, names.length)
  })
})

describe("listening", () => {
  it.effect("goes on when a subscription has failed", () =>
    Effect.gen(function* () {
      const queues: Array<Queue.Queue<Redis.RedisMessage, Redis.RedisError>> = []
      const never = () => Effect.never
      const redis = Redis.Redis.of({
        send: never,
        eval: () => never,
        reserve: Effect.never,
        subscribe: () =>
          Effect.tap(Queue.unbounded<Redis.RedisMessage, Redis.RedisError>(), (queue) =>
            Effect.sync(() => queues.push(queue))
          )
      })
      const heard: Array<string> = []
      const store = yield* Effect.provideContext(makeRedis({ prefix: "p" }), Context.make(Redis.Redis, redis))
      yield* store.listen("group", (member) => heard.push(member))
      yield* Queue.offer(queues[0]!, { channel: "c", message: "p:{group}:first" })
      yield* Effect.yieldNow
      yield* Queue.fail(queues[0]!, new Redis.RedisError({ cause: "cut" }))
      yield* TestClock.adjust("2 seconds")
      yield* Queue.offer(queues[1]!, { channel: "c", message: "p:{group}:second" })
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(heard, ["first", "second"])
    }).pipe(Effect.provide(Layer.empty))
  )
})
