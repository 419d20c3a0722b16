import type * as Library from "@pydantic/genai-prices"
import type * as Pricing from "../../Pricing.ts"

type Call = Pick<Pricing.Priced, "units" | "usage">
type Units = Pricing.Priced["units"]

/** Cache writes that are kept for an hour: a part of the cache writes. */
export const WRITTEN_1H = "cache_write_1h_tokens"

/** Whether a call has parts with prices of their own besides those that text has. */
export const hasSpecialParts = (units: Units): boolean => {
  for (const name in units) if (name !== WRITTEN_1H && units[name] !== 0) return true
  return false
}

/** A call as the library reads it; several where the provider leaves open what was cached, to be priced as the dearest. */
export const usagesOf = ({ units, usage }: Call): ReadonlyArray<Library.Usage> => {
  let readings: ReadonlyArray<Library.Usage> = [
    {
      ...units,
      input_tokens: usage.inputTokens,
      cache_read_tokens: usage.cacheReadTokens,
      cache_write_tokens: usage.cacheWriteTokens,
      output_tokens: usage.outputTokens,
      output_reasoning_tokens: usage.reasoningTokens
    }
  ]
  for (const modality of MODALITIES) readings = readings.flatMap((reading) => withCached(modality, reading))
  return readings
}

const MODALITIES = ["audio", "image"]

/**
 * OpenAI says how much of the input was cached and how much was audio, and not how much was both, without which the
 * library refuses the usage. The cost is linear in it, so the dearest is at the least or at the most that it can be.
 */
const withCached = (modality: string, reading: Library.Usage): ReadonlyArray<Library.Usage> => {
  const part = reading[`input_${modality}_tokens`] ?? 0
  const read = reading["cache_read_tokens"] ?? 0
  const name = `cache_${modality}_read_tokens`
  if (part === 0 || read === 0 || reading[name] !== undefined) return [reading]
  const both = read + part + (reading["cache_write_tokens"] ?? 0)
  const least = Math.max(0, both - (reading["input_tokens"] ?? 0))
  return [
    { ...reading, [name]: least },
    { ...reading, [name]: Math.min(read, part) }
  ]
}
