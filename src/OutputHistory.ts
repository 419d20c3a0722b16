/**
 * Learns how much of what they may write calls really write.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"

/**
 * Remembers, per model and kind of call, which share of the allowed output was used.
 *
 * @category services
 * @since 0.1.0
 */
export interface OutputHistory {
  /** How many output tokens to reserve for a call that may write `allowed` tokens: at most that, at least 1. */
  expect(kind: Kind, allowed: number): number
  /** Notes what a call has written of what it was allowed and what was reserved for it, in tokens. */
  note(kind: Kind, tokens: { readonly allowed: number; readonly reserved: number; readonly written: number }): void
}

/**
 * A kind of call.
 *
 * @category models
 * @since 0.1.0
 */
export interface Kind {
  readonly model: string
  readonly operation: string
}

/**
 * The history that adapters use. By default none is kept, and everything that is allowed is reserved.
 *
 * @category services
 * @since 0.1.0
 */
export const OutputHistory: Context.Reference<OutputHistory> = Context.Reference("effect-budget/OutputHistory", {
  defaultValue: (): OutputHistory => ({ expect: (_, allowed) => allowed, note: () => {} })
})
