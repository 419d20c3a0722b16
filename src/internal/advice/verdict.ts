import type { Advice } from "../../Advice.ts"
import type * as Limit from "../../Limit.ts"
import * as Meter from "../../Meter.ts"
import { CALLS_MIN } from "./share.ts"
import { sizeOf } from "./size.ts"

/** Advice in words. */
export const verdictOf = (advice: Omit<Advice, "verdict">): string =>
  [finding(advice), sureness(advice), ...(advice.share > advice.target ? remedies(advice) : [])].join(" ")

const finding = ({ certainty: { calls }, hindrances, share, target }: Omit<Advice, "verdict">): string => {
  const hindered = `${percent(share)} of ${count(calls, "call")} had to wait or were refused`
  if (share <= target) return `The limits are wide enough: ${hindered}, at most ${percent(target)} is fine.`
  const [first] = hindrances
  const most = first === undefined ? "" : `, most of them because of ${first.limit} of ${first.budget}`
  return `The limits are too tight: ${hindered}${most}. Above ${percent(target)} is too much.`
}

const sureness = ({ certainty, share, target }: Omit<Advice, "verdict">): string => {
  const { calls, high, isEnough, low } = certainty
  if (!isEnough) {
    const why =
      calls < CALLS_MIN
        ? `${count(calls, "call")} are too few (${CALLS_MIN} are needed)`
        : "they come too close together"
    return `This is not sure: ${why}.`
  }
  const bounds = `between ${percent(low)} and ${percent(high)} with a probability of 95 %`
  const isClear = share > target ? low > target : high <= target
  return isClear ? `The share lies ${bounds}.` : `This is not sure: the share lies ${bounds}.`
}

const remedies = (advice: Omit<Advice, "verdict">): ReadonlyArray<string> => {
  const { limits, pace, shareThen, simulated, workers } = advice
  const slower =
    workers === undefined
      ? pace === undefined
        ? []
        : [`With the limits as they are, calls may come at ${percent(pace)} of their pace.`]
      : [`With the limits as they are, there may be ${workers.advised} of ${count(workers.current, "worker")}.`]
  if (limits === undefined) return ["No maxima of the limits would be enough.", ...slower]
  if (limits.length === 0) {
    return [
      "Simulated again, the same calls do well under the same limits: look for pauses, or for what was used before."
    ]
  }
  const larger = limits.map(({ advised, budget, current }) => `${named(advised, budget)} instead of ${size(current)}`)
  return [
    `Enough would be ${larger.join(", and ")}: then it would be ${percent(shareThen ?? 0)} of the ` +
      `${count(simulated, "call")} that were simulated again.`,
    ...slower
  ]
}

const named = (limit: Limit.Limit, budget: string): string => `${size(limit)} for ${limit.name} of ${budget}`

const size = (limit: Limit.Limit): string => Meter.format(limit.meter, sizeOf(limit))

const count = (amount: number, noun: string): string =>
  `${amount.toLocaleString("en-US")} ${noun}${amount === 1 ? "" : "s"}`

const percent = (share: number): string =>
  `${(share * 100).toLocaleString("en-US", { maximumFractionDigits: share < 0.1 ? 1 : 0 })} %`
