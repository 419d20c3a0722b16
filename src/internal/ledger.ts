import type * as Limit from "../Limit.ts"
import * as Usage from "../Usage.ts"
import { PauseState } from "./limit/pause.ts"
import type { LimitState } from "./limit/state.ts"

/** A usage that grows in place. */
type Tally = { -readonly [Field in keyof Usage.Usage]: number }

/** The counters of one budget: the state of each of its limits, what was spent and how much is open. */
export class Ledger {
  states: ReadonlyArray<LimitState>
  /** Present from the first pause on. */
  pause: PauseState | undefined
  /** Reservations that are not settled yet. */
  open = 0
  /** The sum of everything that was settled or charged. */
  readonly spent: Tally = { ...Usage.zero }
  readonly #start: (limit: Limit.Limit) => LimitState

  /** `start` makes the state of a limit that nobody has used yet. */
  constructor(limits: ReadonlyArray<Limit.Limit>, start: (limit: Limit.Limit) => LimitState) {
    this.#start = start
    this.states = named(limits).map(start)
  }

  settle(actual: Usage.Usage): void {
    this.open--
    this.charge(actual)
  }

  charge(usage: Usage.Usage): void {
    const { spent } = this
    spent.requests += usage.requests
    spent.inputTokens += usage.inputTokens
    spent.cacheReadTokens += usage.cacheReadTokens
    spent.cacheWriteTokens += usage.cacheWriteTokens
    spent.outputTokens += usage.outputTokens
    spent.reasoningTokens += usage.reasoningTokens
    spent.costNanoUsd += usage.costNanoUsd
  }

  /** Admits nothing before an instant. An instant that is over ends the pause, an earlier one does not shorten it. */
  pauseUntil(until: number, isGradual: boolean, now: number): void {
    this.pause ??= new PauseState()
    this.pause.pause(until, isGradual, now)
  }

  /** Puts other limits in place. One with a known name keeps its counters, a new one starts unused. */
  update(limits: ReadonlyArray<Limit.Limit>, now: number): void {
    const known = new Map(this.states.map((state) => [state.limit.name, state]))
    this.states = named(limits).map((limit) => {
      const state = known.get(limit.name)
      if (state === undefined || !isSameRule(state.limit, limit)) return this.#start(limit)
      state.update(limit, now)
      return state
    })
  }

  /** Whether forgetting this ledger would lose nothing. */
  isUnused(now: number): boolean {
    const isPaused = this.pause !== undefined && !this.pause.isUnused(now)
    return this.open === 0 && !isPaused && this.states.every((state) => state.isUnused(now))
  }
}

const named = (limits: ReadonlyArray<Limit.Limit>): ReadonlyArray<Limit.Limit> => {
  const names = new Set<string>()
  for (const { name } of limits) {
    if (names.has(name)) throw new RangeError(`Budget: two limits are named "${name}"; give one of them another name`)
    names.add(name)
  }
  return limits
}

/** Whether the counters of one rule make sense for the other. Its maximum and its period may differ. */
export const isSameRule = (a: LimitState["limit"], b: Limit.Limit): boolean =>
  a._tag === b._tag && a.meter.name === b.meter.name && chargeAt(a) === chargeAt(b)

const chargeAt = (limit: LimitState["limit"]): Limit.ChargeAt | undefined =>
  "chargeAt" in limit ? limit.chargeAt : undefined
