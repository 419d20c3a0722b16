/**
 * What a plan is to reach, as people write it:
 *
 *     target = quantile "wait" "<" duration        p95 wait < 2 seconds
 *            | share "<" percentage                waited or refused < 5 %
 *     share  = "waited" | "refused" | "waited or refused" | "throttled"
 *
 * Throttled are the calls that the provider answers with 429. "<=" is the same as "<".
 */
import type { Outcome } from "../Simulation.ts"
import { millisOf } from "./durationText.ts"
import { shareOf } from "./percentText.ts"
import { span } from "./table.ts"

export interface Target {
  readonly text: string
  readonly needsProvider: boolean
  readonly isMet: (outcome: Outcome) => boolean
  /** What came of it, in the words of the target. */
  readonly seen: (outcome: Outcome) => string
}

const quantiles = ["p50", "p90", "p95", "p99", "p999", "max"] as const

const shares: Readonly<Record<string, (outcome: Outcome) => number>> = {
  waited: ({ calls }) => calls.waited / calls.asked,
  refused: ({ calls }) => calls.refused / calls.asked,
  "waited or refused": ({ calls }) => (calls.waited + calls.refused) / calls.asked,
  throttled: ({ provider }) =>
    provider === undefined || provider.withBudget.calls === 0
      ? 0
      : provider.withBudget.throttled / provider.withBudget.calls
}

/** Absent when the text is no target. */
export const parseTarget = (text: string): Target | undefined => {
  const [, what, bound] = /^\s*([a-z][\w. ]*?)\s*<=?\s*(.+?)\s*$/i.exec(text) ?? []
  if (what === undefined || bound === undefined) return undefined
  const name = what.toLowerCase().replaceAll(/\s+/g, " ")
  return waitTarget(text, name, bound) ?? shareTarget(text, name, bound)
}

const waitTarget = (text: string, name: string, bound: string): Target | undefined => {
  const quantile = quantiles.find((quantile) => `${quantile} wait` === name.replace("p99.9", "p999"))
  const millis = millisOf(bound)
  if (quantile === undefined || millis === undefined) return undefined
  return {
    text,
    needsProvider: false,
    isMet: ({ waitMillis }) => waitMillis[quantile] <= millis,
    seen: ({ waitMillis }) => `${name} ${span(waitMillis[quantile])}`
  }
}

const shareTarget = (text: string, name: string, bound: string): Target | undefined => {
  const share = Object.hasOwn(shares, name) ? shares[name] : undefined
  const most = shareOf(bound)
  if (share === undefined || most === undefined) return undefined
  return {
    text,
    needsProvider: name === "throttled",
    isMet: (outcome) => share(outcome) <= most,
    seen: (outcome) => `${name} ${(share(outcome) * 100).toFixed(1)} %`
  }
}
