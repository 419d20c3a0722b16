/**
 * Windows of a provider's limits, made from the texts of headers. One that makes no sense is none.
 */
import type * as Feedback from "../../Feedback.ts"
import type * as Meter from "../../Meter.ts"
import { parseReset } from "./waits.ts"

type Text = string | null | undefined

/** A response's headers, by names in lower case. */
export type Header = (name: string) => Text

/**
 * Makes a window.
 *
 * Azure sends limits and remainders of -1, and remainders of 0 that are full again in no time: they mean that it does
 * not say. An empty window of which nobody says when it fills is as useless.
 */
export const makeWindow = (
  meter: Meter.Name,
  limitText: Text,
  remainingText: Text,
  resetText: Text,
  now: number
): Feedback.Window | undefined => {
  const limit = parseAmount(limitText)
  const remaining = parseAmount(remainingText)
  if (limit === undefined || limit === 0 || remaining === undefined || remaining > limit) return undefined
  const resetMillis = typeof resetText === "string" ? parseReset(resetText, now) : undefined
  if (remaining === 0 && (resetMillis ?? 0) === 0) return undefined
  return { meter, limit, remaining, resetMillis }
}

const parseAmount = (text: Text): number | undefined => {
  if (typeof text !== "string" || !/^\d+$/.test(text.trim())) return undefined
  const amount = Number(text)
  return Number.isSafeInteger(amount) ? amount : undefined
}
