import type { TracedCall, TracedUsage } from "../../Recording.ts"
import type * as Usage from "../../Usage.ts"

interface OpenCall {
  readonly tenant: number
  readonly admittedAt: number
  readonly waitMillis: number
  readonly estimate: Usage.Usage
}

interface EndedCall extends Omit<OpenCall, "admittedAt"> {
  readonly at: number
  readonly actual: Usage.Usage
  /** Absent of those that were refused. */
  readonly millis: number | undefined
}

/** The calls that ended most recently, and those that run. Instants are milliseconds from the start. */
export class Trace {
  readonly #max: number
  readonly #ended: Array<EndedCall> = []
  /** Where the oldest one is, once there are as many as fit. */
  #oldest = 0
  readonly #open = new Map<number, OpenCall>()
  #settled = 0
  #ranMillis = 0

  constructor(max: number) {
    this.#max = max
  }

  admit(call: number, open: OpenCall): void {
    if (this.#max === 0) return
    if (this.#open.size >= OPEN_MAX) this.#open.delete(this.#open.keys().next().value!)
    this.#open.set(call, open)
  }

  /** Of a call that may never settle, as its lease has expired, nothing is kept. */
  forget(call: number): void {
    this.#open.delete(call)
  }

  settle(call: number, actual: Usage.Usage, now: number): void {
    const open = this.#open.get(call)
    if (open === undefined) return
    this.#open.delete(call)
    const { admittedAt, estimate, tenant, waitMillis } = open
    const millis = now - admittedAt
    this.#settled++
    this.#ranMillis += millis
    this.#end({ at: Math.max(0, admittedAt - waitMillis), tenant, estimate, actual, millis, waitMillis })
  }

  refuse(tenant: number, estimate: Usage.Usage, now: number): void {
    this.#end({ at: now, tenant, estimate, actual: estimate, millis: undefined, waitMillis: 0 })
  }

  toArray(): ReadonlyArray<TracedCall> {
    const millisOnAverage = this.#settled === 0 ? 0 : Math.round(this.#ranMillis / this.#settled)
    // Sorting is stable: of those that ask at the same instant, the order in which they ended stays.
    return this.#ended
      .map(({ actual, at, estimate, millis, tenant, waitMillis }) => ({
        at,
        tenant,
        estimate: traced(estimate),
        actual: traced(actual),
        millis: millis ?? millisOnAverage,
        waitMillis,
        ...(millis === undefined ? { isRefused: true as const } : {})
      }))
      .sort((a, b) => a.at - b.at)
  }

  #end(call: EndedCall): void {
    if (this.#max === 0) return
    if (this.#ended.length < this.#max) this.#ended.push(call)
    else {
      this.#ended[this.#oldest] = call
      this.#oldest = (this.#oldest + 1) % this.#max
    }
  }
}

const traced = ({ cacheReadTokens, costNanoUsd, inputTokens, outputTokens, requests }: Usage.Usage): TracedUsage => ({
  ...(requests === 1 ? {} : { requests }),
  ...(inputTokens === 0 ? {} : { inputTokens }),
  ...(cacheReadTokens === 0 ? {} : { cacheReadTokens }),
  ...(outputTokens === 0 ? {} : { outputTokens }),
  ...(costNanoUsd === 0 ? {} : { costNanoUsd })
})

// A call that never settles must not be kept for good: of those beyond, the oldest are counted, but not traced.
const OPEN_MAX = 100_000

/** How many calls are kept for advice, unless it is said. */
export const TRACE_MAX = 10_000
