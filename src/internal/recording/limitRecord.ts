import * as Cron from "effect/Cron"
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import type * as Limit from "../../Limit.ts"
import * as Meter from "../../Meter.ts"
import type { LimitRecord, ResetsRecord } from "../../Recording.ts"

/** What a recording says of a rule, without what was counted. */
export type RuleRecord = Omit<LimitRecord, "used" | "waited" | "refused">

export const recordOf = (limit: Limit.Limit): RuleRecord => {
  const rule = { name: limit.name, kind: limit._tag, meter: limit.meter.name, max: limit.max }
  switch (limit._tag) {
    case "SlidingWindow":
      return { ...rule, windowMillis: limit.windowMillis, chargeAt: limit.chargeAt }
    case "FixedWindow":
      return { ...rule, chargeAt: limit.chargeAt, resets: resetsOf(limit.resets) }
    case "TokenBucket":
      return { ...rule, windowMillis: limit.refillMillis, refill: limit.refill }
    default:
      return rule
  }
}

const resetsOf = (cron: Cron.Cron): ResetsRecord => ({
  cron: Cron.format(cron),
  ...Option.match(cron.tz, {
    onNone: () => ({}),
    onSome: (zone) => ({ timeZone: DateTime.zoneToString(zone) })
  }),
  onDstOverlap: cron.onDstOverlap
})

/** The rule that a recording tells of, or, in one sentence, why it cannot be known. */
export const limitOf = (record: RuleRecord): Limit.Limit | string => {
  const meter = meterNamed(record.meter)
  if (meter === undefined) return `${record.name}: the meter "${record.meter}" is a program's own and is not recorded`
  const { max, name } = record
  const chargeAt = record.chargeAt ?? "reserve"
  switch (record.kind) {
    case "Cap":
    case "Concurrency":
    case "PerCall":
      return { _tag: record.kind, name, meter, max }
    case "SlidingWindow": {
      const { windowMillis } = record
      return windowMillis === undefined
        ? `${name}: windowMillis is missing`
        : { _tag: "SlidingWindow", name, meter, max, windowMillis, chargeAt }
    }
    case "TokenBucket": {
      const { refill = max, windowMillis } = record
      return windowMillis === undefined
        ? `${name}: windowMillis is missing`
        : { _tag: "TokenBucket", name, meter, max, refill, refillMillis: windowMillis }
    }
    case "FixedWindow": {
      const resets = record.resets === undefined ? undefined : cronOf(record.resets)
      return resets === undefined
        ? `${name}: when it resets is not recorded`
        : { _tag: "FixedWindow", name, meter, max, resets, chargeAt }
    }
    default:
      return `${name}: the kind "${record.kind}" is not known`
  }
}

const cronOf = ({ cron, onDstOverlap, timeZone }: ResetsRecord): Cron.Cron | undefined => {
  const parsed = Cron.parse(cron, timeZone, { onDstOverlap })
  return parsed._tag === "Success" ? parsed.success : undefined
}

const meterNamed = (name: string): Meter.Meter | undefined => meters.find((meter) => meter.name === name)

const meters: ReadonlyArray<Meter.Meter> = [
  Meter.requests,
  Meter.tokens,
  Meter.inputTokens,
  Meter.uncachedInputTokens,
  Meter.outputTokens,
  Meter.usd,
  Meter.reservations
]
