import { assert, it } from "@effect/vitest"
import { Budget, type BudgetStore, Limit } from "effect-budget"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type { Cluster } from "./support/redis/cluster.ts"
import { connect, type ServerProcess } from "./support/redis/server.ts"
import { describeClusters, describeFailover } from "./support/redis/servers.ts"
import { become, live, openCall, quietly, spend, timed, used } from "./support/store/calls.ts"
import { eventually } from "./support/store/eventually.ts"
import { countersOf, key, userOfCluster } from "./support/store/user.ts"

class TheCluster extends Context.Service<TheCluster, Cluster>()("test/TheCluster") {}

const keysOn = ({ url }: ServerProcess, prefix: string) =>
  Effect.scoped(
    Effect.flatMap(connect(url), (send) =>
      Effect.promise(async () => {
        const keys = (await send("KEYS", `${prefix}*`)) as ReadonlyArray<string>
        return Promise.all(keys.map(async (key) => ({ key, slot: await send("CLUSTER", "KEYSLOT", key) })))
      })
    )
  )

/** A tenant within a key, with limits of all kinds. */
const makeTenant = Effect.fnUntraced(function* (index: number, cap: number) {
  const key = yield* Budget.make({
    name: `key ${index}`,
    key: `key-${index}`,
    limits: [Limit.cap("tokens", cap), Limit.concurrency(2)]
  })
  const tenant = yield* Budget.make({
    name: `tenant ${index}`,
    key: `tenant-${index}`,
    limits: [
      Limit.cap("tokens", cap),
      Limit.concurrency(1),
      Limit.slidingWindow("tokens", cap, "1 minute"),
      Limit.fixedWindow("tokens", cap, "day"),
      Limit.tokenBucket("tokens", cap, "1 minute")
    ],
    within: [key]
  })
  return { key, tenant }
})

describeClusters("budgets in a cluster", ({ start }) =>
  it.layer(Layer.effect(TheCluster, start), { timeout: 120_000, excludeTestServices: true })((it) => {
    it.effect("have each group in one slot, and groups on all nodes", () =>
      quietly(
        Effect.gen(function* () {
          const cluster = yield* TheCluster
          const one = yield* userOfCluster(cluster)
          for (let index = 0; index < 10; index++) {
            const { tenant } = yield* Effect.provide(makeTenant(index, 100), one)
            yield* spend(tenant, 10)
          }
          const nodes = yield* Effect.forEach(cluster.nodes, (node) => keysOn(node, cluster.keyPrefix))
          for (const keys of nodes) assert.isNotEmpty(keys)
          const groups = new Map<string, Set<unknown>>()
          for (const { key, slot } of nodes.flat()) {
            const group = /\{(.*)\}/.exec(key)![1]!
            groups.set(group, (groups.get(group) ?? new Set()).add(slot))
          }
          assert.strictEqual(groups.size, 10)
          for (const slots of groups.values()) assert.strictEqual(slots.size, 1)
        })
      )
    )

    it.effect("are shared by processes, whatever node they are on, and whoever waits is woken", () =>
      quietly(
        Effect.gen(function* () {
          const cluster = yield* TheCluster
          const [one, other] = [yield* userOfCluster(cluster), yield* userOfCluster(cluster)]
          const groups = Array.from({ length: 10 }, (_, index) => index + 10)
          yield* Effect.forEach(
            groups,
            (index) =>
              Effect.gen(function* () {
                const [mine, others] = [
                  yield* Effect.provide(makeTenant(index, 1_000), one),
                  yield* Effect.provide(makeTenant(index, 1_000), other)
                ]
                const end = yield* openCall(mine.tenant, 300, 250)
                const waiting = yield* Effect.forkChild(spend(others.tenant, 500, 400))
                yield* become(countersOf(others.tenant), { waiting: 1 })
                const { millis } = yield* timed(Effect.andThen(end, Fiber.join(waiting)))
                // It would ask again by itself only after five seconds.
                assert.isBelow(millis, 4_000)
                for (const budget of [mine.tenant, others.tenant]) {
                  const seen = yield* become(countersOf(budget), { open: 0, spent: 650 })
                  // Something has flown into the bucket meanwhile.
                  assert.deepStrictEqual(seen.used.slice(0, 4), [650, 0, 650, 650])
                }
                for (const budget of [mine.key, others.key]) yield* become(countersOf(budget), { ...used(650, 0) })
                const error = yield* Effect.flip(spend(mine.tenant, 351))
                assert.strictEqual(error.reason._tag, "BudgetExceeded")
              }),
            { concurrency: "unbounded" }
          )
        })
      )
    )

    it.effect("are counted right when many call many of them at once", () =>
      quietly(
        Effect.gen(function* () {
          const cluster = yield* TheCluster
          const users = [yield* userOfCluster(cluster), yield* userOfCluster(cluster)]
          const make = (index: number) =>
            Budget.make({
              name: `crowd ${index}`,
              key: `crowd-${index}`,
              limits: [Limit.cap("tokens", 1_000), Limit.concurrency(3)]
            })
          const crowds = yield* Effect.forEach(users, (user) =>
            Effect.forEach(
              Array.from({ length: 8 }, (_, index) => index),
              (index) => Effect.provide(make(index), user)
            )
          )
          const calls = crowds
            .flat()
            .flatMap((budget) => Array.from({ length: 30 }, () => Effect.exit(spend(budget, 20))))
          const exits = yield* Effect.all(calls, { concurrency: "unbounded" })
          // Of sixty calls of twenty tokens each, the cap of each budget lets fifty in.
          assert.strictEqual(exits.filter(({ _tag }) => _tag === "Success").length, 8 * 50)
          for (const budget of crowds.flat()) {
            yield* become(countersOf(budget), { ...used(1_000, 0), reserved: [0, 0], spent: 1_000 })
          }
        })
      )
    )

    it.effect("of different groups cannot be on one path, which is said at once, with what to do", () =>
      quietly(
        Effect.gen(function* () {
          const one = yield* userOfCluster(yield* TheCluster)
          const make = (names: readonly [string, string]) =>
            Effect.gen(function* () {
              const roots = yield* Effect.forEach(names, (name) => Budget.make({ name, key: name, limits: [] }))
              return yield* Budget.make({ name: "task", key: "task", limits: [], within: roots })
            }).pipe(Effect.provide(one))
          const exit = yield* Effect.exit(make(["openai", "acme"]))
          const defect = exit._tag === "Failure" ? Cause.squash(exit.cause) : undefined
          assert.instanceOf(defect, RangeError)
          assert.strictEqual(
            String(defect),
            `RangeError: Budget "task": budgets that are reserved together must be of one group of one store, ` +
              `got "acme" and "openai". Put the same word in braces into their keys, as in "{acme}/key"`
          )
          const task = yield* make(["{acme}/openai", "{acme}/tenant"])
          yield* spend(task, 10)
          yield* become(countersOf(task), { spent: 10 })
        })
      )
    )
  })
)

const groupKeyOf = ({ keyPrefix }: Cluster): string => `${keyPrefix}:{openai}:group`

/** The replica of a primary. The first half of the nodes are the primaries, in the same order. */
const replicaOf = ({ nodes }: Cluster, primary: ServerProcess): ServerProcess =>
  nodes[nodes.indexOf(primary) + nodes.length / 2]!

const untilReplicated = ({ url }: ServerProcess) =>
  Effect.scoped(Effect.flatMap(connect(url), (send) => Effect.promise(() => send("WAIT", "1", "0"))))

const cutReplication = ({ url }: ServerProcess) =>
  Effect.scoped(Effect.flatMap(connect(url), (send) => Effect.promise(() => send("CLIENT", "KILL", "TYPE", "REPLICA"))))

/** Calls until the store can be reached again. */
const spendAtLast = (budget: Budget.Budget, estimate: number) =>
  eventually(Effect.exit(spend(budget, estimate)), (exit) => assert.strictEqual(exit._tag, "Success"))

describeFailover("budgets in a cluster whose primary dies", ({ start }) => {
  const options: BudgetStore.Options = { timeout: 500 }

  live("go on in the replica, with what was open, and what was settled meanwhile", () =>
    Effect.gen(function* () {
      const cluster = yield* start
      const one = yield* Effect.provide(key, yield* userOfCluster(cluster, options))
      const other = yield* Effect.provide(key, yield* userOfCluster(cluster, options))
      yield* spend(one, 100)
      const endOne = yield* openCall(one, 300, 250)
      const endOther = yield* openCall(other, 200, 150)
      const primary = yield* cluster.primaryOf(groupKeyOf(cluster))
      yield* untilReplicated(primary)
      yield* primary.kill
      yield* endOne
      assert.strictEqual((yield* Effect.flip(spend(one, 10))).reason._tag, "BudgetStoreError")
      yield* cluster.healthy
      yield* spendAtLast(one, 10)
      assert.notStrictEqual(yield* cluster.primaryOf(groupKeyOf(cluster)), primary)
      yield* become(countersOf(one), { ...used(560, 1), reserved: [200, 1], spent: 360 })
      yield* endOther
      yield* spendAtLast(other, 10)
      yield* become(countersOf(other), { ...used(520, 0), reserved: [0, 0], spent: 520 })
    })
  )

  live("tell the replica what it lacks", () =>
    Effect.gen(function* () {
      const cluster = yield* start
      const one = yield* Effect.provide(key, yield* userOfCluster(cluster, options))
      const endKept = yield* openCall(one, 300, 250)
      const primary = yield* cluster.primaryOf(groupKeyOf(cluster))
      yield* untilReplicated(primary)
      const replica = replicaOf(cluster, primary)
      yield* replica.pause
      // What is on its way to a frozen one would be read when it goes on.
      yield* cutReplication(primary)
      const endNew = yield* openCall(one, 200, 150)
      yield* primary.kill
      yield* replica.resume
      yield* cluster.healthy
      assert.strictEqual(yield* cluster.primaryOf(groupKeyOf(cluster)), replica)
      yield* become(countersOf(one), { ...used(500, 2), reserved: [500, 2] })
      yield* Effect.all([endKept, endNew])
      yield* become(countersOf(one), { ...used(400, 0), reserved: [0, 0], spent: 400 })
      yield* spendAtLast(one, 10)
      const other = yield* Effect.provide(key, yield* userOfCluster(cluster))
      yield* become(countersOf(other), { ...used(410, 0), spent: 410 })
    })
  )
})
