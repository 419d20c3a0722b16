import { type Clock, Effect } from "effect"

/** A clock that stands still unless it is moved. Nobody who sleeps by it wakes. */
export class SettableClock implements Clock.Clock {
  #nowMillis = 1_700_000_000_000

  advance(millis: number): void {
    this.#nowMillis += millis
  }

  currentTimeMillisUnsafe(): number {
    return this.#nowMillis
  }

  currentTimeNanosUnsafe(): bigint {
    return BigInt(this.#nowMillis) * 1_000_000n
  }

  monotonicTimeNanosUnsafe(): bigint {
    return this.currentTimeNanosUnsafe()
  }

  readonly currentTimeMillis = Effect.sync(() => this.currentTimeMillisUnsafe())
  readonly currentTimeNanos = Effect.sync(() => this.currentTimeNanosUnsafe())
  readonly monotonicTimeNanos = Effect.sync(() => this.monotonicTimeNanosUnsafe())

  sleep(): Effect.Effect<void> {
    return Effect.never
  }
}
