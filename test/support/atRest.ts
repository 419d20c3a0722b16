import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Budget from "../../src/Budget.ts"

/** Nothing is open, reserved or waiting in any of these budgets. */
export const expectAtRest = Effect.fnUntraced(function* (...budgets: ReadonlyArray<Budget.Budget>) {
  for (const budget of budgets) {
    const { limits, name, open, waiting } = yield* budget.snapshot
    const reserved = limits.map((limit) => limit.reserved)
    expect({ name, open, waiting, reserved }).toEqual({ name, open: 0, waiting: 0, reserved: limits.map(() => 0) })
  }
})
