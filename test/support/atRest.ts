import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as Budget from "../../src/Budget.ts"
import { othersTurn } from "./latch.ts"

/** Nothing is open, reserved or waiting in any of these budgets. */
export const expectAtRest = Effect.fnUntraced(function* (...budgets: ReadonlyArray<Budget.Budget>) {
  for (const budget of budgets) {
    const { limits, name, open, waiting } = yield* budget.snapshot
    const reserved = limits.map((limit) => limit.reserved)
    expect({ name, open, waiting, reserved }).toEqual({ name, open: 0, waiting: 0, reserved: limits.map(() => 0) })
  }
})

/** Calls that are over without that any more time passes. */
export const expectOver = Effect.fnUntraced(function* (calls: ReadonlyArray<Fiber.Fiber<unknown, unknown>>) {
  for (let turn = 0; turn < TURNS_MAX && calls.some(isWaiting); turn++) yield* othersTurn
  const waiting = calls.flatMap((call, index) => (isWaiting(call) ? [index] : []))
  expect({ waiting }).toEqual({ waiting: [] })
})

const isWaiting = (call: Fiber.Fiber<unknown, unknown>) => call.pollUnsafe() === undefined

const TURNS_MAX = 100
