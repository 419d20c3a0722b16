import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** A clock whose time of day can be set, as an administrator does, while sleeps go on as they were. */
export const makeWallClock = Effect.map(Clock.Clock, (base) => {
  let aheadMillis = 0
  const millis = () => base.currentTimeMillisUnsafe() + aheadMillis
  const nanos = () => base.currentTimeNanosUnsafe() + BigInt(aheadMillis) * 1_000_000n
  const clock: Clock.Clock = {
    currentTimeMillisUnsafe: millis,
    currentTimeMillis: Effect.sync(millis),
    currentTimeNanosUnsafe: nanos,
    currentTimeNanos: Effect.sync(nanos),
    monotonicTimeNanosUnsafe: () => base.monotonicTimeNanosUnsafe(),
    monotonicTimeNanos: base.monotonicTimeNanos,
    sleep: (duration) => base.sleep(duration)
  }
  return {
    clock,
    setBy: (millis: number) =>
      Effect.sync(() => {
        aheadMillis += millis
      })
  }
})
