import * as Effect from "effect/Effect"

/** What a search has found: the best number that will do, and the next that was tried and will not. */
export interface Found<A> {
  readonly good: Tried<A> | undefined
  readonly bad: Tried<A> | undefined
  /** Whether numbers beyond the last would have to be tried to know more, which is out of the question. */
  readonly isOpen: boolean
}

export interface Tried<A> {
  readonly value: number
  readonly outcome: A
}

// As near as that, nobody sees a difference, and every step is a simulation.
const PRECISION = 0.005

/**
 * Finds the least whole number that will do, or the most: by doubling until one does (or does not), and then by halving
 * what lies between. Below 200 it is exact, above within 0.5 %. It ends with what it knows where an attempt has no
 * outcome, as it would take too long.
 */
export const search = Effect.fnUntraced(function* <A, E, R>(options: {
  readonly what: "least" | "most"
  readonly from: number
  readonly max: number
  readonly attempt: (value: number) => Effect.Effect<A | undefined, E, R>
  readonly isGood: (outcome: A) => boolean
}): Effect.fn.Return<Found<A>, E, R> {
  const { attempt, from, isGood, max, what } = options
  // Of the least, the numbers below are bad; of the most, they are good.
  const isLow = (outcome: A) => isGood(outcome) === (what === "most")
  let low: Tried<A> | undefined
  let high: Tried<A> | undefined
  for (let value = from; high === undefined && value <= max; value *= 2) {
    const outcome = yield* attempt(value)
    if (outcome === undefined) break
    if (isLow(outcome)) low = { value, outcome }
    else high = { value, outcome }
  }
  const isOpen = high === undefined
  const between = () => Math.floor(((low?.value ?? 0) + (high?.value ?? max)) / 2)
  while (high !== undefined && high.value - (low?.value ?? 0) > Math.max(1, high.value * PRECISION)) {
    const value = between()
    const outcome = yield* attempt(value)
    if (outcome === undefined) break
    if (isLow(outcome)) low = { value, outcome }
    else high = { value, outcome }
  }
  return what === "least" ? { good: high, bad: low, isOpen } : { good: low, bad: high, isOpen }
})

/** About how many attempts it takes. */
export const attemptsOf = (from: number, found: number): number =>
  Math.ceil(Math.log2(Math.max(2, found / from))) + Math.ceil(Math.log2(1 / PRECISION))
