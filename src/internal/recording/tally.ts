import type { Happening } from "../admission/listeners.ts"
import type { CallsRecord, RefusalRecord, TotalUsage } from "../../Recording.ts"
import type * as Usage from "../../Usage.ts"
import { limitBehind } from "../limitBehind.ts"
import { Histogram } from "./histogram.ts"

type Admitted = Extract<Happening, { readonly _tag: "Admitted" }>
type Refused = Extract<Happening, { readonly _tag: "Refused" }>
type Settled = Extract<Happening, { readonly _tag: "Settled" }>

/** Adds up what became of calls. */
export class Tally {
  admitted = 0
  waited = 0
  refused = 0
  settled = 0
  overran = 0
  readonly #waits = new Histogram()
  readonly #refusals = new Map<string, Refusals>()
  readonly #estimated = new Total()
  readonly #actual = new Total()

  admit({ estimate, waitedMillis }: Admitted): void {
    this.admitted++
    if (waitedMillis > 0) this.waited++
    this.#waits.add(waitedMillis)
    this.#estimated.add(estimate)
  }

  refuse({ reason }: Refused): void {
    this.refused++
    const { budget, limit } = limitBehind(reason) ?? { budget: reason.budget, limit: undefined }
    const key = `${reason._tag}\n${budget}\n${limit?.name ?? ""}`
    const known = this.#refusals.get(key)
    if (known !== undefined) known.count++
    else if (this.#refusals.size < REASONS_MAX) {
      const refusal = { reason: reason._tag, budget, count: 1 }
      this.#refusals.set(key, limit === undefined ? refusal : { ...refusal, limit: limit.name })
    }
  }

  settle({ actual, estimate }: Settled): void {
    this.settled++
    if (exceeds(actual, estimate)) this.overran++
    this.#actual.add(actual)
  }

  charge(usage: Usage.Usage): void {
    this.#actual.add(usage)
  }

  toRecord(): CallsRecord {
    const { admitted, overran, refused, settled, waited } = this
    return {
      asked: admitted + refused,
      admitted,
      waited,
      refused,
      settled,
      overran,
      refusals: [...this.#refusals.values()].map((refusal) => structuredClone(refusal)),
      waitMillis: this.#waits.quantiles(),
      estimated: this.#estimated.toRecord(),
      actual: this.#actual.toRecord()
    }
  }
}

type Refusals = { -readonly [Key in keyof RefusalRecord]: RefusalRecord[Key] }

const exceeds = (actual: Usage.Usage, estimate: Usage.Usage): boolean =>
  actual.inputTokens + actual.outputTokens > estimate.inputTokens + estimate.outputTokens ||
  actual.inputTokens > estimate.inputTokens ||
  actual.outputTokens > estimate.outputTokens ||
  actual.costNanoUsd > estimate.costNanoUsd ||
  actual.requests > estimate.requests

class Total {
  #requests = 0
  #inputTokens = 0
  #outputTokens = 0
  #costNanoUsd = 0

  add(usage: Usage.Usage): void {
    this.#requests += usage.requests
    this.#inputTokens += usage.inputTokens
    this.#outputTokens += usage.outputTokens
    this.#costNanoUsd += usage.costNanoUsd
  }

  toRecord(): TotalUsage {
    return {
      requests: this.#requests,
      inputTokens: this.#inputTokens,
      outputTokens: this.#outputTokens,
      costNanoUsd: this.#costNanoUsd
    }
  }
}

// Of names there may be as many as there are users. Refusals beyond these are counted, but not by reason.
const REASONS_MAX = 256
