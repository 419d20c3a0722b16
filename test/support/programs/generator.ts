/** Draws programs whose numbers are so small that calls collide all the time. */
import * as Cron from "effect/Cron"
import * as Limit from "../../../src/Limit.ts"
import * as Meter from "../../../src/Meter.ts"
import * as Usage from "../../../src/Usage.ts"
import type { Random } from "../random.ts"
import { PERIOD_MILLIS } from "./naiveLimit.ts"
import { type BudgetPlan, type Call, type Deed, pathOf, type Program, type Step } from "./program.ts"

/** What programs are drawn: everything that is left out happens. */
export interface Kind {
  readonly callsMax: number
  /** How likely fibers yield; then nobody knows the exact order within an instant. */
  readonly yields?: number
  readonly topologies?: ReadonlyArray<Topology>
  readonly hasNonsense?: boolean
  readonly hasInterruptions?: boolean
  readonly hasDeeds?: boolean
  readonly hasSetBacks?: boolean
  readonly hasOverruns?: boolean
  readonly hasPriorities?: boolean
  readonly hasShuffles?: boolean
  /** How many limits a budget has at most. */
  readonly limitsMax?: number
  readonly limitKinds?: ReadonlyArray<Limit.Limit["_tag"]>
  /** Whether some calls are elastic. */
  readonly hasElastic?: boolean
  /** Whether some pauses are resumed gradually. */
  readonly hasGradual?: boolean
  /** Whether some tasks have a deadline. */
  readonly hasDeadlines?: boolean
  /** How likely a budget is only tried out. Never, where this is left out. */
  readonly shadows?: number
  /** How likely the counters of a budget are in a store. Never, where this is left out. */
  readonly shared?: number
  /** Whether only the innermost budget is asked. */
  readonly asksOne?: boolean
}

type Topology = "single" | "tenants" | "tree" | "diamond"

const topologies: Readonly<Record<Topology, (random: Random) => ReadonlyArray<ReadonlyArray<number>>>> = {
  single: () => [[]],
  tenants: (random) => [[], ...Array.from({ length: random.int(1, 4) }, () => [0])],
  tree: () => [[], [0], [0], [1], [1], [2]],
  diamond: () => [[], [0], [0], [1, 2], [2, 1], [1]]
}

const everyTopology: ReadonlyArray<Topology> = ["single", "tenants", "tree", "diamond"]

export const weighted: Meter.Meter = Meter.make("weighted", (usage) => usage.inputTokens + 2 * usage.outputTokens)
/** Measures nonsense of some usages that are valid. */
export const odd: Meter.Meter = Meter.make("odd", (usage) => (usage.outputTokens === 3 ? Number.NaN : 1))

const meters = ["requests", "tokens", "inputTokens", "uncachedInputTokens", "outputTokens", "usd", weighted] as const

const everyKind: ReadonlyArray<Limit.Limit["_tag"]> = [
  "Cap",
  "SlidingWindow",
  "SlidingWindow",
  "FixedWindow",
  "TokenBucket",
  "Concurrency"
]

export const everySecond = Cron.parseUnsafe("* * * * * *", "UTC")

export const drawProgram = (random: Random, kind: Kind): Program => {
  const topology = topologies[random.pick(kind.topologies ?? everyTopology)](random)
  const budgets = topology.map((within, index) => drawBudget(random, kind, index, within))
  const span = random.pick([20, 200, 800])
  const asked = kind.asksOne === true ? [budgets.length - 1] : budgets.map((_, index) => index)
  const hasSetBacks = kind.hasSetBacks !== false && random.chance(0.15)
  const calls = Array.from({ length: random.int(3, random.chance(0.3) ? kind.callsMax : 12) }, (_, id) =>
    drawCall(random, kind, budgets, { id, span, budget: random.pick(asked) })
  )
  const stretched = kind.hasElastic === true ? calls.map((call) => drawElastic(random, kind, call)) : calls
  const woken = kind.hasInterruptions === false || random.chance(0.7) ? -1 : random.int(0, calls.length - 1)
  return {
    budgets,
    calls: stretched.map((call) => (call.id === woken ? interruptedOnWake(call) : call)),
    deeds: [
      ...(kind.hasDeeds === false ? [] : drawDeeds(random, kind, budgets, calls, span, hasSetBacks)),
      ...(hasSetBacks
        ? [{ do: "setBack" as const, at: random.int(0, span), millis: random.pick([1, 30, 500, 1_700]) }]
        : [])
    ],
    // So that windows of the calendar end within the program.
    startsAt: 1_000_000 * PERIOD_MILLIS - random.int(0, span),
    yields: kind.yields ?? 0,
    shuffles: kind.hasShuffles !== false && random.chance(0.3),
    isWatched: hasSetBacks || random.chance(0.6),
    heard: random.chance(0.4) ? [random.int(0, budgets.length - 1)] : []
  }
}

/** Whether it is known of everybody who is interrupted whether the call had begun. */
const isPlain = ({ shared, yields }: Kind): boolean => yields === undefined && shared === undefined

/** Nobody knows what one was granted that is interrupted before it goes on, so that it is not elastic. */
const interruptedOnWake = (call: Call): Call => ({ ...call, isInterruptedOnWake: true, least: undefined })

const drawBudget = (random: Random, kind: Kind, index: number, within: ReadonlyArray<number>): BudgetPlan => ({
  name: `budget${index}`,
  limits: Array.from(
    { length: Math.min(kind.limitsMax ?? 3, within.length === 0 ? random.int(1, 3) : random.int(0, 2)) },
    (_, place) => drawLimit(random, kind, `limit${place}`)
  ),
  within,
  weight: random.pick([1, 1, 1, 2, 4, 0.5]),
  onFailure: isPlain(kind) && random.chance(0.2) ? "charge" : "release",
  // Nothing is drawn where it does not matter, so that the other kinds of programs stay what they were.
  isShadow: kind.shadows !== undefined && random.chance(kind.shadows),
  isShared: kind.shared !== undefined && random.chance(kind.shared)
})

const drawLimit = (random: Random, kind: Kind, name: string): Limit.Limit => {
  const meter = random.pick(meters)
  const chargeAt = random.pick(["reserve", "reserve", "settle"] as const)
  const unit = meter === "usd" ? 1 / Usage.nanoUsdPerUsd : 1
  const requestsOnly = meter === "requests"
  const max = unit * (requestsOnly ? random.int(1, 4) : random.int(random.chance(0.05) ? 0 : 3, 14))
  switch (random.pick(kind.limitKinds ?? everyKind)) {
    case "Cap":
      return Limit.cap(meter, unit * random.int(requestsOnly ? 3 : 8, requestsOnly ? 20 : 60), { name })
    case "SlidingWindow":
      return Limit.slidingWindow(meter, max, random.pick([1, 10, 50, 100, 300]), { name, chargeAt })
    case "FixedWindow":
      return Limit.fixedWindow(meter, max, everySecond, { name, chargeAt })
    case "TokenBucket": {
      const refill = Math.max(unit, unit * random.int(1, 14))
      return Limit.tokenBucket(meter, refill, random.pick([10, 70, 300]), {
        name,
        ...(random.chance(0.5) ? { capacity: max } : {})
      })
    }
    case "Concurrency":
      return Limit.concurrency(random.int(random.chance(0.05) ? 0 : 1, 4), { name })
    case "PerCall":
      return Limit.perCall(meter, max, { name })
  }
}

const drawCall = (
  random: Random,
  kind: Kind,
  budgets: ReadonlyArray<BudgetPlan>,
  { budget, id, span }: { readonly id: number; readonly span: number; readonly budget: number }
): Call => {
  const at = random.chance(0.5) ? random.pick([0, Math.floor(span / 4), Math.floor(span / 2)]) : random.int(0, span)
  const via = random.pick(["reserve", "reserve", "withReservation", "spend", "tryReserve"] as const)
  const estimate = drawEstimate(random, kind, budgets, budget)
  const end = random.weighted({ success: 7, failure: 1, defect: kind.hasNonsense === false ? 0 : 1, never: 1 })
  const canInterrupt = kind.hasInterruptions !== false
  const isInterrupted = canInterrupt && (end === "never" || random.chance(0.15))
  return {
    id,
    budget,
    at,
    isEarly: random.chance(0.2),
    via,
    estimate,
    least: undefined,
    priority:
      kind.hasPriorities !== false && via !== "tryReserve" && random.chance(0.2) ? random.pick([-1, 1, 1, 5]) : 0,
    maxWait: random.chance(0.35) ? random.pick([0, 1, 10, 60, 300, 2_000]) : undefined,
    hasDeadline: kind.hasDeadlines === true && random.chance(0.5),
    onFailure: isPlain(kind) && random.chance(0.2) ? random.pick(["charge", "release"]) : undefined,
    hasOnWait: random.chance(0.2),
    steps: drawSteps(random, kind, estimate, via),
    end: end === "never" && !canInterrupt ? "success" : end,
    actual: via === "spend" && random.chance(0.7) ? drawRead(random, kind, estimate) : undefined,
    interruptAt: isInterrupted ? at + random.pick([0, 0, 1, 5, 20, 100, 400]) : undefined,
    isInterruptedOnWake: false
  }
}

const drawEstimate = (random: Random, kind: Kind, budgets: ReadonlyArray<BudgetPlan>, budget: number): Usage.Usage => {
  const size = random.weighted({
    zero: 1,
    tiny: 4,
    some: 8,
    same: 4,
    near: 2,
    nonsense: kind.hasNonsense === false ? 0 : 0.3
  })
  switch (size) {
    case "zero":
      return Usage.zero
    case "tiny":
      return usageOf(1, 0, 1)
    case "some":
      return usageOf(random.int(0, 5), random.int(0, 3), random.int(0, 6))
    case "same":
      return usageOf(2, 1, 2)
    case "near": {
      const limits = [...pathOf(budgets, budget)].flatMap((index) => budgets[index]!.limits)
      const max = limits.length === 0 ? 5 : random.pick(limits).max
      const amount = Math.max(0, max + random.pick([-1, 0, 0, 1]))
      return random.chance(0.5) ? usageOf(amount, 0, 1) : usageOf(0, Math.floor(amount / 2), amount)
    }
    case "nonsense":
      return drawNonsense(random)
  }
}

/** Makes some calls elastic, whose estimate may be larger than anything that there is room for. */
const drawElastic = (random: Random, kind: Kind, call: Call): Call => {
  if (call.via === "spend" || random.chance(0.4)) return call
  const { estimate } = call
  const more = random.chance(0.5) && Usage.isValid(estimate) ? random.int(0, 20) : 0
  const most = { ...estimate, outputTokens: estimate.outputTokens + more, reasoningTokens: more >> 1 }
  // What it uses was drawn for the estimate: so it exceeds nothing that may be granted.
  if (kind.hasOverruns === false) return { ...call, estimate: most, least: estimate }
  const inputTokens = random.chance(0.7) ? most.inputTokens : part(random, most.inputTokens)
  const least = {
    ...usageOf(inputTokens, part(random, most.outputTokens), part(random, most.costNanoUsd)),
    requests: most.requests
  }
  const isNonsense = kind.hasNonsense !== false && random.chance(0.05)
  return { ...call, estimate: most, least: isNonsense ? { ...least, outputTokens: most.outputTokens + 1 } : least }
}

const usageOf = (inputTokens: number, outputTokens: number, nanoUsd: number): Usage.Usage => ({
  ...Usage.make({ inputTokens, outputTokens, cacheReadTokens: inputTokens >> 1 }),
  costNanoUsd: nanoUsd
})

const drawNonsense = (random: Random): Usage.Usage => {
  const bad = random.pick([Number.NaN, -1, 1.5, Number.POSITIVE_INFINITY, 2 ** 53])
  return { ...usageOf(1, 1, 1), [random.pick(["inputTokens", "outputTokens", "costNanoUsd", "requests"])]: bad }
}

const drawActual = (random: Random, kind: Kind, estimate: Usage.Usage): Usage.Usage => {
  const { costNanoUsd, inputTokens, outputTokens } = estimate
  const more = kind.hasOverruns === false ? 0 : 2
  switch (random.weighted({ less: 5, same: 3, zero: 1, more, nonsense: kind.hasNonsense === false ? 0 : 0.7 })) {
    case "less":
      return {
        ...usageOf(part(random, inputTokens), part(random, outputTokens), part(random, costNanoUsd)),
        requests: estimate.requests
      }
    case "same":
      return { ...estimate }
    case "zero":
      return { ...Usage.zero }
    case "more":
      return usageOf(inputTokens + random.int(0, 9), outputTokens + random.int(0, 4), costNanoUsd + random.int(0, 9))
    case "nonsense":
      return drawNonsense(random)
  }
}

const part = (random: Random, amount: number): number => (amount >= 0 && amount < 1_000 ? random.int(0, amount) : 0)

const drawRead = (random: Random, kind: Kind, estimate: Usage.Usage): Usage.Usage | "throws" =>
  kind.hasNonsense !== false && random.chance(0.1) ? "throws" : drawActual(random, kind, estimate)

const drawSteps = (random: Random, kind: Kind, estimate: Usage.Usage, via: Call["via"]): ReadonlyArray<Step> => {
  const steps: Array<Step> = []
  for (
    let count = random.weighted({ none: 1, one: 4, more: 3 }) === "none" ? 0 : random.int(1, 4);
    count > 0;
    count--
  ) {
    const step = random.weighted({ sleep: 5, record: 1.5, commit: 2, release: 0.5 })
    if (via === "spend" || step === "sleep") {
      steps.push({ do: "sleep", millis: random.pick([0, 1, 3, 10, random.int(0, 100), 300, 700]) })
    } else if (step === "release") steps.push({ do: "release" })
    else steps.push({ do: step, usage: drawActual(random, kind, estimate) })
  }
  return steps
}

const drawDeeds = (
  random: Random,
  kind: Kind,
  budgets: ReadonlyArray<BudgetPlan>,
  calls: ReadonlyArray<Call>,
  span: number,
  hasSetBacks: boolean
): ReadonlyArray<Deed> => {
  const deeds: Array<Deed> = []
  const limits = budgets.map((plan) => plan.limits)
  for (let count = random.chance(0.5) ? 0 : random.int(1, 4); count > 0; count--) {
    const at = random.int(0, span)
    const budget = random.int(0, budgets.length - 1)
    const deed = random.weighted({ charge: 4, pause: 2, update: 4, close: hasSetBacks ? 0 : 0.5 })
    if (deed === "charge") deeds.push({ do: "charge", at, budget, usage: drawActual(random, kind, usageOf(3, 2, 4)) })
    else if (deed === "pause") {
      const isGradual = kind.hasGradual === true && random.chance(0.6)
      deeds.push({ do: "pause", at, budget, until: at + random.pick([-1, 0, 1, 20, 100, 1_000]), isGradual })
    } else if (deed === "update") {
      limits[budget] = drawUpdate(random, kind, limits[budget]!, `limit${10 + count}`)
      deeds.push({ do: "update", at, budget, limits: limits[budget] })
    } else if (calls.every((call) => call.budget !== budget || call.at < at)) deeds.push({ do: "close", at, budget })
  }
  return deeds
}

const drawUpdate = (
  random: Random,
  kind: Kind,
  limits: ReadonlyArray<Limit.Limit>,
  added: string
): ReadonlyArray<Limit.Limit> => {
  const kept = limits.flatMap((limit): ReadonlyArray<Limit.Limit> => {
    if (random.chance(0.2)) return []
    const max = Math.max(0, limit.max + random.int(-6, 6))
    if (random.chance(0.3)) return [limit]
    return [limit._tag === "TokenBucket" ? { ...limit, max, refill: random.int(1, 14) } : { ...limit, max }]
  })
  return random.chance(0.7) ? kept : [...kept, drawLimit(random, kind, added)]
}
