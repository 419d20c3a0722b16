/** Those who say how many tokens a text has, and how far off they are. */
import { estimateTokenCount } from "tokenx"
import * as TokenCounter from "../../src/TokenCounter.ts"

/** A way to estimate the tokens of a text. */
export interface Contender {
  readonly name: string
  readonly estimate: (text: string) => number
}

export const OURS = "effect-budget"

const CHARS_PER_TOKEN = 4

export const contenders: ReadonlyArray<Contender> = [
  { name: OURS, estimate: TokenCounter.estimate },
  { name: "tokenx", estimate: (text) => estimateTokenCount(text) },
  { name: "chars/4", estimate: ({ length }) => Math.ceil(length / CHARS_PER_TOKEN) }
]

/** A text with its true count. */
export interface Counted {
  readonly text: string
  readonly tokens: number
}

/** By how much the estimates of documents are above (or, negative, below) the true counts, as shares of these. */
export interface Errors {
  readonly name: Contender["name"]
  /** Of the sum of all estimates. */
  readonly total: number
  /** Of twenty documents one is lower. */
  readonly p5: number
  /** Of twenty documents one is higher. */
  readonly p95: number
  /** The middle one of the documents' errors, whatever their signs. */
  readonly typical: number
}

export const errorsOf = ({ estimate, name }: Contender, documents: ReadonlyArray<Counted>): Errors => {
  const estimates = documents.map(({ text }) => estimate(text))
  const errors = documents.map(({ tokens }, index) => estimates[index]! / tokens - 1).toSorted((a, b) => a - b)
  return {
    name,
    total: sum(estimates) / sum(documents.map(({ tokens }) => tokens)) - 1,
    p5: quantile(errors, 0.05),
    p95: quantile(errors, 0.95),
    typical: quantile(
      errors.map(Math.abs).toSorted((a, b) => a - b),
      0.5
    )
  }
}

const sum = (values: ReadonlyArray<number>): number => values.reduce((total, value) => total + value, 0)

const quantile = (sorted: ReadonlyArray<number>, share: number): number =>
  sorted[Math.round(share * (sorted.length - 1))] ?? Number.NaN
