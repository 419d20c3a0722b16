import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Redis from "effect/persistence/Redis"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import { type Answer, type Batch, type Store, StoreError } from "../../../StoreProtocol.ts"
import { Calendar } from "./calendar.ts"
import { decode } from "./decode.ts"
import { encode } from "./encode.ts"
import { baseOf } from "./keys.ts"
import { lua } from "./script.ts"

/** How a store in Redis is made. */
export interface RedisOptions {
  readonly prefix: string
  /** Replaces the server's clock, in epoch millis. For tests. */
  readonly now?: (() => number) | undefined
}

/** A store in Redis: every batch is one call of one script. */
export const makeRedis = Effect.fnUntraced(function* ({
  now,
  prefix
}: RedisOptions): Effect.fn.Return<Store, never, Redis.Redis> {
  const redis = yield* Redis.Redis
  const clock = yield* Clock.Clock
  const calendar = new Calendar(now ?? (() => clock.currentTimeMillisUnsafe()))
  const evaluate = redis.eval(applyScript)

  const ask = Effect.fnUntraced(function* (batch: Batch) {
    const key = `${baseOf(prefix, batch.group)}group`
    const encoded = yield* attempt(() => encode(batch, calendar))
    const [time, reply] = yield* Effect.mapError(evaluate(key, encoded, now?.()), toStoreError)
    return yield* attempt(() => {
      calendar.learn(Number(time))
      return decode(String(reply), batch)
    })
  })

  const apply = Effect.fnUntraced(function* (batch: Batch): Effect.fn.Return<Answer, StoreError> {
    for (let attempts = 0; attempts < UNCOVERED_MAX; attempts++) {
      const answer = yield* ask(batch)
      if (answer !== "Uncovered") return answer
    }
    return yield* new StoreError({ cause: new Error("the store's clock does not go on as ours does") })
  })

  const hear = (channel: string, onWake: (member: string) => void, isSubscribed: Deferred.Deferred<void>) =>
    Effect.scoped(
      Effect.gen(function* () {
        const messages = yield* redis.subscribe(channel)
        yield* Deferred.succeed(isSubscribed, undefined)
        while (true) onWake((yield* Queue.take(messages)).message)
      })
    )

  return {
    apply,
    listen: Effect.fnUntraced(function* (group, onWake) {
      const isSubscribed = yield* Deferred.make<void>()
      const hearing = hear(`${baseOf(prefix, group)}wake`, onWake, isSubscribed)
      yield* Effect.forkScoped(Effect.retry(hearing, subscribeAgain))
      yield* Deferred.await(isSubscribed)
    })
  }
})

const applyScript = Redis.script(
  (group: string, batch: string, now: number | undefined) => (now === undefined ? [group, batch] : [group, batch, now]),
  { lua, numberOfKeys: 1 }
).withReturnType<readonly [time: string, reply: string]>()

const toStoreError = ({ cause }: Redis.RedisError): StoreError => new StoreError({ cause })

const attempt = <A>(evaluate: () => A): Effect.Effect<A, StoreError> =>
  Effect.try({ try: evaluate, catch: (cause) => new StoreError({ cause }) })

// Not all processes at once, when a server is back.
const subscribeAgain = Schedule.jittered(Schedule.spaced("1 second"))

// Once is enough to learn the time of the store; between two servers of a cluster it may change.
const UNCOVERED_MAX = 4
