import type * as Library from "@pydantic/genai-prices"
import type * as Pricing from "../../Pricing.ts"
import * as Usage from "../../Usage.ts"
import { hasSpecialParts, usagesOf, WRITTEN_1H } from "./parts.ts"
import { ceilNano, costNanoUsd, picoUsd } from "./rates.ts"
import { makeTariff, ratesFor, type Tariff } from "./tariff.ts"

type Call = Pick<Pricing.Priced, "units" | "usage">

/**
 * One model of one provider in the bundled tables.
 *
 * The library finds the model and says which prices hold when. Text is then priced here, exactly and many times faster;
 * calls with parts that are priced otherwise (audio, images, searches) are priced by the library.
 */
export class Listing {
  readonly #library: typeof Library
  readonly #model: Library.ModelInfo
  // This model alone, which then matches whatever it is called.
  readonly #provider: Library.Provider
  #tariff: Tariff
  #tariffSecond = Number.NaN

  constructor(library: typeof Library, { model, model_price, provider }: Library.PriceCalculation) {
    this.#library = library
    this.#model = model
    this.#provider = { ...provider, models: [{ ...model, match: { starts_with: "" } }] }
    this.#tariff = makeTariff(model_price)
  }

  /** What a call costs in nano-dollars; NaN when its usage makes no sense, absent when no price covers it. */
  price(call: Call, now: number): number | undefined {
    if (!Usage.isValid(call.usage)) return Number.NaN
    const rates = ratesFor(this.#tariffAt(now), call.usage.inputTokens)
    if (hasSpecialParts(call.units)) {
      const cost = this.#priceParts(call, rates?.request ?? 0, now)
      return rates === undefined && cost === 0 ? undefined : cost
    }
    if (rates !== undefined) return costNanoUsd(rates, call.usage, call.units[WRITTEN_1H] ?? 0)
    return this.#isFree ? 0 : undefined
  }

  // The tables list no prices for what is free, but neither for what they do not know.
  get #isFree(): boolean {
    return this.#model.id.endsWith(":free")
  }

  // Prices that depend on the date or on the time of the day change at whole seconds.
  #tariffAt(now: number): Tariff {
    if (!Array.isArray(this.#model.prices)) return this.#tariff
    const second = Math.floor(now / 1_000)
    if (second !== this.#tariffSecond) {
      this.#tariff = makeTariff(this.#calculate({}, now)?.model_price ?? {})
      this.#tariffSecond = second
    }
    return this.#tariff
  }

  // The library prices one request, whatever the usage says.
  #priceParts(call: Call, picoPerRequest: number, now: number): number {
    try {
      const totals = usagesOf(call).map((usage) => this.#calculate(usage, now)?.total_price ?? Number.NaN)
      return ceilNano(picoUsd(Math.max(...totals)) + (call.usage.requests - 1) * picoPerRequest)
    } catch {
      // It throws at parts that exceed what they are parts of.
      return Number.NaN
    }
  }

  #calculate(usage: Library.Usage, now: number): Library.PriceCalculationResult {
    return this.#library.calcPrice(usage, this.#model.id, { provider: this.#provider, timestamp: new Date(now) })
  }
}
