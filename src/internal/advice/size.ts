import type * as Limit from "../../Limit.ts"
import type { Setting } from "../simulation/setting.ts"

/** One limit of a setting, which can be made larger or smaller. */
export interface Knob {
  readonly budget: string
  readonly limit: Limit.Limit
}

/** All limits of a setting. */
export const knobsOf = ({ limits, name, tenants = [] }: Setting): ReadonlyArray<Knob> => [
  ...limits.map((limit) => ({ budget: name, limit })),
  ...tenants.flatMap((tenant) => (tenant.limits ?? []).map((limit) => ({ budget: tenant.name, limit })))
]

/** How large a limit is: its maximum, or, of a bucket, what flows in. */
export const sizeOf = (limit: Limit.Limit): number => (limit._tag === "TokenBucket" ? limit.refill : limit.max)

/** The same limit with another size. A bucket keeps its proportions. */
export const resized = (limit: Limit.Limit, size: number): Limit.Limit => {
  if (limit._tag !== "TokenBucket") return { ...limit, max: size }
  const refill = Math.max(1, size)
  const max = Math.min(Number.MAX_SAFE_INTEGER, Math.max(1, Math.round((limit.max * refill) / limit.refill)))
  return { ...limit, refill, max }
}

/** A size so many times as large, and larger in any case where the factor is above one. */
export const scaled = (size: number, factor: number): number =>
  Math.min(Number.MAX_SAFE_INTEGER, factor <= 1 ? Math.floor(size * factor) : Math.ceil(Math.max(1, size) * factor))

/** Sizes other than those of the setting. */
export type Sizes = ReadonlyMap<Knob, number>

/** The setting with other sizes. */
export const withSizes = (setting: Setting, knobs: ReadonlyArray<Knob>, sizes: Sizes): Setting => {
  const limitsOf = (budget: string): ReadonlyArray<Limit.Limit> =>
    knobs
      .filter((knob) => knob.budget === budget)
      .map((knob) => resized(knob.limit, sizes.get(knob) ?? sizeOf(knob.limit)))
  return {
    ...setting,
    limits: limitsOf(setting.name),
    tenants: setting.tenants?.map(({ name, weight }) => ({ name, weight, limits: limitsOf(name) }))
  }
}
