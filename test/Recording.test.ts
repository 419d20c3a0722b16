import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as Budget from "../src/Budget.ts"
import * as Deadline from "../src/Deadline.ts"
import * as Limit from "../src/Limit.ts"
import * as Recording from "../src/Recording.ts"
import * as Simulation from "../src/Simulation.ts"
import * as Usage from "../src/Usage.ts"
import * as Workload from "../src/Workload.ts"

const tokens = (inputTokens: number) => Usage.make({ inputTokens })

/** A call of a budget that runs for a while and uses what it has reserved. */
const callOf = (budget: Budget.Budget, estimate: Usage.Usage, millis: number, options: Budget.ReserveOptions = {}) =>
  Effect.sleep(millis).pipe(budget.spend({ ...options, estimate }))

describe("a recording of a live budget", () => {
  it.effect("tells who waited for what, who was refused, and what was used", () =>
    Effect.gen(function* () {
      const key = yield* Budget.make({ name: "key", limits: [Limit.slidingWindow("tokens", 100, "10 seconds")] })
      const run = yield* Budget.make({ name: "run", limits: [Limit.concurrency(1)], within: [key] })
      const recorder = yield* Recording.make(key, { tenants: [run], title: "a test" })

      const first = yield* Effect.forkChild(callOf(run, tokens(60), 2_000))
      yield* TestClock.adjust(500)
      const second = yield* Effect.forkChild(callOf(run, tokens(30), 1_200))
      yield* Effect.ignore(callOf(key, tokens(50), 1_000, { maxWait: 0 }))
      yield* TestClock.adjust("9 seconds")
      yield* Fiber.join(first)
      yield* Fiber.join(second)
      yield* key.charge(tokens(7))

      const { budgets, calls, ...recording } = yield* recorder.recording
      expect(recording).toMatchObject({
        version: 1,
        title: "a test",
        startedAt: 0,
        durationMillis: 9_500,
        stepMillis: 1_000
      })
      expect(calls).toMatchObject({ asked: 3, admitted: 2, waited: 1, refused: 1, settled: 2, overran: 0 })
      expect(calls.waitMillis).toMatchObject({ count: 2, p50: 0, max: 1_500 })
      expect(calls.actual).toMatchObject({ requests: 3, inputTokens: 97 })
      expect(budgets.map(({ name, calls }) => [name, calls.asked])).toEqual([
        ["key", 1],
        ["run", 2]
      ])
      expect(calls.refusals).toEqual([
        { reason: "WindowExceeded", budget: "key", limit: "slidingWindow(tokens, 10000ms)", count: 1 }
      ])
      const [ofKey, ofRun] = budgets
      expect(ofKey?.limits[0]).toMatchObject({ waited: 0, refused: 1, used: [60, 60, 90, 90, 90, 90, 90, 90, 90, 97] })
      expect(ofRun?.limits[0]).toMatchObject({ waited: 1, refused: 0, used: [1, 1, 1, 1, 0, 0, 0, 0, 0, 0] })
      expect(ofRun?.series.admitted).toEqual([1, 0, 1, 0, 0, 0, 0, 0, 0, 0])
      expect(ofRun?.series.waitMillisMax).toEqual([0, 0, 1_500, 0, 0, 0, 0, 0, 0, 0])
      expect(ofRun?.series.tokens).toEqual([0, 0, 60, 30, 0, 0, 0, 0, 0, 0])
      expect(recording.trace).toEqual([
        { at: 0, tenant: 1, estimate: { inputTokens: 60 }, actual: { inputTokens: 60 }, millis: 2_000, waitMillis: 0 },
        {
          at: 500,
          tenant: 0,
          estimate: { inputTokens: 50 },
          actual: { inputTokens: 50 },
          millis: 1_600,
          waitMillis: 0,
          isRefused: true
        },
        {
          at: 500,
          tenant: 1,
          estimate: { inputTokens: 30 },
          actual: { inputTokens: 30 },
          millis: 1_200,
          waitMillis: 1_500
        }
      ])
    })
  )

  it.effect("is that of a simulation of the same calls", () =>
    Effect.gen(function* () {
      const limits = [Limit.slidingWindow("tokens", 20_000, "1 minute"), Limit.fixedWindow("requests", 20, "minute")]
      const tenants = [{ name: "acme", limits: [Limit.concurrency(2)], weight: 2 }, { name: "umbrella" }]
      const workload = Workload.poisson({
        perMinute: 30,
        duration: "5 minutes",
        calls: { tenants: { acme: 2, umbrella: 1 }, maxOutputTokens: 1_000, inputTokens: { min: 10, max: 900 } }
      })
      const simulated = yield* Simulation.run({
        limits,
        tenants,
        workload,
        name: "key",
        start: 0,
        maxWait: "40 seconds",
        title: "key"
      })

      const key = yield* Budget.make({ name: "key", limits })
      const inside = new Map<string, Budget.Budget>()
      for (const { limits = [], name, weight } of tenants) {
        inside.set(name, yield* Budget.make({ name, limits, weight, within: [key] }))
      }
      const recorder = yield* Recording.make(key, { tenants: [...inside.values()] })
      const fibers = yield* Effect.forEach(
        yield* Stream.runCollect(workload.calls),
        ({ actual, at, estimate, millis, tenant }) =>
          Effect.sleep(millis).pipe(
            inside.get(tenant ?? "")!.spend({ estimate, actual: () => actual, maxWait: "40 seconds" }),
            Effect.ignore,
            Effect.delay(at),
            Effect.forkChild
          )
      )
      yield* TestClock.adjust(simulated.recording.durationMillis)
      yield* Fiber.joinAll(fibers)

      expect(simulated.calls.waited).toBeGreaterThan(0)
      expect(simulated.calls.refused).toBeGreaterThan(0)
      expect(yield* recorder.recording).toEqual(simulated.recording)
    })
  )

  it.effect("keeps the most recent calls, as many as it may", () =>
    Effect.gen(function* () {
      const key = yield* Budget.make({ name: "key", limits: [] })
      const recorder = yield* Recording.make(key, { traceMax: 3 })
      for (let call = 1; call <= 8; call++) yield* Effect.void.pipe(key.spend({ estimate: tokens(call) }))
      const { calls, trace } = yield* recorder.recording
      expect(calls.asked).toBe(8)
      expect(trace.map(({ estimate }) => estimate.inputTokens).sort()).toEqual([6, 7, 8])
    })
  )

  it.effect("puts the calls of budgets together that are too many to be told apart", () =>
    Effect.gen(function* () {
      const key = yield* Budget.make({ name: "key", limits: [] })
      const recorder = yield* Recording.make(key)
      for (let user = 0; user < 200; user++) {
        const limits = [Limit.cap("tokens", 1)]
        const budget = yield* Budget.make({ name: `user ${user}`, limits, within: [key] })
        yield* Effect.void.pipe(budget.spend({ estimate: tokens(1) }))
        yield* Effect.ignore(Effect.void.pipe(budget.spend({ estimate: tokens(1), maxWait: 0 })))
      }
      const { budgets, calls } = yield* recorder.recording
      expect(calls.asked).toBe(400)
      expect(budgets.length).toBe(65)
      expect(budgets.at(-1)).toMatchObject({ name: "(others)", isPartial: true, limits: [], calls: { asked: 274 } })
      expect(budgets[1]).toMatchObject({ name: "user 0", isPartial: true, limits: [{ refused: 1 }] })
      expect(budgets[0]).not.toHaveProperty("isPartial")
    })
  )

  it.effect("sees the peaks of the root in the calls of budgets whose limits are not recorded", () =>
    Effect.gen(function* () {
      const key = yield* Budget.make({ name: "key", limits: [Limit.concurrency(5)] })
      const recorder = yield* Recording.make(key)
      const user = yield* Budget.make({ name: "user", limits: [], within: [key] })
      yield* TestClock.adjust(100)
      const calls = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(callOf(user, tokens(1), 300)))
      yield* TestClock.adjust(600)
      yield* Effect.forEach(calls, Fiber.join)
      const { budgets } = yield* recorder.recording
      expect(budgets[0]?.limits[0]?.used).toEqual([3])
    })
  )

  it.effect("charges a refusal by deadline to the limit that was in the way", () =>
    Effect.gen(function* () {
      const key = yield* Budget.make({ name: "key", limits: [Limit.concurrency(1)] })
      const user = yield* Budget.make({ name: "user", limits: [], within: [key] })
      const recorder = yield* Recording.make(key, { tenants: [user] })
      const first = yield* Effect.forkChild(callOf(user, tokens(1), 2_000))
      yield* TestClock.adjust(100)
      const late = callOf(user, tokens(1), 1).pipe(Deadline.within("1 second"), Effect.flip)
      const second = yield* Effect.forkChild(late)
      yield* TestClock.adjust("3 seconds")
      expect(yield* Fiber.join(second)).toMatchObject({ reason: { _tag: "DeadlineExceeded" } })
      yield* Fiber.join(first)
      const { budgets, calls } = yield* recorder.recording
      expect(budgets[0]?.limits).toMatchObject([{ name: "concurrency", refused: 1 }])
      expect(calls.refusals).toEqual([{ reason: "DeadlineExceeded", budget: "key", limit: "concurrency", count: 1 }])
    })
  )

  it.effect("ends with its scope", () =>
    Effect.gen(function* () {
      const key = yield* Budget.make({ name: "key", limits: [] })
      const { recording } = yield* Effect.scoped(Recording.make(key))
      yield* Effect.void.pipe(key.spend({ estimate: tokens(1) }))
      expect((yield* recording).calls.asked).toBe(0)
    })
  )

  it.effect("can be written as JSON and read again", () =>
    Effect.gen(function* () {
      const { recording } = yield* Simulation.run({
        limits: [
          Limit.slidingWindow("tokens", 20_000, "1 minute", { chargeAt: "settle" }),
          Limit.fixedWindow("usd", 2, "day", { timeZone: "America/Los_Angeles" }),
          Limit.tokenBucket("requests", 10, "1 minute", { capacity: 5 }),
          Limit.perCall("tokens", 3_000)
        ],
        workload: Workload.poisson({ perMinute: 30, duration: "5 minutes" }),
        provider: { limits: [Limit.concurrency(3)] }
      })
      expect(yield* Schema.decodeUnknownEffect(Recording.Schema)(JSON.parse(JSON.stringify(recording)))).toEqual(
        recording
      )
    })
  )

  it.effect("is refused with the place of what makes no sense", () =>
    Effect.gen(function* () {
      const { recording } = yield* Simulation.run({
        limits: [],
        workload: Workload.poisson({ perMinute: 30, duration: "1 minute" })
      })
      const broken = { ...recording, budgets: [{ ...recording.budgets[0], weight: "heavy" }] }
      const { message } = yield* Effect.flip(Schema.decodeUnknownEffect(Recording.Schema)(broken))
      expect(message).toContain(`["budgets"][0]["weight"]`)
    })
  )
})
