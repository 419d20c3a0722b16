import type { LimitSnapshot } from "../../Budget.ts"
import * as Usage from "../../Usage.ts"

/** What has to be charged so that limits get as near to a fraction of their maxima as they can without passing it. */
export const missingTo = (limits: ReadonlyArray<LimitSnapshot>, fraction: number): Usage.Usage => {
  const open = limits
    .filter(({ limit }) => limit._tag !== "Concurrency" && limit._tag !== "PerCall")
    .map(({ limit, used }) => ({ measure: limit.meter.measure, missing: Math.floor(limit.max * fraction) - used }))

  const fits = (usage: Usage.Usage): boolean =>
    Usage.isValid(usage) && open.every(({ measure, missing }) => measure(usage) <= Math.max(0, missing))

  const measures = (measure: (usage: Usage.Usage) => number, field: Field): boolean =>
    measure(amountOf(Usage.zero, field, PROBE)) !== measure(Usage.zero)

  const measured = fields.filter((field) => open.some(({ measure }) => measures(measure, field)))
  const alone = measured.filter((field) =>
    open.some(({ measure }) => measured.every((other) => measures(measure, other) === (other === field)))
  )
  // What others measure together fills up what was left by those that measure one thing alone.
  return [...alone, ...measured.filter((field) => !alone.includes(field))].reduce(
    (usage, field) =>
      amountOf(
        usage,
        field,
        largest((amount) => fits(amountOf(usage, field, amount)))
      ),
    Usage.zero
  )
}

type Field = (typeof fields)[number]

const fields = ["costNanoUsd", "requests", "outputTokens", "inputTokens"] as const

const amountOf = (usage: Usage.Usage, field: Field, amount: number): Usage.Usage => ({ ...usage, [field]: amount })

/** Enough for a meter that rounds to show that it measures a field. */
const PROBE = 1_000_000

/** The largest amount for which something holds that holds for 0, and for none above one for which it does not. */
const largest = (holds: (amount: number) => boolean): number => {
  let below = 0
  let above = Number.MAX_SAFE_INTEGER
  while (above - below > 1) {
    const middle = below + Math.floor((above - below) / 2)
    if (holds(middle)) below = middle
    else above = middle
  }
  return below
}
