import type * as Limit from "../../Limit.ts"
import { AFTER_SETTLEMENT, type LimitState, NEVER } from "./state.ts"

/** What is committed stays; only what is reserved can come back. */
export class CapState implements LimitState {
  limit: Limit.Cap
  reserved = 0
  committed = 0
  /** The part of what is reserved for which waiting is in vain. */
  kept = 0

  constructor(limit: Limit.Cap) {
    this.limit = limit
  }

  readyAt(amount: number, now: number, beside = 0): number {
    if (this.committed + this.kept + amount > this.limit.max) return NEVER
    return this.committed + this.reserved + beside + amount <= this.limit.max ? now : AFTER_SETTLEMENT
  }

  take(amount: number): void {
    this.reserved += amount
  }

  settle(estimate: number, actual: number): number {
    this.reserved -= estimate
    this.committed += actual
    return 0
  }

  charge(amount: number): void {
    this.committed += amount
  }

  /** Reserves an amount that nobody waits for: it comes back only when nothing else is left. */
  keep(amount: number): void {
    this.reserved += amount
    this.kept += amount
  }

  /** Gives back what was kept. */
  giveBack(amount: number): void {
    this.reserved -= amount
    this.kept -= amount
  }

  used(): number {
    return this.committed + this.reserved
  }

  isUnused(): boolean {
    return this.used() === 0
  }

  update(limit: Limit.Cap): void {
    this.limit = limit
  }

  clone(): CapState {
    const copy = new CapState(this.limit)
    copy.reserved = this.reserved
    copy.committed = this.committed
    copy.kept = this.kept
    return copy
  }
}
