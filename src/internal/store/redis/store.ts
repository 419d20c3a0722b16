import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redis from "effect/persistence/Redis"
import { type Answer, type Batch, type Store, StoreError } from "../../../StoreProtocol.ts"
import { Calendar } from "./calendar.ts"
import { decode } from "./decode.ts"
import { encode, type Encoded } from "./encode.ts"
import { baseOf } from "./keys.ts"
import { lua } from "./script.ts"
import { Wakes } from "./wakes.ts"

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
  const wakes = new Wakes(redis, prefix)
  const evaluate = redis.eval(applyScript)

  const ask = Effect.fnUntraced(function* (batch: Batch) {
    const key = `${baseOf(prefix, batch.group)}group`
    const encoded = yield* attempt(() => encode(batch, calendar))
    const [time, reply] = yield* Effect.mapError(evaluate(key, encoded, now?.() ?? ""), toStoreError)
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

  return { apply, listen: (group, onWake) => wakes.listen(baseOf(prefix, group), onWake) }
})

const applyScript = Redis.script(
  (group: string, { descriptions, text }: Encoded, now: number | "") => [group, text, now, ...descriptions],
  { lua, numberOfKeys: 1 }
).withReturnType<readonly [time: string, reply: string]>()

const toStoreError = ({ cause }: Redis.RedisError): StoreError => new StoreError({ cause })

const attempt = <A>(evaluate: () => A): Effect.Effect<A, StoreError> =>
  Effect.try({ try: evaluate, catch: (cause) => new StoreError({ cause }) })

// Once is enough to learn the time of the store; between two servers of a cluster it may change.
const UNCOVERED_MAX = 4
