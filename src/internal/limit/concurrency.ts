import type * as Limit from "../../Limit.ts"
import { AFTER_SETTLEMENT, type LimitState, NEVER } from "./state.ts"

/** Counts open reservations, whatever they use. */
export class ConcurrencyState implements LimitState {
  limit: Limit.Concurrency
  reserved = 0

  constructor(limit: Limit.Concurrency) {
    this.limit = limit
  }

  readyAt(amount: number, now: number, beside = 0): number {
    if (amount > this.limit.max) return NEVER
    return this.reserved + beside + amount <= this.limit.max ? now : AFTER_SETTLEMENT
  }

  take(amount: number): void {
    this.reserved += amount
  }

  settle(estimate: number): number {
    this.reserved -= estimate
    return 0
  }

  charge(): void {}

  used(): number {
    return this.reserved
  }

  isUnused(): boolean {
    return this.reserved === 0
  }

  update(limit: Limit.Concurrency): void {
    this.limit = limit
  }

  clone(): ConcurrencyState {
    const copy = new ConcurrencyState(this.limit)
    copy.reserved = this.reserved
    return copy
  }
}
