import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import { othersTurn } from "./latch.ts"

/** Calls that are over without that any more time passes. */
export const expectOver = Effect.fnUntraced(function* (calls: ReadonlyArray<Fiber.Fiber<unknown, unknown>>) {
  for (let turn = 0; turn < TURNS_MAX && calls.some(isWaiting); turn++) yield* othersTurn
  const waiting = calls.flatMap((call, index) => (isWaiting(call) ? [index] : []))
  expect({ waiting }).toEqual({ waiting: [] })
})

const isWaiting = (call: Fiber.Fiber<unknown, unknown>) => call.pollUnsafe() === undefined

const TURNS_MAX = 100
