import * as Meter from "../../Meter.ts"
import type { LimitState } from "./state.ts"

/** A rule that admits nothing before an instant. It is no limit that users write: a budget gets one when it pauses. */
export interface Pause {
  readonly _tag: "Pause"
  readonly name: "pause"
  readonly meter: Meter.Meter
  readonly max: number
}

/** Everything is ready when the pause is over. */
export class PauseState implements LimitState {
  readonly limit: Pause = pause
  readonly reserved = 0
  until = Number.NEGATIVE_INFINITY

  readyAt(_amount: number, now: number): number {
    return Math.max(now, this.until)
  }

  take(): void {}

  settle(): number {
    return 0
  }

  charge(): void {}

  used(): number {
    return 0
  }

  isUnused(now: number): boolean {
    return this.until <= now
  }

  update(): void {}

  clone(): PauseState {
    const copy = new PauseState()
    copy.until = this.until
    return copy
  }
}

const pause: Pause = {
  _tag: "Pause",
  name: "pause",
  meter: Meter.reservations,
  max: Number.MAX_SAFE_INTEGER
}
