/**
 * What calls cost.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Usage from "./Usage.ts"

/**
 * No price is known for a model.
 *
 * @category errors
 * @since 0.1.0
 */
export class UnknownModel extends Schema.TaggedError<UnknownModel>()("UnknownModel", {
  model: Schema.String,
  provider: Schema.optional(Schema.String)
}) {}

/**
 * What is to be priced.
 *
 * @category models
 * @since 0.1.0
 */
export interface Priced {
  readonly model: string
  /** The address of the API, which tells the provider. */
  readonly url: string | undefined
  /** The provider's id in `@pydantic/genai-prices`, where the address does not tell. */
  readonly provider: string | undefined
  readonly usage: Usage.Usage
  /** See {@link Dialect.Report}. */
  readonly units: Readonly<Record<string, number>>
}

/**
 * Prices calls, in nano-dollars, rounded up once.
 *
 * @category services
 * @since 0.1.0
 */
export interface Pricing {
  price(priced: Priced): Effect.Effect<number, UnknownModel>
}

/**
 * The pricing that adapters use.
 *
 * @category services
 * @since 0.1.0
 */
export const Pricing: Context.Reference<Pricing> = Context.Reference("effect-budget/Pricing", {
  defaultValue: (): Pricing => ({ price: ({ model }) => Effect.fail(new UnknownModel({ model })) })
})
