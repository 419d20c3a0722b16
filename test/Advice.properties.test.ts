import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import * as Advice from "../src/Advice.ts"
import * as Limit from "../src/Limit.ts"
import * as Simulation from "../src/Simulation.ts"
import * as Workload from "../src/Workload.ts"
import { forEachSeed, type Random } from "./support/random.ts"

const TARGET = 0.05

/** Limits and a workload that is too much for them. */
interface Case {
  readonly limits: ReadonlyArray<Limit.Limit>
  readonly tenants: ReadonlyArray<Simulation.Tenant>
  readonly workload: Workload.Workload
}

const randomShape = (random: Random): Workload.Shape => {
  const outputTokens = random.int(20, 400)
  return {
    inputTokens: random.chance(0.5) ? { median: 800, p95: random.int(1_000, 6_000) } : { min: 10, max: 2_000 },
    outputTokens: { min: 1, max: outputTokens },
    ...(random.chance(0.5) ? { maxOutputTokens: 2 * outputTokens } : {}),
    ...(random.chance(0.3) ? { millis: random.int(1, 5_000) } : {}),
    tenants: { acme: random.int(1, 3), umbrella: 1 }
  }
}

const randomWorkload = (random: Random): Workload.Workload => {
  const seed = random.int(0, 1_000_000)
  const calls = randomShape(random)
  const perMinute = random.int(10, 60)
  // About three hundred calls.
  const duration = `${Math.ceil(300 / perMinute)} minutes` as const
  switch (random.weighted({ poisson: 3, bursts: 2, diurnal: 1, fleet: 2 })) {
    case "poisson":
      return Workload.poisson({ perMinute, duration, calls, seed })
    case "bursts":
      return Workload.bursts({ size: perMinute, every: "1 minute", within: "10 seconds", duration, calls, seed })
    case "diurnal":
      return Workload.diurnal({ perMinute, peak: 0, duration, calls, seed })
    case "fleet":
      return Workload.fleet({ workers: random.int(2, 20), thinkMillis: { min: 0, max: 20_000 }, duration, calls, seed })
  }
}

const randomLimit = (random: Random): Limit.Limit => {
  switch (random.weighted({ sliding: 3, fixed: 1, bucket: 2, concurrency: 2, perCall: 1 })) {
    case "sliding":
      return Limit.slidingWindow("tokens", random.magnitude(2_000, 60_000), "1 minute")
    case "fixed":
      return Limit.fixedWindow("requests", random.int(3, 60), "minute")
    case "bucket":
      return Limit.tokenBucket("requests", random.int(3, 60), "1 minute", { capacity: random.int(1, 20) })
    case "concurrency":
      return Limit.concurrency(random.int(1, 10))
    case "perCall":
      return Limit.perCall("inputTokens", random.int(500, 8_000))
  }
}

const named = (limits: ReadonlyArray<Limit.Limit>): ReadonlyArray<Limit.Limit> =>
  limits.map((limit, index) => ({ ...limit, name: `${limit.name} ${index}` }))

const randomCase = (random: Random): Case => ({
  limits: named(Array.from({ length: random.int(1, 3) }, () => randomLimit(random))),
  tenants: [{ name: "acme", limits: random.chance(0.5) ? named([randomLimit(random)]) : [] }, { name: "umbrella" }],
  workload: randomWorkload(random)
})

/** The share of calls that wait or are refused. */
const shareOf = (given: Case): Effect.Effect<number, Workload.WorkloadError> =>
  Effect.map(Simulation.run(given), ({ calls }) => (calls.waited + calls.refused) / calls.asked)

/** A case with other limits in the place of those that were advised to change. */
const withLimits = (given: Case, changes: ReadonlyArray<Advice.LimitAdvice>): Case => {
  const changed = (budget: string, limits: ReadonlyArray<Limit.Limit>): ReadonlyArray<Limit.Limit> =>
    limits.map(
      (limit) =>
        changes.find((change) => change.budget === budget && change.current.name === limit.name)?.advised ?? limit
    )
  return {
    ...given,
    limits: changed("budget", given.limits),
    tenants: given.tenants.map((tenant) => ({ ...tenant, limits: changed(tenant.name, tenant.limits ?? []) }))
  }
}

const tenPercentLess = (advice: Advice.LimitAdvice): Advice.LimitAdvice => {
  const { advised } = advice
  const less = (amount: number): number => Math.floor(amount * 0.9)
  return advised._tag === "TokenBucket"
    ? {
        ...advice,
        advised: { ...advised, max: Math.max(1, less(advised.max)), refill: Math.max(1, less(advised.refill)) }
      }
    : { ...advice, advised: { ...advised, max: less(advised.max) } }
}

describe("advice", () => {
  it("is enough, and a tenth less is not", { timeout: 240_000 }, async () => {
    let tight = 0
    await forEachSeed({ name: "advice is enough, and a tenth less is not", runs: 70 }, (random) =>
      Effect.runPromise(
        Effect.gen(function* () {
          const given = randomCase(random)
          random.note(given.limits, given.tenants, given.workload)
          const advice = yield* Advice.fromWorkload({ ...given, target: TARGET })
          random.note(advice.verdict)
          if (advice.share <= TARGET) return
          tight++
          const limits = advice.limits ?? []
          expect(limits.length).toBeGreaterThan(0)

          expect(yield* shareOf(withLimits(given, limits))).toBeLessThanOrEqual(TARGET)
          expect(yield* shareOf(withLimits(given, limits.map(tenPercentLess)))).toBeGreaterThan(TARGET)
          for (const one of limits) {
            const changes = limits.map((limit) => (limit === one ? tenPercentLess(one) : limit))
            expect(yield* shareOf(withLimits(given, changes))).toBeGreaterThan(TARGET)
          }
        })
      )
    )
    expect(tight).toBeGreaterThanOrEqual(process.env["SEED"] === undefined ? 50 : 0)
  })
})
