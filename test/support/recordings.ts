/**
 * Recordings for tests, made by code: the same ones each time.
 */
import type { Recording } from "effect-budget"

type BudgetRecord = Recording.BudgetRecord
type CallsRecord = Recording.CallsRecord
type LimitRecord = Recording.LimitRecord

const noUsage = { inputTokens: 0, outputTokens: 0, costNanoUsd: 0, requests: 0 }

export const noCalls: CallsRecord = {
  asked: 0,
  admitted: 0,
  waited: 0,
  refused: 0,
  settled: 0,
  overran: 0,
  refusals: [],
  waitMillis: { count: 0, p50: 0, p90: 0, p95: 0, p99: 0, p999: 0, max: 0 },
  estimated: noUsage,
  actual: noUsage
}

export const noSeries: Recording.SeriesRecord = {
  tokens: [],
  costNanoUsd: [],
  admitted: [],
  waited: [],
  refused: [],
  waitMillisMax: []
}

export const budgetRecord = (fields: Partial<BudgetRecord>): BudgetRecord => ({
  name: "key",
  weight: 1,
  limits: [],
  calls: noCalls,
  series: noSeries,
  ...fields
})

export const limitRecord = (fields: Partial<LimitRecord>): LimitRecord => ({
  name: "slidingWindow(tokens, 60000ms)",
  kind: "SlidingWindow",
  meter: "tokens",
  max: 90_000,
  windowMillis: 60_000,
  used: [],
  waited: 0,
  refused: 0,
  ...fields
})

export const recordingOf = (fields: Partial<Recording.Recording>): Recording.Recording => ({
  version: 1,
  title: "A recording",
  startedAt: Date.UTC(2026, 0, 15),
  durationMillis: 0,
  stepMillis: 60_000,
  calls: noCalls,
  budgets: [],
  trace: [],
  ...fields
})

const steps = 288
const perStep = Array.from({ length: steps }, (_, step) => step)
const perCall = { inputTokens: 1_400, outputTokens: 320, costNanoUsd: 6_700_000 }

/** A day of three tenants of one key: more than fits at the busiest hours, and a batch at night. */
export const day = (): Recording.Recording => {
  const tenants = [
    tenant("chat", 1, (hour) => 900 * (0.25 + bump(hour, 14, 4) + 0.6 * bump(hour, 20, 2))),
    tenant("search", 2, (hour) => 520 * (0.2 + bump(hour, 11, 3))),
    tenant("nightly-batch", 3, (hour) => 1_150 * bump(hour, 3, 1.1))
  ]
  const stepwise = (pick: (budget: BudgetRecord) => ReadonlyArray<number>) =>
    perStep.map((step) => tenants.reduce((sum, budget) => sum + (pick(budget)[step] ?? 0), 0))
  const tokens = stepwise(({ series }) => series.tokens).map((sum) => Math.min(500_000, Math.round(sum / 4.1)))
  const requests = stepwise(({ series }) => series.admitted).map((sum) => Math.min(400, Math.round(sum / 4.1)))
  const key = budgetRecord({
    name: "provider-key",
    limits: [
      limitRecord({
        max: 500_000,
        used: tokens,
        waited: tenants.reduce((sum, { calls }) => sum + calls.waited, 0) - 212
      }),
      limitRecord({
        name: "slidingWindow(requests, 60000ms)",
        meter: "requests",
        max: 400,
        used: requests,
        waited: 212
      }),
      {
        ...noWindow,
        name: "concurrency",
        kind: "Concurrency",
        meter: "requests",
        max: 40,
        used: requests.map((n) => Math.min(40, Math.round(n / 9)))
      },
      {
        ...noWindow,
        name: "cap(usd)",
        kind: "Cap",
        meter: "usd",
        max: 2_500e9,
        used: runningSum(stepwise(({ series }) => series.costNanoUsd))
      }
    ]
  })
  return recordingOf({
    title: "A day of three tenants under one key",
    durationMillis: 86_400_000,
    stepMillis: 300_000,
    calls: together(tenants.map(({ calls }) => calls)),
    budgets: [key, ...tenants],
    provider: {
      limits: [{ name: "tokens per minute", meter: "tokens", max: 550_000 }],
      withBudget: { calls: tenants.reduce((sum, { calls }) => sum + calls.admitted, 0), throttled: 0 },
      withoutBudget: { calls: 214_903, throttled: 31_877 }
    }
  })
}

const noWindow = { waited: 0, refused: 0 }

/** One tenant: what is asked for at an hour in five minutes, of which a part does not fit. */
const tenant = (name: string, seed: number, callsAt: (hour: number) => number): BudgetRecord => {
  const random = randomOf(seed)
  const asked = perStep.map((step) => Math.round(callsAt(step / 12) * (0.85 + 0.3 * random())))
  const waited = asked.map((count) => Math.round(Math.max(0, count - 820) * (0.6 + 0.3 * random())))
  const refused = asked.map((count) => Math.round(Math.max(0, count - 1_050) * 0.35))
  const admitted = asked.map((count, step) => count - (refused[step] ?? 0))
  const tokens = admitted.map((count) =>
    Math.round(count * (perCall.inputTokens + perCall.outputTokens) * (0.9 + 0.2 * random()))
  )
  const costNanoUsd = admitted.map((count) => count * perCall.costNanoUsd)
  const waitMillisMax = waited.map((count) =>
    count === 0 ? 0 : Math.min(30_000, Math.round(count * 95 * (0.7 + 0.6 * random())))
  )
  const sum = (values: ReadonlyArray<number>) => values.reduce((total, value) => total + value, 0)
  const usage = (factor: number) => ({
    inputTokens: Math.round(sum(tokens) * 0.8 * factor),
    outputTokens: Math.round(sum(tokens) * 0.2 * factor),
    costNanoUsd: Math.round(sum(costNanoUsd) * factor),
    requests: sum(admitted)
  })
  const max = Math.max(...waitMillisMax)
  return budgetRecord({
    name,
    limits: [
      limitRecord({
        name: "share of tokens",
        max: 400_000,
        used: tokens.map((count) => Math.min(400_000, Math.round(count / 4.4)))
      })
    ],
    calls: {
      asked: sum(asked),
      admitted: sum(admitted),
      waited: sum(waited),
      refused: sum(refused),
      settled: sum(admitted),
      overran: Math.round(sum(admitted) / 90),
      refusals:
        sum(refused) === 0
          ? []
          : [
              {
                reason: "WaitTimeout",
                budget: "provider-key",
                limit: "slidingWindow(tokens, 60000ms)",
                count: sum(refused)
              }
            ],
      waitMillis: {
        count: sum(admitted),
        p50: 0,
        p90: Math.round(max / 30),
        p95: Math.round(max / 12),
        p99: Math.round(max / 3),
        p999: Math.round(max / 1.2),
        max
      },
      estimated: usage(1.18),
      actual: usage(1)
    },
    series: { tokens, costNanoUsd, admitted, waited, refused, waitMillisMax }
  })
}

/** The calls of some budgets as those of one. Quantiles are those of the first. */
const together = (all: ReadonlyArray<CallsRecord>): CallsRecord => {
  const sum = (pick: (calls: CallsRecord) => number) => all.reduce((total, calls) => total + pick(calls), 0)
  const usage = (of: "estimated" | "actual") => ({
    requests: sum((calls) => calls[of].requests),
    inputTokens: sum((calls) => calls[of].inputTokens),
    outputTokens: sum((calls) => calls[of].outputTokens),
    costNanoUsd: sum((calls) => calls[of].costNanoUsd)
  })
  const refusals = all.flatMap((calls) => calls.refusals)
  return {
    asked: sum((calls) => calls.asked),
    admitted: sum((calls) => calls.admitted),
    waited: sum((calls) => calls.waited),
    refused: sum((calls) => calls.refused),
    settled: sum((calls) => calls.settled),
    overran: sum((calls) => calls.overran),
    refusals: refusals
      .slice(0, 1)
      .map((refusal) => Object.assign({}, refusal, { count: sum((calls) => calls.refused) })),
    waitMillis: { ...noCalls.waitMillis, ...all[0]?.waitMillis },
    estimated: usage("estimated"),
    actual: usage("actual")
  }
}

const bump = (hour: number, at: number, width: number): number => Math.exp(-(((hour - at) / width) ** 2))

const runningSum = (values: ReadonlyArray<number>): ReadonlyArray<number> => {
  let sum = 0
  return values.map((value) => (sum += value))
}

const randomOf = (seed: number) => {
  let state = seed * 2_654_435_761
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 1 | state) + 0x6d2b79f5) >>> 0
    return state / 4_294_967_296
  }
}
