import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Redis from "effect/persistence/Redis"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { wakeChannelOf } from "./keys.ts"

type OnWake = (member: string) => void

/** Hears for all groups whom there may be room for: on one subscription, as long as anybody listens. */
export class Wakes {
  readonly #redis: Redis.Redis["Service"]
  readonly #channel: string
  readonly #listeners = new Map<string, Set<OnWake>>()
  #subscription: { readonly fiber: Fiber.Fiber<unknown, unknown>; readonly isOn: Deferred.Deferred<void> } | undefined

  constructor(redis: Redis.Redis["Service"], prefix: string) {
    this.#redis = redis
    this.#channel = wakeChannelOf(prefix)
  }

  /** Listens to what is said of a group, which is named by what its keys begin with, while the scope is open. */
  listen(base: string, onWake: OnWake): Effect.Effect<void, never, Scope.Scope> {
    return Effect.asVoid(
      Effect.acquireRelease(
        Effect.suspend(() => {
          const listeners = this.#listeners.get(base) ?? new Set()
          this.#listeners.set(base, listeners.add(onWake))
          return this.#subscribe()
        }),
        () => Effect.suspend(() => this.#leave(base, onWake))
      )
    )
  }

  #subscribe(): Effect.Effect<void> {
    if (this.#subscription !== undefined) return Deferred.await(this.#subscription.isOn)
    return Effect.flatMap(Deferred.make<void>(), (isOn) =>
      Effect.flatMap(Effect.forkDetach(Effect.retry(this.#hear(isOn), subscribeAgain)), (fiber) => {
        this.#subscription = { fiber, isOn }
        return Deferred.await(isOn)
      })
    )
  }

  #leave(base: string, onWake: OnWake): Effect.Effect<void> {
    const listeners = this.#listeners.get(base)
    listeners?.delete(onWake)
    if (listeners?.size === 0) this.#listeners.delete(base)
    const subscription = this.#subscription
    if (this.#listeners.size > 0 || subscription === undefined) return Effect.void
    this.#subscription = undefined
    return Fiber.interrupt(subscription.fiber)
  }

  #hear(isOn: Deferred.Deferred<void>): Effect.Effect<never, Redis.RedisError> {
    return Effect.scoped(
      Effect.flatMap(this.#redis.subscribe(this.#channel), (messages) =>
        Effect.andThen(
          Deferred.succeed(isOn, undefined),
          Effect.forever(Effect.map(Queue.take(messages), ({ message }) => this.#tell(message)))
        )
      )
    )
  }

  /** A message is what the keys of the group begin with, then the member. */
  #tell(message: string): void {
    const end = message.indexOf(BASE_END) + BASE_END.length
    for (const onWake of this.#listeners.get(message.slice(0, end)) ?? []) onWake(message.slice(end))
  }
}

const BASE_END = "}:"

// Not all processes at once, when a server is back.
const subscribeAgain = Schedule.jittered(Schedule.spaced("1 second"))
