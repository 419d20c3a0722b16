/**
 * What the job says before and after the runs.
 */
import { chartMax, peakOf, renderChart, scaleOf, thousands } from "./chart.ts"
import type { Document } from "./documents.ts"
import type { Ink } from "./ink.ts"
import {
  documentTokensMax,
  jitterMillisMax,
  marginPercent,
  providerLimits,
  sessionTokensMax,
  summaryTokensMax,
  taskMax,
  type Plan
} from "./plan.ts"
import { count, inOutage, throttled, type FinishedRun } from "./run.ts"
import { renderTable } from "./table.ts"
import type { GuardedRun } from "./withGuard.ts"

const columns = 100
const samplesMax = 3
const sampleCharsMin = 60

const minute = `${providerLimits.minuteMillis / 1_000} s`

export const introduce = (plan: Plan, documents: ReadonlyArray<Document>, ink: Ink): string => {
  const calls = plan.agents * plan.tasksPerAgent
  const cut = documents.filter((document) => document.cut).length
  const again = calls > documents.length ? ", some more than once" : ""
  const { requestsPerMinute, tokensPerMinute } = providerLimits
  return [
    ink.strong(`${plan.agents} agents summarise ${plan.tasksPerAgent} documents each: ${whole(calls)} calls`),
    "",
    `  documents  ${documents.length} real files, dealt out in turn${again}. ${cut} are cut to ${whole(documentTokensMax)} tokens.`,
    `  provider   Local, over real HTTP: token buckets of ${whole(tokensPerMinute)} tokens and ${requestsPerMinute} requests per minute,`,
    `             and its minute lasts ${minute}. It admits a call by its input + max_completion_tokens (${summaryTokensMax}),`,
    `             and gives back what was not used. There is no model behind it: a summary is the`,
    `             document's first sentences. Its usage is counted by js-tiktoken.`,
    `  outage     From ${seconds(plan.outage.fromMillis)} to ${seconds(plan.outage.untilMillis)} it is down, and answers every call with 503.`,
    `  client     The openai package. Without a guard it retries twice, as it does by default.`,
    `             With one it never retries: the guard does, when there is room and no outage is known.`,
    `  guard      All agents share ${marginPercent} % of the provider's limits, in rolling windows of ${minute}. The other`,
    `             ${100 - marginPercent} % cover network delays that differ by up to ${whole(jitterMillisMax)} ms. Each agent may spend`,
    `             ${whole(sessionTokensMax)} tokens in its session, and work on a document for ${taskMax}. A circuit opens when`,
    `             half of the last 20 calls have failed, and is tried again after a while.`
  ].join("\n")
}

export const report = (plan: Plan, without: FinishedRun, within: GuardedRun, ink: Ink): string => {
  const runs = [without, within]
  const scale = scaleOf(runs, providerLimits, plan.outage)
  const peak = Math.max(...runs.map((run) => peakOf(run, scale)))
  const legend = [
    `${ink.served("█")} served`,
    ...(runs.some((run) => throttled(run) > 0) ? [`${ink.refused("░")} refused with 429`] : []),
    ...(peak > chartMax(scale) ? [`${ink.refused("▲")} more than fits here, up to ${thousands(peak)}`] : []),
    `${ink.limit("▔")} the provider's limit`
  ]
  return [
    "",
    renderTable(runs, ink),
    "",
    ...conclude(without, within),
    "",
    ink.strong(`  Tokens per second, as the provider sees them (mean of the ${minute} before)`),
    `  ${legend.join("   ")}`,
    ...(peak > scale.limitPerSecond
      ? ["  The provider's bucket is full at the start: one minute's tokens more than flow into it."]
      : []),
    "",
    ...runs.flatMap((run) => [`  ${run.title}`, renderChart(run, scale, ink), ""]),
    ...sampleOf(within, ink)
  ].join("\n")
}

const conclude = (without: FinishedRun, within: GuardedRun): ReadonlyArray<string> => {
  const lines: Array<string> = []
  const lost = count(without, "Failed")
  if (throttled(without) === 0) lines.push("The fleet is too small to reach the provider's limits: try more agents.")
  if (lost > 0)
    lines.push(`Without a guard ${whole(lost)} calls were given up: that run ends earlier because it did less.`)
  lines.push(`With one, each call waits until it fits, and only then is sent.`)
  lines.push(
    `The outage was met by ${whole(inOutage(within))} requests, not ${whole(inOutage(without))}: the circuit opened ` +
      `${times(within.openings)}, and the other calls waited.`
  )
  const usedUp = within.outcomes.filter(
    (outcome) =>
      outcome._tag === "Refused" &&
      outcome.error._tag === "BudgetError" &&
      outcome.error.reason._tag === "BudgetExceeded"
  ).length
  if (usedUp > 0) {
    lines.push(
      `${whole(usedUp)} no longer fitted into what their agent may spend: refused before they were sent, at no cost.`
    )
  }
  lines.push(`At the end of it ${within.key.open} reservations are open and ${within.key.waiting} calls are waiting.`)
  return lines.map((line) => `  ${line}`)
}

const sampleOf = (run: FinishedRun, ink: Ink): ReadonlyArray<string> => {
  const summaries = run.outcomes.flatMap((outcome) =>
    outcome._tag === "Completed" && outcome.text.length >= sampleCharsMin
      ? [`${outcome.document.name}: ${outcome.text}`]
      : []
  )
  const distinct = [...new Set(summaries)]
  const every = Math.max(1, Math.floor(distinct.length / samplesMax))
  const samples = distinct.filter((_, index) => index % every === 0).slice(0, samplesMax)
  if (samples.length === 0) return []
  return [ink.strong("  Some of the summaries"), ...samples.map((sample) => clip(`  ${sample}`))]
}

const clip = (line: string): string => (line.length > columns ? `${line.slice(0, columns - 1)}…` : line)
const seconds = (millis: number): string => `${millis / 1_000} s`
const times = (count: number): string => (count === 1 ? "once" : `${count} times`)
const whole = (amount: number): string => amount.toLocaleString("en-US")
