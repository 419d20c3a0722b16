import type * as Limit from "../../Limit.ts"
import { type LimitState, NEVER } from "./state.ts"

/** Looks at each amount by itself: nothing is held, so that nobody ever waits. */
export class PerCallState implements LimitState {
  limit: Limit.PerCall
  readonly reserved = 0

  constructor(limit: Limit.PerCall) {
    this.limit = limit
  }

  readyAt(amount: number, now: number): number {
    return amount > this.limit.max ? NEVER : now
  }

  take(): void {}

  settle(): number {
    return 0
  }

  charge(): void {}

  used(): number {
    return 0
  }

  isUnused(): boolean {
    return true
  }

  update(limit: Limit.PerCall): void {
    this.limit = limit
  }

  clone(): PerCallState {
    return new PerCallState(this.limit)
  }
}
