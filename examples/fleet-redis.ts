/**
 * Many processes, one key: `npm run example:fleet-redis`
 *
 * Three processes share what a provider allows, through Redis. One of them is killed while it calls: what it has reserved
 * stays reserved until its lease is over. Then the store frees its places and charges its tokens, because they may well
 * have been spent. The others go on.
 *
 * It uses the server at `REDIS_URL`, or a `redis-server` on the PATH, or a Valkey in WebAssembly. It fails if a limit is
 * exceeded, or if anything stays reserved.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Data, Effect, Fiber, Schedule } from "effect"
import * as Account from "./fleet-redis/account.ts"
import { ended } from "./fleet-redis/ended.ts"
import { startProvider } from "./fleet-redis/provider.ts"
import { atOnce, estimate, leaseSeconds, ProviderKey, shared } from "./fleet-redis/providerKey.ts"
import { freshPrefix, type Place, startServer } from "./fleet-redis/server.ts"
import { startWorker } from "./fleet-redis/workers.ts"

class PromiseBroken extends Data.TaggedError("PromiseBroken")<{ readonly message: string }> {}

const until = (condition: () => boolean) => Effect.repeat(Effect.sleep("20 millis"), { until: condition })

const scenario = Effect.fnUntraced(function* (place: Place) {
  const provider = yield* startProvider
  const start = (name: string) => startWorker(name, provider, place)
  const [a, b, c] = yield* Effect.all([start("a"), start("b"), start("c")])
  const workers = [a, b, c]
  const broken = new Set<string>()

  // This process shares the key, too. It makes no calls, it looks.
  let key = yield* ProviderKey.snapshot
  const look = Effect.map(ProviderKey.snapshot, (seen) => {
    key = seen
    if (Account.isExceeded(key)) broken.add("a limit was exceeded in the store")
  })
  yield* Effect.forkScoped(Effect.repeat(look, Schedule.spaced("20 millis")))

  yield* until(() => workers.every(({ calls }) => calls.open > 0))
  yield* Console.log(Account.heading(workers))
  let second = 0
  const tell = Effect.suspend(() => Console.log(Account.row(second++, workers, key)))
  const telling = yield* Effect.forkScoped(Effect.repeat(tell, Schedule.fixed("1 second")))

  yield* Effect.sleep("3400 millis")
  yield* until(() => b.calls.open > 1)
  yield* ended(b.process, "SIGKILL")
  const [doneBefore, killedAt] = [provider.done(), performance.now()]
  yield* Console.log(Account.remark("b is killed while it calls. Nobody is left to settle what it has reserved."))

  const isCharged = until(() => Account.chargedForTheDead(key) > 0)
  yield* Effect.timeoutOption(isCharged, `${leaseSeconds + 2} seconds`)
  const seconds = ((performance.now() - killedAt) / 1_000).toFixed(1)
  const charged = Account.chargedForTheDead(key)
  if (charged === 0) broken.add("the store has not settled what the dead process had reserved")
  const places = charged / (estimate.inputTokens + estimate.outputTokens)
  yield* Console.log(
    Account.remark(`${seconds} s later its lease is over: ${places} places are free, their tokens charged.`)
  )

  yield* Effect.sleep("3500 millis")
  yield* Fiber.interrupt(telling)
  yield* Effect.forEach(workers, ({ process }) => ended(process, "SIGTERM"), { concurrency: "unbounded" })
  key = yield* ProviderKey.snapshot
  if (!Account.isAtRest(key)) broken.add("something is still reserved")
  if (provider.mostAtOnce() > atOnce.max) broken.add("the provider had too many calls at once")
  if (provider.done() === doneBefore) broken.add("nobody went on after the death of b")
  yield* Console.log(Account.summary(key, provider, doneBefore))
  if (broken.size > 0)
    return yield* new PromiseBroken({ message: `It is not as it should be: ${[...broken].join(", ")}.` })
})

const program = Effect.gen(function* () {
  const server = yield* startServer
  const place = { url: server.url, prefix: yield* freshPrefix(server) }
  yield* Console.log(Account.introduction(server))
  yield* Effect.provide(scenario(place), shared(place))
})

program.pipe(Effect.scoped, NodeRuntime.runMain)
