/**
 * What calls cost.
 *
 * Without a layer, calls are priced with the tables of `@pydantic/genai-prices` (about 1,700 models of 43 providers),
 * which are loaded when a price is first asked for (800 KB) and shared. {@link layer} adds prices of one's own.
 *
 * A model without a known price is an error, never free: a cost that is taken for zero would never reach a limit.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { type Catalog, loadCatalog, loadedCatalog } from "./internal/pricing/catalog.ts"
import { WRITTEN_1H } from "./internal/pricing/parts.ts"
import { costNanoUsd, makeRates, type Rates } from "./internal/pricing/rates.ts"
import type * as Usage from "./Usage.ts"

/**
 * No price is known for a model.
 *
 * **Details**
 *
 * `provider` is the provider's id in `@pydantic/genai-prices`, where it is known. A model is unknown, too, when the
 * tables have no price for what the call consists of: a call with tokens to a model that is priced by the minute.
 *
 * @category errors
 * @since 0.1.0
 */
export class UnknownModel extends Schema.TaggedError<UnknownModel>()("UnknownModel", {
  model: Schema.String,
  provider: Schema.optional(Schema.String)
}) {
  override get message(): string {
    const where = this.provider === undefined ? "" : ` of ${this.provider}`
    return (
      `Pricing: no price is known for the model "${this.model}"${where}; give it one with ` +
      `Pricing.layer({ models: { "${this.model}": { input, output } } }), in dollars per million tokens, ` +
      `or give one to all unknown models with Pricing.layer({ unknown: { input, output } })`
    )
  }
}

/**
 * What is to be priced.
 *
 * @category models
 * @since 0.1.0
 */
export interface Priced {
  /** The name of the model as the provider or the gateway writes it. */
  readonly model: string
  /** The address of the API, which tells the provider. */
  readonly url: string | undefined
  /** The provider's id in `@pydantic/genai-prices`, where the address does not tell. */
  readonly provider: string | undefined
  readonly usage: Usage.Usage
  /**
   * Parts of the usage that have a price of their own, in the units of `@pydantic/genai-prices`: tokens for
   * `cache_write_1h_tokens` (a part of `cacheWriteTokens`), `input_audio_tokens` (of `inputTokens`) and the like, and
   * counts for `web_searches`. See {@link Dialect.Report}.
   */
  readonly units: Readonly<Record<string, number>>
}

/**
 * Prices calls.
 *
 * **Details**
 *
 * The price is in whole nano-dollars, rounded up once for the call. It is NaN for a usage that makes no sense (more
 * cached tokens than input), which a budget then refuses as it would the usage itself.
 *
 * @category services
 * @since 0.1.0
 */
export interface Pricing {
  price(priced: Priced): Effect.Effect<number, UnknownModel>
}

/**
 * The prices of a model, in dollars per million tokens where nothing else is said.
 *
 * **Details**
 *
 * They are held in pico-dollars per token, six decimals of a dollar per million, and rounded up to that.
 *
 * @category models
 * @since 0.1.0
 */
export interface Prices {
  readonly input: number
  readonly output: number
  /** Input that is read from a cache; as `input` by default. */
  readonly cacheRead?: number | undefined
  /** Input that is written to a cache; as `input` by default. */
  readonly cacheWrite?: number | undefined
  /** Input that is written to a cache and kept for an hour; as `cacheWrite` by default. */
  readonly cacheWrite1h?: number | undefined
  /** Output that is reasoning; as `output` by default. */
  readonly reasoning?: number | undefined
  /** Dollars for each request, besides its tokens; 0 by default. */
  readonly perRequest?: number | undefined
}

/**
 * Prices of one's own.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * Prices by the exact name of the model, wherever it is called. They win over the bundled ones, and price audio,
   * images and the like as the text that they are counted with.
   */
  readonly models?: Readonly<Record<string, Prices>> | undefined
  /** What a model costs that has no price of its own. Without it such a model is an {@link UnknownModel}. */
  readonly unknown?: Prices | undefined
}

/**
 * Makes a pricing from the bundled tables and prices of one's own.
 *
 * **Details**
 *
 * A model is looked up, in this order:
 *
 * 1. in `models`, by its exact name;
 * 2. at the provider that the address belongs to, and only there;
 * 3. at an address that belongs to none (a gateway, a mock, a local server): at the given provider, at the provider
 *    that the name begins with (`openai/gpt-4o`), and by the name alone;
 * 4. in `unknown`.
 *
 * A fine-tuned model (`ft:gpt-4o-mini-2024-07-18:org::id`) has the price that the tables list for fine-tuned ones, or
 * none: never that of its base model. Prices that depend on the length of the input, the date or the time of the day
 * do so here, by Effect's Clock.
 *
 * A price takes about a microsecond once its model is found. The last 1,000 models that were looked up are remembered.
 *
 * Throws a `RangeError` when a price is not a non-negative number.
 *
 * **Example**
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Pricing, Usage } from "effect-budget"
 *
 * const pricing = Pricing.make({ models: { "our-llama": { input: 0.2, output: 0.6 } } })
 *
 * const nanoUsd = pricing.price({
 *   model: "our-llama",
 *   url: "http://localhost:8000/v1/chat/completions",
 *   provider: undefined,
 *   usage: Usage.make({ inputTokens: 1_000, outputTokens: 100 }),
 *   units: {}
 * })
 *
 * await Effect.runPromise(nanoUsd) // => 260_000
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options = {}): Pricing => {
  const models = new Map(
    Object.entries(options.models ?? {}).map(([model, prices]) => [model, ratesOf(`models["${model}"]`, prices)])
  )
  const unknown = options.unknown === undefined ? undefined : ratesOf("unknown", options.unknown)

  const priceIn = (catalog: Catalog, priced: Priced) =>
    Effect.withFiber<number, UnknownModel>((fiber) => {
      const { listing, provider } = catalog.find(priced)
      const now = fiber.getRef(Clock.Clock).currentTimeMillisUnsafe()
      const cost = listing?.price(priced, now) ?? (unknown === undefined ? undefined : costAt(unknown, priced))
      return cost === undefined
        ? Effect.fail(new UnknownModel({ model: priced.model, provider }))
        : Effect.succeed(cost)
    })

  return {
    price(priced) {
      const own = models.get(priced.model)
      if (own !== undefined) return Effect.succeed(costAt(own, priced))
      const catalog = loadedCatalog()
      if (catalog !== undefined) return priceIn(catalog, priced)
      return Effect.flatMap(Effect.promise(loadCatalog), (catalog) => priceIn(catalog, priced))
    }
  }
}

const costAt = (rates: Rates, { units, usage }: Priced): number =>
  costNanoUsd(rates, usage, units[WRITTEN_1H] ?? 0) ?? Number.NaN

const ratesOf = (where: string, prices: Prices): Rates => {
  checkPrice(`${where}.input`, prices.input)
  checkPrice(`${where}.output`, prices.output)
  for (const name of optionalPrices) checkPrice(`${where}.${name}`, prices[name] ?? 0)
  return makeRates(prices)
}

const optionalPrices = [
  "cacheRead",
  "cacheWrite",
  "cacheWrite1h",
  "reasoning",
  "perRequest"
] as const satisfies ReadonlyArray<keyof Prices>

const checkPrice = (field: string, usd: number): void => {
  if (Number.isFinite(usd) && usd >= 0 && usd <= PRICE_USD_MAX) return
  throw new RangeError(
    `Pricing.make: ${field} must be a price in dollars between 0 and ${PRICE_USD_MAX}, got ${String(usd)}`
  )
}

// More would be no safe integer of pico-dollars, and is a mistake in the unit.
const PRICE_USD_MAX = 9_000

/**
 * The pricing that adapters use. By default it knows the bundled tables and nothing else.
 *
 * @category services
 * @since 0.1.0
 */
export const Pricing: Context.Reference<Pricing> = Context.Reference("effect-budget/Pricing", {
  defaultValue: () => make()
})

/**
 * Prices calls with {@link make}.
 *
 * **Example** (a fine-tuned model and a price to assume for all that are unknown)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Pricing, Usage } from "effect-budget"
 *
 * const pricing = Pricing.layer({
 *   models: { "ft:gpt-4.1-2025-04-14:acme::7p4lURel": { input: 3, output: 12, cacheRead: 0.75 } },
 *   unknown: { input: 15, output: 75 }
 * })
 * const program = Pricing.price({
 *   model: "ft:gpt-4.1-2025-04-14:acme::7p4lURel",
 *   usage: Usage.make({ inputTokens: 1_000, outputTokens: 100 })
 * })
 *
 * const { costNanoUsd } = await Effect.runPromise(Effect.provide(program, pricing))
 *
 * costNanoUsd // => 4_200_000
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<never> => Layer.succeed(Pricing, make(options))

/**
 * Prices a usage with the current pricing and puts the cost into it, in nano-dollars.
 *
 * **Example**
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Pricing, Usage } from "effect-budget"
 *
 * const usage = Usage.make({ inputTokens: 1_200, cacheReadTokens: 1_000, outputTokens: 300 })
 * const priced = await Effect.runPromise(Pricing.price({ model: "gpt-4o-mini", usage }))
 *
 * priced.costNanoUsd // => 285_000
 *
 * const unknown = await Effect.runPromise(Effect.flip(Pricing.price({ model: "our-llama", usage })))
 *
 * unknown._tag // => "UnknownModel"
 * ```
 *
 * @category pricing
 * @since 0.1.0
 */
export const price = Effect.fnUntraced(function* (
  priced: Pick<Priced, "model" | "usage"> & Partial<Priced>
): Effect.fn.Return<Usage.Usage, UnknownModel> {
  const pricing = yield* Pricing
  const costNanoUsd = yield* pricing.price({ url: undefined, provider: undefined, units: {}, ...priced })
  return { ...priced.usage, costNanoUsd }
})
