/**
 * What a limit of a budget means, as naively as possible: everything that was ever taken is kept, and each question is
 * answered from scratch. Nothing here is shared with, or taken from, the library.
 */
import type * as Limit from "../../../src/Limit.ts"

export interface Taken {
  readonly amount: number
  readonly at: number
  /** The fixed window in which it was taken. */
  readonly window: number
  settled: { readonly actual: number; readonly at: number; readonly window: number } | undefined
}

interface Charged {
  readonly amount: number
  readonly at: number
  readonly window: number
}

/** Time as it goes on, and as the calendar shows it. */
export interface Instant {
  readonly now: number
  readonly wall: number
}

/** Only a settlement can make room. */
export const SETTLEMENT = "settlement"
/** Nothing can make room. */
export const NEVER = "never"

export type Ready = number | typeof SETTLEMENT | typeof NEVER

/** Milliseconds of a fixed window, which all begin at a multiple of that. */
export const PERIOD_MILLIS = 1_000

export class NaiveLimit {
  readonly budget: number
  readonly createdAt: number
  readonly taken: Array<Taken> = []
  readonly charged: Array<Charged> = []
  rule: Limit.Limit
  /** Rules in force, with the instant from which on. */
  readonly #rules: Array<{ readonly rule: Limit.Limit; readonly at: number }> = []
  #windowReached = Number.NEGATIVE_INFINITY

  constructor(budget: number, rule: Limit.Limit, now: number) {
    this.budget = budget
    this.rule = rule
    this.createdAt = now
    this.#rules.push({ rule, at: now })
  }

  get max(): number {
    return this.rule.max
  }

  /** Whether it is known only between which bounds a bucket is filled. */
  get isVague(): boolean {
    return (
      this.rule._tag === "TokenBucket" &&
      this.taken.some(({ amount, settled }) => settled !== undefined && settled.actual < amount)
    )
  }

  change(rule: Limit.Limit, now: number): void {
    this.rule = rule
    this.#rules.push({ rule, at: now })
  }

  /** Sees what time it is, which matters to windows of the calendar: one that was left is never entered again. */
  see({ wall }: Instant): number {
    this.#windowReached = Math.max(this.#windowReached, Math.floor(wall / PERIOD_MILLIS))
    return this.#windowReached
  }

  take(amount: number, at: Instant): Taken {
    const taken: Taken = { amount, at: at.now, window: this.see(at), settled: undefined }
    this.taken.push(taken)
    return taken
  }

  settle(taken: Taken, actual: number, at: Instant): void {
    taken.settled = { actual, at: at.now, window: this.see(at) }
  }

  charge(amount: number, at: Instant): void {
    this.charged.push({ amount, at: at.now, window: this.see(at) })
  }

  get reserved(): number {
    if (this.rule._tag === "PerCall") return 0
    return sum(this.taken.filter(({ settled }) => settled === undefined).map(({ amount }) => amount))
  }

  get committed(): number {
    return sum([...this.charged.map(({ amount }) => amount), ...this.taken.map(({ settled }) => settled?.actual ?? 0)])
  }

  /** The least that counts, if a bucket's refunds are worth all that they can be. Exact for everything else. */
  usedAtLeast(at: Instant): number {
    const { rule } = this
    switch (rule._tag) {
      case "Cap":
        return this.committed + this.reserved
      case "Concurrency":
        return this.reserved
      case "PerCall":
        return 0
      case "SlidingWindow":
        return (
          this.#heldIn(rule) +
          sum(
            this.#counted(rule).flatMap((counted) => (counted.at > at.now - rule.windowMillis ? [counted.amount] : []))
          )
        )
      case "FixedWindow": {
        const window = this.see(at)
        return (
          this.#heldIn(rule) +
          sum(this.#counted(rule).flatMap((counted) => (counted.window === window ? [counted.amount] : [])))
        )
      }
      case "TokenBucket":
        return this.max - Math.floor(this.#levelTimesMillis(at.now, "all") / rule.refillMillis)
    }
  }

  /** The most that counts, if a bucket's refunds are worth nothing. */
  usedAtMost(at: Instant): number {
    const { rule } = this
    return rule._tag === "TokenBucket"
      ? this.max - Math.floor(this.#levelTimesMillis(at.now, "none") / rule.refillMillis)
      : this.usedAtLeast(at)
  }

  /** When an amount fits, if nobody else asks and nothing settles. A bucket's refunds count for nothing. */
  readyAt(amount: number, at: Instant): Ready {
    const { max, rule } = this
    if (amount === 0) return at.now
    if (amount > max) return NEVER
    if (this.usedAtMost(at) + amount <= max) return at.now
    switch (rule._tag) {
      case "Cap":
        return this.committed + amount <= max ? SETTLEMENT : NEVER
      case "Concurrency":
        return SETTLEMENT
      case "PerCall":
        return NEVER
      case "SlidingWindow": {
        const ends = this.#counted(rule).map((counted) => counted.at + rule.windowMillis)
        const later = ends.filter((end) => end > at.now).sort((a, b) => a - b)
        const setBack = at.now - at.wall
        return later.find((now) => this.usedAtLeast({ now, wall: now - setBack }) + amount <= max) ?? SETTLEMENT
      }
      case "FixedWindow": {
        if (this.#heldIn(rule) + amount > max) return SETTLEMENT
        return (this.see(at) + 1) * PERIOD_MILLIS + (at.now - at.wall)
      }
      case "TokenBucket": {
        const missing = amount * rule.refillMillis - this.#levelTimesMillis(at.now, "none")
        return at.now + Math.ceil(missing / rule.refill)
      }
    }
  }

  #heldIn(rule: Limit.SlidingWindow | Limit.FixedWindow): number {
    return rule.chargeAt === "settle" ? this.reserved : 0
  }

  /** What counts and from when. What is only held until its settlement is not here. */
  #counted({ chargeAt }: Limit.SlidingWindow | Limit.FixedWindow): ReadonlyArray<Charged> {
    const counted = this.taken.flatMap((taken): ReadonlyArray<Charged> => {
      const { amount, at, settled, window } = taken
      if (chargeAt === "settle") {
        return settled === undefined ? [] : [{ amount: settled.actual, at: settled.at, window: settled.window }]
      }
      if (settled === undefined || settled.actual <= amount) {
        return [{ amount: settled?.actual ?? amount, at, window }]
      }
      return [taken, { amount: settled.actual - amount, at: settled.at, window: settled.window }]
    })
    return [...this.charged, ...counted].filter(({ amount }) => amount > 0)
  }

  /** Replays the bucket since its beginning, with refunds as if what they give back had never been taken, or without. */
  #levelTimesMillis(now: number, refunds: "all" | "none"): number {
    const drains = [
      ...this.charged,
      ...this.taken.flatMap(({ amount, at, settled }) => [
        { amount: refunds === "all" ? Math.min(amount, settled?.actual ?? amount) : amount, at },
        ...(settled === undefined ? [] : [{ amount: Math.max(0, settled.actual - amount), at: settled.at }])
      ])
    ]
    const changes = this.#rules.flatMap(({ at, rule }) => (rule._tag === "TokenBucket" ? [{ at, rule }] : []))
    const instants = new Set([...drains, ...changes, { at: now }].map(({ at }) => at))
    let level = 0
    let rule: Limit.TokenBucket | undefined
    let before = this.createdAt
    for (const at of [...instants].filter((instant) => instant <= now).sort((a, b) => a - b)) {
      if (rule !== undefined) level = Math.min(rule.max * rule.refillMillis, level + (at - before) * rule.refill)
      for (const change of changes) {
        if (change.at !== at) continue
        // What was used stays used.
        level += (change.rule.max - (rule?.max ?? 0)) * change.rule.refillMillis
        rule = change.rule
      }
      for (const drain of drains) if (drain.at === at) level -= drain.amount * (rule?.refillMillis ?? 0)
      before = at
    }
    return level
  }
}

export const sum = (amounts: ReadonlyArray<number>): number => amounts.reduce((total, amount) => total + amount, 0)
