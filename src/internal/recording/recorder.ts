import type * as Limit from "../../Limit.ts"
import type { BudgetRecord, LimitRecord, ProviderRecord, Recording } from "../../Recording.ts"
import type * as Usage from "../../Usage.ts"
import type { Happening } from "../admission/listeners.ts"
import type { BudgetNode } from "../admission/node.ts"
import { limitBehind } from "../limitBehind.ts"
import { recordOf } from "./limitRecord.ts"
import { type Series, Steps } from "./series.ts"
import { Tally } from "./tally.ts"
import { Trace } from "./trace.ts"

/** What is recorded. The first budget is the root, which hears of all others. */
export interface Scene {
  readonly title: string
  /** When it begins, by the clock. */
  readonly startedAt: number
  readonly budgets: ReadonlyArray<BudgetNode>
  /** Time as the budgets see it: it never runs backwards. */
  readonly now: () => number
  readonly traceMax: number
}

/** Makes a recording of what a root is told. All memory is bounded, whatever happens and however long. */
export class Recorder {
  readonly #scene: Scene
  readonly #start: number
  readonly #steps = new Steps(STEP_MILLIS)
  readonly #all = new Tally()
  readonly #records: Array<OneBudget> = []
  readonly #byName = new Map<string, OneBudget>()
  readonly #trace: Trace
  #lastAt = 0

  constructor(scene: Scene) {
    this.#scene = scene
    this.#start = scene.now()
    this.#trace = new Trace(scene.traceMax)
    for (const node of scene.budgets) this.#add(node.name, node)
    for (const record of this.#records) {
      record.findAround(this.#records)
      if (record.index > 0) record.findWithin(this.#records)
    }
  }

  /** How many calls have waited or were refused. */
  get hindered(): number {
    return this.#all.waited + this.#all.refused
  }

  /** Takes note of something at once. */
  readonly hear = (event: Happening): void => {
    const now = this.#scene.now()
    const at = Math.max(0, now - this.#start)
    this.#lastAt = at
    switch (event._tag) {
      case "Admitted": {
        const record = this.#of(event.budget)
        const step = this.#steps.at(at)
        const { call, estimate, waitedFor, waitedMillis } = event
        this.#all.admit(event)
        record.tally.admit(event)
        record.admitted.note(step, 1)
        if (waitedMillis > 0) {
          record.waited.note(step, 1)
          record.waitMillisMax.note(step, waitedMillis)
        }
        if (waitedFor !== undefined) this.#of(waitedFor.budget).noteWaited(waitedFor.limit)
        this.#trace.admit(call, { tenant: record.index, admittedAt: at, waitMillis: waitedMillis, estimate })
        return record.sampleAround(step, now)
      }
      case "Refused": {
        const record = this.#of(event.budget)
        const { estimate, reason } = event
        this.#all.refuse(event)
        record.tally.refuse(event)
        record.refused.note(this.#steps.at(at), 1)
        const behind = limitBehind(reason)
        if (behind !== undefined) this.#of(behind.budget).noteRefused(behind.limit)
        return this.#trace.refuse(record.index, estimate, at)
      }
      case "Settled": {
        const record = this.#of(event.budget)
        const step = this.#steps.at(at)
        this.#all.settle(event)
        record.tally.settle(event)
        record.noteUse(step, event.actual)
        this.#trace.settle(event.call, event.actual, at)
        return record.sampleAround(step, now)
      }
      case "Charged": {
        const record = this.#of(event.budget)
        const step = this.#steps.at(at)
        this.#all.charge(event.usage)
        record.tally.charge(event.usage)
        record.noteUse(step, event.usage)
        return record.sampleAround(step, now)
      }
      case "LeaseExpired":
        return this.#trace.forget(event.call)
      default:
        return
    }
  }

  /** When the next step begins, in the time of the budgets: what counts then is to be looked at. */
  get nextStepAt(): number {
    return this.#start + this.#steps.end
  }

  /** Looks at what counts against the limits now. */
  look(): void {
    const now = this.#scene.now()
    const at = Math.max(0, now - this.#start)
    this.#lastAt = Math.max(this.#lastAt, at)
    const step = this.#steps.at(at)
    for (const record of this.#records) record.sample(step, now)
  }

  recording(provider?: ProviderRecord): Recording {
    this.look()
    const { startedAt, title } = this.#scene
    const { count, stepMillis } = this.#steps
    return {
      version: 1,
      title,
      startedAt,
      durationMillis: this.#lastAt,
      stepMillis,
      calls: this.#all.toRecord(),
      budgets: this.#records.map((record) => record.toRecord(count)),
      ...(provider === undefined ? {} : { provider }),
      trace: this.#trace.toArray()
    }
  }

  #of(name: string): OneBudget {
    return this.#byName.get(name) ?? this.#add(this.#records.length < BUDGETS_MAX ? name : OTHERS, undefined)
  }

  #add(name: string, node: BudgetNode | undefined): OneBudget {
    const known = this.#byName.get(name)
    if (known !== undefined) return known
    const record = new OneBudget(name, this.#records.length, node, this.#steps)
    // Whoever is heard of is inside the root.
    if (node === undefined) record.findAround(this.#records.slice(0, 1), this.#scene.budgets[0])
    this.#records.push(record)
    this.#byName.set(name, record)
    return record
  }
}

/** The record of one budget, while it grows. Its node is absent where only its events are heard. */
class OneBudget {
  readonly index: number
  readonly tally = new Tally()
  readonly admitted: Series
  readonly waited: Series
  readonly refused: Series
  readonly waitMillisMax: Series
  readonly #name: string
  readonly #node: BudgetNode | undefined
  readonly #steps: Steps
  readonly #tokens: Series
  readonly #costNanoUsd: Series
  readonly #limits: Array<OneLimit> = []
  /** Itself and the budgets around it whose limits are recorded, too: of one without a node, the root. */
  #around: ReadonlyArray<OneBudget> = [this]
  #within: number | null | undefined

  constructor(name: string, index: number, node: BudgetNode | undefined, steps: Steps) {
    this.#name = name
    this.index = index
    this.#node = node
    this.#steps = steps
    this.#tokens = steps.series("sum")
    this.#costNanoUsd = steps.series("sum")
    this.admitted = steps.series("sum")
    this.waited = steps.series("sum")
    this.refused = steps.series("sum")
    this.waitMillisMax = steps.series("max")
    for (const { limit } of node?.ledger.states ?? []) if (limit._tag !== "Pause") this.#limitOf(limit)
  }

  findAround(records: ReadonlyArray<OneBudget>, innermost: BudgetNode | undefined = this.#node): void {
    const nodes = new Set(upwards(innermost))
    this.#around = records.filter((record) => record.#node !== undefined && nodes.has(record.#node))
  }

  /** Finds the one budget that it is directly within, if it is recorded. */
  findWithin(records: ReadonlyArray<OneBudget>): void {
    const [outer, ...more] = new Set(this.#node?.within)
    const found = more.length === 0 ? records.find((record) => record.#node === outer) : undefined
    this.#within = found?.index ?? null
  }

  noteWaited(limit: Limit.Limit): void {
    if (this.#hasLimits) this.#limitOf(limit).waited++
  }

  noteRefused(limit: Limit.Limit): void {
    if (this.#hasLimits) this.#limitOf(limit).refused++
  }

  noteUse(step: number, { costNanoUsd, inputTokens, outputTokens }: Usage.Usage): void {
    this.#tokens.note(step, inputTokens + outputTokens)
    this.#costNanoUsd.note(step, costNanoUsd)
  }

  sampleAround(step: number, now: number): void {
    for (const record of this.#around) record.sample(step, now)
  }

  sample(step: number, now: number): void {
    const states = this.#node?.ledger.states ?? []
    for (let index = 0; index < states.length; index++) {
      const state = states[index]!
      const { limit } = state
      if (limit._tag === "Pause") continue
      const one = this.#limits[index]
      const known = one?.limit === limit ? one : this.#limitOf(limit)
      known.used.note(step, state.used(now))
    }
  }

  toRecord(count: number): BudgetRecord {
    return {
      name: this.#name,
      weight: this.#node?.weight ?? 1,
      ...(this.#node === undefined ? { isPartial: true } : {}),
      ...(this.#within === undefined ? {} : { within: this.#within }),
      ...(this.#node?.conduct.isShadow ? { isShadow: true } : {}),
      limits: this.#limits.map(({ limit, refused, used, waited }): LimitRecord => ({
        ...recordOf(limit),
        used: used.toArray(count),
        waited,
        refused
      })),
      calls: this.tally.toRecord(),
      series: {
        tokens: this.#tokens.toArray(count),
        costNanoUsd: this.#costNanoUsd.toArray(count),
        admitted: this.admitted.toArray(count),
        waited: this.waited.toArray(count),
        refused: this.refused.toArray(count),
        waitMillisMax: this.waitMillisMax.toArray(count)
      }
    }
  }

  /** Limits of many budgets have the same name: those of the others would be taken for one. */
  get #hasLimits(): boolean {
    return this.#node !== undefined || this.#name !== OTHERS
  }

  #limitOf(limit: Limit.Limit): OneLimit {
    const known = this.#limits.find((one) => one.limit.name === limit.name)
    if (known !== undefined) {
      known.limit = limit
      return known
    }
    const one = { limit, used: this.#steps.series("max"), waited: 0, refused: 0 }
    this.#limits.push(one)
    return one
  }
}

interface OneLimit {
  limit: Limit.Limit
  readonly used: Series
  waited: number
  refused: number
}

const upwards = (node: BudgetNode | undefined): ReadonlyArray<BudgetNode> =>
  node === undefined ? [] : [node, ...node.within.flatMap(upwards)]

// Of budgets there may be as many as there are users; their calls are recorded together from here on.
const BUDGETS_MAX = 64
const OTHERS = "(others)"

// What a step lasts as long as there are few enough of them.
const STEP_MILLIS = 1_000
