/** Tenants with budgets of their own that wait for one provider key: as many calls, from few tenants or from many. */
import { Effect } from "effect"
import { Budget, Limit } from "effect-budget"
import { actual, estimate, plenty } from "../amounts.ts"
import { floor } from "../floor.ts"
import type { Scenario } from "../harness.ts"
import { crowding } from "../loops.ts"
import { SPEND } from "./ours.ts"

const GATE = 10

export const tenants = (few: number, many: number): Scenario => ({
  name: `${many.toLocaleString("en")} tenants inside one key`,
  work: `${many.toLocaleString("en")} calls at a concurrency of ${GATE} of the key, from ${few} tenants or one from each`,
  contenders: Effect.gen(function* () {
    return [floor(), yield* crowd(few, many), yield* crowd(many, many)]
  }),
  targets: [{ library: library(many), max: 3, of: { ratioTo: library(few) } }]
})

const library = (count: number): string => `${SPEND}, ${count.toLocaleString("en")} tenants`

const crowd = Effect.fnUntraced(function* (count: number, calls: number) {
  const key = yield* Budget.make({ name: "key", limits: [Limit.concurrency(GATE)] })
  const limits = [Limit.cap("tokens", plenty)]
  const spends = yield* Effect.forEach(Array.from({ length: count }), (_, index) =>
    Effect.map(Budget.make({ name: `tenant ${index}`, limits, within: [key] }), (tenant) =>
      tenant.spend({ estimate, actual: () => actual })(Effect.yieldNow)
    )
  )
  return crowding(
    library(count),
    Array.from({ length: calls }, (_, index) => spends[index % count]!)
  )
})
