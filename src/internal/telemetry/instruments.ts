import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import { counters, type Definition, histograms, labelsOf, ratioBounds, waitBounds } from "./metrics.ts"

/** The metrics of one budget that nearly every call changes, found once. */
export class CallInstruments {
  readonly admitted: Metric.Counter<number>
  readonly settled: Metric.Counter<number>
  readonly reserved: Amounts
  readonly committed: Amounts
  readonly wait: Metric.Histogram<number>
  readonly inputRatio: Metric.Histogram<number>
  readonly outputRatio: Metric.Histogram<number>

  constructor(budget: string) {
    this.admitted = counter(counters.admitted, [budget])
    this.settled = counter(counters.settled, [budget])
    this.reserved = amounts(counters.reservedTokens, counters.reservedUsd, budget)
    this.committed = amounts(counters.committedTokens, counters.committedUsd, budget)
    this.wait = histogram(histograms.wait, [budget], waitBounds)
    this.inputRatio = histogram(histograms.estimateRatio, [budget, INPUT], ratioBounds)
    this.outputRatio = histogram(histograms.estimateRatio, [budget, OUTPUT], ratioBounds)
  }
}

interface Amounts {
  readonly inputTokens: Metric.Counter<number>
  readonly outputTokens: Metric.Counter<number>
  readonly usd: Metric.Counter<number>
}

/** The metrics of one registry. */
export class Instruments {
  readonly context: Context.Context<never>
  readonly #ofCalls = new Map<string, CallInstruments>()
  readonly #counters = new Map<string, Metric.Counter<number>>()

  constructor(context: Context.Context<never>) {
    this.context = context
  }

  ofCalls(budget: string): CallInstruments {
    let instruments = this.#ofCalls.get(budget)
    if (instruments === undefined) {
      instruments = new CallInstruments(budget)
      this.#ofCalls.set(budget, instruments)
    }
    return instruments
  }

  add(definition: Definition, labels: ReadonlyArray<string>, amount = 1): void {
    const key = [definition.name, ...labels].join("\0")
    let metric = this.#counters.get(key)
    if (metric === undefined) {
      metric = counter(definition, labels)
      this.#counters.set(key, metric)
    }
    metric.updateUnsafe(amount, this.context)
  }
}

const INPUT = "input"
const OUTPUT = "output"

const amounts = (tokens: Definition, usd: Definition, budget: string): Amounts => ({
  inputTokens: counter(tokens, [budget, INPUT]),
  outputTokens: counter(tokens, [budget, OUTPUT]),
  usd: counter(usd, [budget])
})

const counter = (definition: Definition, labels: ReadonlyArray<string>): Metric.Counter<number> =>
  Metric.counter(definition.name, {
    description: definition.description,
    attributes: labelsOf(definition, labels),
    incremental: true
  })

const histogram = (
  definition: Definition,
  labels: ReadonlyArray<string>,
  boundaries: ReadonlyArray<number>
): Metric.Histogram<number> =>
  Metric.histogram(definition.name, {
    description: definition.description,
    attributes: labelsOf(definition, labels),
    boundaries
  })
