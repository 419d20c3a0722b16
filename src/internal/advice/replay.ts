import type { RecordingOptions } from "../../Advice.ts"
import type * as Limit from "../../Limit.ts"
import type { BudgetRecord, Recording, TracedCall, TracedUsage } from "../../Recording.ts"
import type { Setting } from "../simulation/setting.ts"
import * as Usage from "../../Usage.ts"
import type { Call } from "../../Workload.ts"
import { limitOf } from "../recording/limitRecord.ts"
import type { Calls } from "./trial.ts"

/** The setting of a recording, or, in one sentence, why it cannot be made again. */
export const settingOf = (recording: Recording, { limits, maxWait }: RecordingOptions): Setting | string => {
  const [root, ...others] = recording.budgets
  if (root === undefined) return "the recording has no budgets"
  const problem = problemWith(recording.budgets)
  if (problem !== undefined) return problem
  const ofRoot = limits ?? limitsOf(root)
  if (typeof ofRoot === "string") return ofRoot
  const tenants = []
  for (const tenant of others) {
    const limits = limitsOf(tenant)
    if (typeof limits === "string") return limits
    tenants.push({ name: tenant.name, weight: tenant.weight, limits })
  }
  return { name: root.name, limits: ofRoot, tenants, maxWait, traceMax: 0 }
}

/** A simulation has a root and budgets directly within it, all of which keep calls out. */
const problemWith = (budgets: ReadonlyArray<BudgetRecord>): string | undefined => {
  const shadow = budgets.find(({ isShadow }) => isShadow)
  if (shadow !== undefined) {
    return `${shadow.name} is a shadow budget, and only budgets that keep calls out can be simulated again`
  }
  const nested = budgets.find(({ within = 0 }) => within !== 0)
  return nested === undefined
    ? undefined
    : `${nested.name} is not directly within ${budgets[0]?.name} alone, and only such budgets can be simulated again`
}

const limitsOf = ({ isPartial, limits }: BudgetRecord): ReadonlyArray<Limit.Limit> | string => {
  if (isPartial) return []
  const made = limits.map(limitOf)
  const wrong = made.find((limit) => typeof limit === "string")
  return wrong ?? made.filter((limit) => typeof limit !== "string")
}

/** The calls that a recording has kept. They start when its first one asked. */
export const callsOf = ({ budgets, startedAt, trace }: Recording): Calls => {
  const first = trace[0]?.at ?? 0
  return {
    _tag: "Given",
    start: startedAt + first,
    calls: trace.map((call) => callOf(call, budgets[call.tenant]?.name, first))
  }
}

const callOf = ({ actual, at, estimate, millis }: TracedCall, tenant: string | undefined, first: number): Call => ({
  at: at - first,
  tenant,
  estimate: usageOf(estimate),
  actual: usageOf(actual),
  millis
})

const usageOf = (traced: TracedUsage): Usage.Usage => ({ ...Usage.zero, requests: 1, ...traced })
