import type * as BudgetError from "../../BudgetError.ts"
import type * as Limit from "../../Limit.ts"
import * as Usage from "../../Usage.ts"
import type { Happening, Told } from "../admission/listeners.ts"
import type { CallInstruments, Instruments } from "./instruments.ts"
import type { BoundedLabel } from "./labels.ts"
import { counters } from "./metrics.ts"
import { limitBehind } from "../limitBehind.ts"

/** Counts what happens in metrics. */
export class Counting {
  readonly #instruments: Instruments
  readonly #labelOf: (budget: string) => string
  readonly #limits: BoundedLabel

  constructor(instruments: Instruments, labelOf: (budget: string) => string, limits: BoundedLabel) {
    this.#instruments = instruments
    this.#labelOf = labelOf
    this.#limits = limits
  }

  count(event: Happening): void {
    const instruments = this.#instruments
    const budget = this.#labelOf(event.budget)
    switch (event._tag) {
      case "Admitted":
        return this.#admitted(budget, event)
      case "Settled":
        return this.#settled(instruments.ofCalls(budget), event)
      case "Charged":
        instruments.add(counters.charged, [budget])
        return this.#add(instruments.ofCalls(budget).committed, event.usage)
      case "Refused":
        return instruments.add(counters.refused, [budget, ...this.#reason(event.reason)])
      case "Shadowed":
        return instruments.add(counters.shadowed, [budget, ...this.#reason(event.reason)])
      case "Overran":
        return this.#overran(budget, event)
      case "Tightened":
        return instruments.add(counters.tightened, [budget, this.#limitOf(event.limit)])
      case "ThresholdReached":
        return instruments.add(counters.thresholds, [budget, this.#limitOf(event.limit), String(event.threshold)])
      case "InvalidReport":
        return instruments.add(counters.invalidReports, [budget])
      case "SettledAlready":
        return instruments.add(counters.settledAlready, [budget])
      case "LeaseExpired":
        return instruments.add(counters.leasesExpired, [budget])
      case "StoreUnreachable":
        return instruments.add(counters.storeUnreachable, [budget])
      case "StoreReached":
        return instruments.add(counters.storeReached, [budget])
    }
  }

  #admitted(budget: string, { estimate, waitedFor, waitedMillis }: Told<"Admitted">): void {
    const { context } = this.#instruments
    const calls = this.#instruments.ofCalls(budget)
    calls.admitted.updateUnsafe(1, context)
    calls.wait.updateUnsafe(waitedMillis / 1_000, context)
    this.#add(calls.reserved, estimate)
    if (waitedMillis === 0) return
    const by = waitedFor === undefined ? "" : this.#labelOf(waitedFor.budget)
    this.#instruments.add(counters.waited, [budget, by, this.#limitOf(waitedFor?.limit)])
  }

  #settled(calls: CallInstruments, { actual, estimate }: Told<"Settled">): void {
    const { context } = this.#instruments
    calls.settled.updateUnsafe(1, context)
    this.#add(calls.committed, actual)
    // What was released or rejected says nothing about how good the estimate was.
    if (actual.inputTokens + actual.outputTokens === 0) return
    if (estimate.inputTokens > 0) calls.inputRatio.updateUnsafe(actual.inputTokens / estimate.inputTokens, context)
    if (estimate.outputTokens > 0) calls.outputRatio.updateUnsafe(actual.outputTokens / estimate.outputTokens, context)
  }

  #add({ inputTokens, outputTokens, usd }: CallInstruments["committed"], usage: Usage.Usage): void {
    const { context } = this.#instruments
    if (usage.inputTokens > 0) inputTokens.updateUnsafe(usage.inputTokens, context)
    if (usage.outputTokens > 0) outputTokens.updateUnsafe(usage.outputTokens, context)
    if (usage.costNanoUsd > 0) usd.updateUnsafe(usage.costNanoUsd / Usage.nanoUsdPerUsd, context)
  }

  #overran(budget: string, { by: owner, limit, overrun }: Told<"Overran">): void {
    const [by, name] = [this.#labelOf(owner), this.#limitOf(limit)]
    this.#instruments.add(counters.overran, [budget, by, name])
    this.#instruments.add(counters.overrun, [budget, by, name, limit.meter.name], overrun / limit.meter.scale)
  }

  #reason(reason: BudgetError.Reason): ReadonlyArray<string> {
    return [reason._tag, this.#labelOf(reason.budget), this.#limitOf(limitBehind(reason)?.limit)]
  }

  #limitOf(limit: Limit.Limit | undefined): string {
    return limit === undefined ? "" : this.#limits.of(limit.name)
  }
}
