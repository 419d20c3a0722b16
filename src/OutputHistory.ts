/**
 * Learns how much of what they may write calls really write.
 *
 * Reserving all that a call may write (`max_tokens`) holds several times what it will write, and keeps others waiting
 * for room that nobody uses. A history remembers, for each model and operation, which share of the allowed output was
 * written, and reserves what all but a few calls stay within. Those few overrun their reservation: what they write is
 * charged all the same, and counted.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import { Shares } from "./internal/outputHistory/shares.ts"
import { RecentMap } from "./internal/recentMap.ts"
import * as Usage from "./Usage.ts"

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
  note(kind: Kind, tokens: Tokens): void
  /** What is known of each kind, the least recently used first. */
  snapshot(): ReadonlyArray<Learnt>
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
 * Output tokens: how many were allowed, reserved and written.
 *
 * @category models
 * @since 0.1.0
 */
export interface Tokens {
  readonly allowed: number
  readonly reserved: number
  readonly written: number
}

/**
 * What is known of a kind of call.
 *
 * @category models
 * @since 0.1.0
 */
export interface Learnt {
  readonly kind: Kind
  /** How many calls were noted. */
  readonly samples: number
  /** The share of the allowed output that is reserved now, above 0 and at most 1. It is 1 until there is evidence. */
  readonly ratio: number
  /** The calls that wrote more than was reserved: how many, their share of all, and the tokens above, in all. */
  readonly overran: { readonly calls: number; readonly share: number; readonly tokens: number }
  /** The tokens of all calls that were noted. */
  readonly tokens: Tokens
}

/**
 * How to learn.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The share of calls that should stay within what is reserved, above 0 and at most 0.9999; 0.95 by default. */
  readonly quantile?: number | undefined
  /**
   * How many calls of a kind must be known before less than everything is reserved.
   *
   * The default is 3 / (1 - quantile), 60 for 0.95: one call in 1 / (1 - quantile) is expected above the quantile, so
   * that after three times as many, 95 % of all histories have seen at least one of those that are to be left out. Less
   * than quantile / (1 - quantile), 19 for 0.95, makes no difference: until then even the largest may be too low.
   */
  readonly evidence?: number | undefined
  /** How many kinds to remember, each in about 1.5 KB; 1,000 by default. Those not used for longest are forgotten. */
  readonly kinds?: number | undefined
}

/**
 * Makes a history.
 *
 * **Details**
 *
 * - `expect` gives the chosen quantile of the shares that were written, times what is allowed. Shares are counted with
 *   a resolution of 4.4 %, rounded up: the reservation is never below the quantile. Without enough evidence, for
 *   0 allowed tokens, and for what makes no sense, it gives `allowed` back.
 * - `note` ignores what makes no sense: NaN, fractions, negative tokens, nothing allowed.
 * - Old calls fade: whenever 20 / (1 - quantile) calls of a kind are counted, 400 for 0.95, they are halved in number.
 *   When calls begin to write five times as much, 41 of the first hundred overrun, 9 of the second, then as few as
 *   ever. When they begin to write a fifth, it takes about 900 until less is reserved.
 * - Memory is bounded, whatever the calls are. Kinds with names of more than 512 characters are not learnt.
 *
 * Measured with 0.95 on nine sorts of random calls, 20,000 of each: at most 4.5 % overran. For skewed lengths (lognormal,
 * Pareto), reservations held 2.7 to 3.7 times what was written, where `max_tokens` held 15 to 90 times. Where more than
 * one call in twenty writes all that it may, all is reserved.
 *
 * Throws a `RangeError` when an option is out of its range.
 *
 * **Example**
 *
 * ```ts
 * import { OutputHistory } from "effect-budget"
 *
 * const history = OutputHistory.make()
 * const kind = { model: "gpt-4o-mini", operation: "chat" }
 *
 * history.expect(kind, 4_096) // => 4_096
 *
 * for (let call = 0; call < 100; call++) history.note(kind, { allowed: 4_096, reserved: 4_096, written: 512 })
 *
 * history.expect(kind, 4_096) // => 512
 * history.expect(kind, 1_000) // => 125
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options = {}): OutputHistory => {
  const { evidence, kinds, quantile } = rangesChecked(options)
  // The shorter, the sooner it follows; the longer, the less it wavers. Twice the evidence is left after a half has faded.
  const fadeAt = 2 * Math.max(Math.round(10 / (1 - quantile)), 2 * evidence)
  const learnings = new RecentMap<Learning>(kinds)

  const shareOf = ({ shares }: Learning): number => (shares.total < evidence ? 1 : shares.quantile(quantile))

  return {
    expect(kind, allowed) {
      if (!Usage.isAmount(allowed) || allowed === 0) return allowed
      const learning = learnings.get(keyOf(kind))
      return learning === undefined ? allowed : Math.min(allowed, Math.ceil(shareOf(learning) * allowed))
    },
    note(kind, tokens) {
      const key = keyOf(kind)
      if (!makesSense(tokens) || key.length > KEY_CHARS_MAX) return
      const learning = learnings.get(key) ?? begin(kind, fadeAt)
      if (learning.samples === 0) learnings.set(key, learning)
      noteIn(learning, tokens)
    },
    snapshot: () => Array.from(learnings.values(), (learning) => learnt(learning, shareOf(learning)))
  }
}

/** What is kept of a kind of call. */
interface Learning {
  readonly kind: Kind
  readonly shares: Shares
  samples: number
  overranCalls: number
  overranTokens: number
  allowedTokens: number
  reservedTokens: number
  writtenTokens: number
}

const begin = ({ model, operation }: Kind, fadeAt: number): Learning => ({
  kind: { model, operation },
  shares: new Shares(fadeAt),
  samples: 0,
  overranCalls: 0,
  overranTokens: 0,
  allowedTokens: 0,
  reservedTokens: 0,
  writtenTokens: 0
})

const noteIn = (learning: Learning, { allowed, reserved, written }: Tokens): void => {
  learning.shares.add(written / allowed)
  learning.samples++
  learning.allowedTokens += allowed
  learning.reservedTokens += reserved
  learning.writtenTokens += written
  if (written <= reserved) return
  learning.overranCalls++
  learning.overranTokens += written - reserved
}

const learnt = (learning: Learning, ratio: number): Learnt => ({
  kind: learning.kind,
  samples: learning.samples,
  ratio,
  overran: {
    calls: learning.overranCalls,
    share: learning.overranCalls / learning.samples,
    tokens: learning.overranTokens
  },
  tokens: { allowed: learning.allowedTokens, reserved: learning.reservedTokens, written: learning.writtenTokens }
})

const keyOf = ({ model, operation }: Kind): string => `${operation}\n${model}`

const KEY_CHARS_MAX = 512

const makesSense = ({ allowed, reserved, written }: Tokens): boolean =>
  Usage.isAmount(allowed) && allowed > 0 && Usage.isAmount(reserved) && Usage.isAmount(written)

// More would need more evidence than there is memory for.
const QUANTILE_MAX = 0.9999

const rangesChecked = ({ evidence, kinds = 1_000, quantile = 0.95 }: Options) => {
  if (!(quantile > 0 && quantile <= QUANTILE_MAX)) {
    throw new RangeError(`OutputHistory.make: quantile must be above 0 and at most ${QUANTILE_MAX}, got ${quantile}`)
  }
  const chosen = evidence ?? Math.round(3 / (1 - quantile))
  checkCount("evidence", chosen)
  checkCount("kinds", kinds)
  return { evidence: chosen, kinds, quantile }
}

const COUNT_MAX = 1_000_000

const checkCount = (name: string, count: number): void => {
  if (Number.isSafeInteger(count) && count >= 1 && count <= COUNT_MAX) return
  throw new RangeError(`OutputHistory.make: ${name} must be a whole number between 1 and ${COUNT_MAX}, got ${count}`)
}

/**
 * The history that adapters use. By default none is kept, and everything that is allowed is reserved.
 *
 * @category services
 * @since 0.1.0
 */
export const OutputHistory: Context.Reference<OutputHistory> = Context.Reference("effect-budget/OutputHistory", {
  defaultValue: (): OutputHistory => ({ expect: (_, allowed) => allowed, note: () => {}, snapshot: () => [] })
})

/**
 * Keeps a history with {@link make}, as long as the layer lives.
 *
 * **Example**
 *
 * ```ts
 * import { Effect } from "effect"
 * import { OutputHistory } from "effect-budget"
 *
 * const program = Effect.gen(function* () {
 *   const history = yield* OutputHistory.OutputHistory
 *   const kind = { model: "gpt-4o-mini", operation: "chat" }
 *   history.note(kind, { allowed: 1_000, reserved: 200, written: 250 })
 *   return history.snapshot()
 * })
 *
 * const [learnt] = await Effect.runPromise(Effect.provide(program, OutputHistory.layer({ quantile: 0.9 })))
 *
 * learnt?.overran // => { calls: 1, share: 1, tokens: 50 }
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<never> => {
  rangesChecked(options)
  return Layer.sync(OutputHistory, () => make(options))
}
