import * as Clock from "effect/Clock"
import * as Fiber from "effect/Fiber"
import * as BudgetError from "../BudgetError.ts"
import * as Deadline from "../Deadline.ts"

/** The deadline of a fiber, seen from an instant. */
export class Bound {
  readonly #deadline: Deadline.Deadline
  readonly #now: number

  constructor(deadline: Deadline.Deadline, now: number) {
    this.#deadline = deadline
    this.#now = now
  }

  /** Zero or less when it is over. */
  get millisLeft(): number {
    return this.#deadline.endsAt - this.#now
  }

  /** Says that the time is over, or too short, and what was in the way. */
  refusal(budget: string, obstacle: BudgetError.Reason | undefined): BudgetError.BudgetError {
    const deadline = Deadline.exceeded(this.#deadline, this.#now)
    return BudgetError.make(new BudgetError.DeadlineExceeded({ budget, deadline, obstacle }))
  }
}

/** What bounds a fiber, by default the one that is running. */
export const boundOf = (fiber = Fiber.getCurrent()): Bound | undefined => {
  const deadline = fiber?.getRef(Deadline.Current)
  if (fiber === undefined || deadline === undefined) return undefined
  return new Bound(deadline, fiber.getRef(Clock.Clock).currentTimeMillisUnsafe())
}
