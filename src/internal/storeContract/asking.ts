import type {
  Assert,
  Charge,
  Look,
  Pause,
  Reserve,
  Route,
  Settle,
  SharedBudget,
  Sight,
  Tighten,
  Withdraw
} from "../../StoreProtocol.ts"
import * as Usage from "../../Usage.ts"

/** What members ask for, in few words. */

type Amounts = ReadonlyArray<number>

export const budget = (key: string, ...limits: SharedBudget["limits"]): SharedBudget => ({
  key,
  limits,
  isShadow: false
})

export const shadow = (key: string, ...limits: SharedBudget["limits"]): SharedBudget => ({
  key,
  limits,
  isShadow: true
})

export const route = (...budgets: Route["budgets"]): Route => ({ budgets })

export const reserve = (
  route: Route,
  amounts: Amounts,
  { aheadMillis = 0, ticket, waits = false }: Partial<Reserve> = {}
): Reserve => ({ _tag: "Reserve", route, amounts, ticket, waits, aheadMillis })

/** Ends one reservation, or several if it says what all of them have not used. */
export const settle = (
  route: Route,
  takenAt: number,
  {
    actuals,
    aheadMillis = 0,
    count = 1,
    estimates,
    refunds,
    usage = nothing
  }: Partial<Settle> & Pick<Settle, "estimates" | "actuals">
): Settle => ({
  _tag: "Settle",
  route,
  takenAt,
  aheadMillis,
  count,
  estimates,
  actuals,
  refunds: refunds ?? estimates.map((estimate, index) => Math.max(0, estimate - actuals[index]!)),
  usage
})

export const charge = (route: Route, amounts: Amounts, usage: Usage.Usage = nothing): Charge => ({
  _tag: "Charge",
  route,
  amounts,
  usage
})

export const assert = (route: Route, amounts: Amounts, count = 1): Assert => ({ _tag: "Assert", route, amounts, count })

export const withdraw = (route: Route, ticket: number): Withdraw => ({ _tag: "Withdraw", route, ticket })

export const pause = (budget: SharedBudget, millis: number, isGradual = false): Pause => ({
  _tag: "Pause",
  budget,
  millis,
  isGradual
})

export const tighten = (budget: SharedBudget, indices: ReadonlyArray<number>, remaining: number): Tighten => ({
  _tag: "Tighten",
  budget,
  indices,
  remaining
})

export const look = (budget: SharedBudget): Look => ({ _tag: "Look", budget })

/** What a budget has counted of its limits. */
export const countersOf = (sight: Sight | undefined): Pick<Sight, "used" | "reserved" | "open"> | undefined =>
  sight === undefined ? undefined : { used: sight.used, reserved: sight.reserved, open: sight.open }

const nothing = Usage.zero
