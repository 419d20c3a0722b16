import type * as Limit from "../../Limit.ts"
import type * as Usage from "../../Usage.ts"
import { starting } from "../limit/start.ts"
import type { LimitState } from "../limit/state.ts"

/** A call that the provider has accepted. */
export interface Sent {
  readonly amounts: ReadonlyArray<number>
  readonly at: number
}

/** A provider with limits of its own. What they have no room for is refused at once, as with a 429, and not counted. */
export class Provider {
  calls = 0
  throttled = 0
  readonly #states: ReadonlyArray<LimitState>

  constructor(limits: ReadonlyArray<Limit.Limit>) {
    this.#states = limits.map(starting(() => 0))
  }

  /** Accepts a call as what it asks for, or refuses it. */
  send(estimate: Usage.Usage, now: number): Sent | undefined {
    this.calls++
    const amounts = this.#states.map(({ limit }) => limit.meter.measure(estimate))
    const accepts = this.#states.every((state, index) => {
      const amount = amounts[index]!
      return amount === 0 || state.readyAt(amount, now) <= now
    })
    if (!accepts) {
      this.throttled++
      return undefined
    }
    for (const [index, state] of this.#states.entries()) if (amounts[index]! > 0) state.take(amounts[index]!, now)
    return { amounts, at: now }
  }

  /** Counts what an accepted call has used. */
  end({ amounts, at }: Sent, actual: Usage.Usage, now: number): void {
    for (const [index, state] of this.#states.entries()) {
      const excess = state.settle(amounts[index]!, state.limit.meter.measure(actual), at)
      if (excess > 0) state.charge(excess, now)
    }
  }
}
