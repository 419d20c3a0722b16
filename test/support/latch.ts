/**
 * Waiting for promises and sockets, without sleeping.
 */
import * as Effect from "effect/Effect"

/** A promise and what resolves it. */
export const makeLatch = () => {
  let resolve = (): void => {}
  const promise = new Promise<void>((done) => (resolve = done))
  return { promise, resolve }
}

/** Lets promises and sockets go on until something is the case. */
export const until = Effect.fnUntraced(function* (holds: () => boolean) {
  for (let turns = 0; !holds(); turns++) {
    if (turns === 100_000) throw new Error(`never: ${holds.toString()}`)
    yield* othersTurn
  }
})

/** Lets all fibers and promises go on that are ready now. */
export const othersTurn = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

/** What a promise ends with, well or badly. */
export const settle = <A>(promise: PromiseLike<A>): Effect.Effect<unknown> => {
  const settled = Promise.resolve(promise).catch((error: unknown) => error)
  return Effect.promise(() => settled)
}

/** Lets everybody go on until nobody has anything left to do at this instant. */
export const everyoneRests = Effect.repeat(othersTurn, { times: 20 })
