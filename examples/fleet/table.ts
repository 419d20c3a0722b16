/**
 * The runs side by side.
 */
import type { Ink } from "./ink.ts"
import { count, inOutage, throttled, type FinishedRun, type Outcome } from "./run.ts"

const labelWidth = 52
const valueWidth = 22

export const renderTable = (runs: ReadonlyArray<FinishedRun>, ink: Ink): string => {
  const row = (label: string, value: (run: FinishedRun) => string) =>
    `  ${label.padEnd(labelWidth)}${runs.map((run) => value(run).padStart(valueWidth)).join("")}`
  // What happened in neither run has no row.
  const rowIfAny = (label: string, value: (run: FinishedRun) => number) =>
    runs.some((run) => value(run) > 0) ? [row(label, (run) => whole(value(run)))] : []
  const refusals = [...new Set(runs.flatMap(refusalsOf))]
  return [
    ink.strong(row("", (run) => run.title)),
    ink.faint(`  ${"─".repeat(labelWidth + valueWidth * runs.length)}`),
    row("calls the agents wanted", (run) => whole(run.calls)),
    row("  completed", (run) => whole(count(run, "Completed"))),
    ...rowIfAny("  failed with 429, also when retried", (run) => failures(run).filter((is429) => is429).length),
    ...rowIfAny("  failed with 503, also when retried", (run) => failures(run).filter((is429) => !is429).length),
    ...refusals.map((by) =>
      row(`  refused by ${by}`, (run) => whole(refusalsOf(run).filter((other) => other === by).length))
    ),
    row("requests that reached the provider", (run) => whole(run.attempts.length)),
    row("  answered with 429", (run) =>
      (throttled(run) > 0 ? ink.refused : ink.served)(whole(throttled(run)).padStart(valueWidth))
    ),
    row("  answered with 503, in the outage", (run) => {
      const failed = inOutage(run)
      return (failed > 0 ? ink.refused : ink.served)(whole(failed).padStart(valueWidth))
    }),
    row("tokens used", (run) => whole(tokensUsed(run))),
    row("wall time", (run) => time(run.wallMillis)),
    row("wait of a completed call, p50", (run) => time(quantile(waits(run), 0.5))),
    row("wait of a completed call, p95", (run) => time(quantile(waits(run), 0.95)))
  ].join("\n")
}

/** Of each call that failed, whether it was throttled. */
const failures = (run: FinishedRun): ReadonlyArray<boolean> =>
  run.outcomes.flatMap((outcome) => (outcome._tag === "Failed" ? [outcome.error.status === 429] : []))

/** What refused each call: the budget and the limit, such as `AgentRun: cap(tokens)`, its deadline, or the circuit. */
const refusalsOf = (run: FinishedRun): ReadonlyArray<string> =>
  run.outcomes.flatMap((outcome) => {
    return outcome._tag === "Refused" ? [refuserOf(outcome.error)] : []
  })

const refuserOf = (error: Extract<Outcome, { _tag: "Refused" }>["error"]): string => {
  if (error._tag === "DeadlineExceeded") return "its deadline"
  if (error._tag === "CircuitBreakerError") return "the circuit"
  const { limitName, reason } = error
  return limitName === undefined ? reason.budget : `${reason.budget}: ${limitName}`
}

const waits = (run: FinishedRun): ReadonlyArray<number> =>
  run.outcomes.flatMap((outcome) => (outcome._tag === "Completed" ? [outcome.waitedMillis] : []))

const tokensUsed = (run: FinishedRun): number =>
  run.attempts.reduce((sum, attempt) => sum + (attempt.refused ? 0 : attempt.tokens), 0)

const quantile = (values: ReadonlyArray<number>, q: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? 0
}

const whole = (amount: number): string => amount.toLocaleString("en-US")
const time = (millis: number): string =>
  millis < 1_000 ? `${Math.round(millis)} ms` : `${(millis / 1_000).toFixed(1)} s`
