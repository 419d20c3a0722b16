/**
 * Reports of usage, made from the counts that a provider sends.
 */
import type * as Dialect from "../../Dialect.ts"
import * as Usage from "../../Usage.ts"
import { isPresent, string } from "./json.ts"

/** A part of the usage that has a price of its own. */
export interface Unit {
  /** Its name in `@pydantic/genai-prices`. */
  readonly name: string
  readonly count: number | undefined
  /** The count that it is a part of. */
  readonly total: number | undefined
}

/**
 * Reads a count. Absent where none is said; NaN where something is said that is no number, so that the usage is found
 * invalid and the estimate charged, where zero would lose what was spent.
 */
export const count = (value: unknown): number | undefined => {
  if (!isPresent(value)) return undefined
  return typeof value === "number" ? value : Number.NaN
}

/** Makes a report. A unit that makes no sense spoils the whole of it, because its price would. */
export const makeReport = (usage: Usage.Input, model: unknown, units: ReadonlyArray<Unit>): Dialect.Report => {
  const counted = units.filter((unit) => unit.count !== undefined && unit.count !== 0)
  return {
    usage: Usage.make(counted.every(isPart) ? usage : { ...usage, inputTokens: Number.NaN }),
    model: string(model),
    units: Object.fromEntries(counted.map((unit) => [unit.name, unit.count ?? 0]))
  }
}

const isPart = ({ count = 0, total = Number.MAX_SAFE_INTEGER }: Unit): boolean =>
  Usage.isAmount(count) && count <= total
