import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import * as Advice from "../src/Advice.ts"
import * as Budget from "../src/Budget.ts"
import * as Limit from "../src/Limit.ts"
import * as Recording from "../src/Recording.ts"
import * as Simulation from "../src/Simulation.ts"
import * as Usage from "../src/Usage.ts"
import * as Workload from "../src/Workload.ts"

const everySecond = (count: number, millis: number): Workload.Open =>
  Workload.trace(
    Array.from({ length: count }, (_, index) => {
      const usage = Usage.make({ inputTokens: 100 })
      return { at: index * 1_000, estimate: usage, actual: usage, millis }
    })
  )

describe("advice", () => {
  it.effect("finds what can be worked out by hand", () =>
    Effect.gen(function* () {
      // A call each second that runs for five takes five places.
      const advice = yield* Advice.fromWorkload({
        limits: [Limit.concurrency(2), Limit.slidingWindow("tokens", 6_000, "1 minute")],
        workload: everySecond(1_000, 5_000)
      })
      expect(advice.share).toBeGreaterThan(0.9)
      expect(advice.hindrances.map(({ limit }) => limit)).toEqual(["concurrency"])
      expect(advice.limits).toEqual([
        { budget: "budget", current: Limit.concurrency(2), advised: Limit.concurrency(5) }
      ])
      expect(advice.shareThen).toBe(0)
      expect(advice.pace).toBeCloseTo(0.4, 2)
      expect(advice.workers).toBeUndefined()
      expect(advice.verdict).toBe(
        "The limits are too tight: 100 % of 1,000 calls had to wait or were refused, most of them because of concurrency " +
          "of budget. Above 5 % is too much. The share lies between 99 % and 100 % with a probability of 95 %. Enough would " +
          "be 5 reservations for concurrency of budget instead of 2 reservations: then it would be 0 % of the 1,000 calls " +
          "that were simulated again. With the limits as they are, calls may come at 40 % of their pace."
      )
    })
  )

  it.effect("finds the limit that is in the way behind the first one", () =>
    Effect.gen(function* () {
      const { limits } = yield* Advice.fromWorkload({
        limits: [Limit.concurrency(1)],
        tenants: [{ name: "acme", limits: [Limit.tokenBucket("tokens", 3_000, "1 minute", { capacity: 600 })] }],
        workload: Workload.trace(
          Array.from({ length: 500 }, (_, index) => {
            const usage = Usage.make({ inputTokens: 100 })
            return { at: index * 1_000, tenant: "acme", estimate: usage, actual: usage, millis: 1_500 }
          })
        )
      })
      expect(limits?.map(({ advised, budget }) => [budget, advised._tag])).toEqual([
        ["budget", "Concurrency"],
        ["acme", "TokenBucket"]
      ])
      // A hundred tokens each second are six thousand a minute.
      const [concurrency, bucket] = limits ?? []
      expect(concurrency?.advised.max).toBe(2)
      expect(bucket?.advised).toMatchObject({ refill: expect.closeTo(5_900, -3), max: expect.closeTo(1_180, -2) })
    })
  )

  it.effect("leaves limits alone that are wide enough, and says so", () =>
    Effect.gen(function* () {
      const advice = yield* Advice.fromWorkload({ limits: [Limit.concurrency(5)], workload: everySecond(1_000, 5_000) })
      expect(advice).toMatchObject({ share: 0, limits: [], pace: undefined, workers: undefined })
      expect(advice.verdict).toBe(
        "The limits are wide enough: 0 % of 1,000 calls had to wait or were refused, at most 5 % is fine. The share lies " +
          "between 0 % and 0 % with a probability of 95 %."
      )
    })
  )

  it.effect("fails with what is wrong with a call of a fleet", () =>
    Effect.gen(function* () {
      const workload = Workload.fleet({ workers: 1, duration: "1 minute", calls: { tenants: { acmee: 1 } } })
      const error = yield* Effect.flip(Advice.fromWorkload({ limits: [], tenants: [{ name: "acme" }], workload }))
      expect(error.message).toBe('call 1 of worker 0 of the workload: it is of tenant "acmee", which is none of acme')
    })
  )

  it.effect("says how many workers a fleet may have", () =>
    Effect.gen(function* () {
      const fleet = (workers: number) =>
        Workload.fleet({
          workers,
          duration: "30 minutes",
          calls: { millis: 5_000 },
          thinkMillis: { min: 0, max: 10_000 }
        })
      const limits = [Limit.concurrency(4)]
      const { pace, verdict, workers } = yield* Advice.fromWorkload({ limits, workload: fleet(20) })
      expect(pace).toBeUndefined()
      expect(verdict).toContain(`there may be ${workers?.advised} of 20 workers`)
      const shareWith = (workers: number) =>
        Effect.map(Simulation.run({ limits, workload: fleet(workers) }), ({ calls }) => calls.waited / calls.asked)
      expect(yield* shareWith(workers!.advised)).toBeLessThanOrEqual(0.05)
      expect(yield* shareWith(workers!.advised + 1)).toBeGreaterThan(0.05)
    })
  )

  it.effect("says plainly when there are too few calls", () =>
    Effect.gen(function* () {
      const { certainty, verdict } = yield* Advice.fromWorkload({
        limits: [Limit.concurrency(1)],
        workload: everySecond(30, 5_000)
      })
      expect(certainty.isEnough).toBe(false)
      expect(verdict).toContain("This is not sure: 30 calls are too few (400 are needed).")
    })
  )

  it.effect("is sure of shares that other calls of the same kind have, too", () =>
    Effect.gen(function* () {
      const ofSeed = (seed: number) => ({
        limits: [Limit.slidingWindow("tokens", 115_000, "1 minute")],
        workload: Workload.poisson({ perMinute: 60, duration: "2 hours", seed })
      })
      const outcomes = yield* Effect.forEach(
        Array.from({ length: 40 }, (_, index) => index),
        (seed) => Simulation.run(ofSeed(seed))
      )
      const shares = outcomes.map(({ calls }) => calls.waited / calls.asked)
      const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length
      // A low target keeps it from looking for better limits.
      const advice = yield* Effect.forEach(outcomes, ({ recording }) =>
        Advice.fromRecording(recording, { target: 0.99 })
      )
      const right = advice.filter(({ certainty: { high, low } }) => low <= mean && mean <= high)
      expect(mean).toBeGreaterThan(0.05)
      // 38 are expected.
      expect(right.length).toBeGreaterThanOrEqual(34)
      // No wider than the shares of other calls do vary.
      const deviation = Math.sqrt(shares.reduce((sum, share) => sum + (share - mean) ** 2, 0) / (shares.length - 1))
      const width = advice.reduce((sum, { certainty: { high, low } }) => sum + high - low, 0) / advice.length
      expect(width).toBeLessThan(1.3 * (2 * 1.96 * deviation))
    })
  )

  it.effect("from the recording of a simulation is that from its workload", () =>
    Effect.gen(function* () {
      const setting = {
        limits: [Limit.slidingWindow("tokens", 40_000, "1 minute"), Limit.fixedWindow("requests", 30, "minute")],
        tenants: [
          { name: "acme", limits: [Limit.tokenBucket("requests", 20, "1 minute")] },
          { name: "umbrella", weight: 2 }
        ],
        workload: Workload.poisson({
          perMinute: 30,
          duration: "15 minutes",
          calls: { tenants: { acme: 1, umbrella: 1 }, maxOutputTokens: 700 }
        })
      }
      const { recording } = yield* Simulation.run(setting)
      // The first call comes later than the start, which the replay leaves out: calendar windows are where they were.
      const fromRecording = yield* Advice.fromRecording(JSON.parse(JSON.stringify(recording)))
      const fromWorkload = yield* Advice.fromWorkload(setting)
      expect(fromRecording.share).toBeGreaterThan(0.05)
      expect(fromRecording.share).toBe(fromWorkload.share)
      expect(fromRecording.hindrances).toEqual(fromWorkload.hindrances)
      const sizes = ({ limits }: Advice.Advice) =>
        limits?.map(({ advised, budget }) => [budget, advised.name, advised.max])
      expect(sizes(fromRecording)).toEqual(sizes(fromWorkload))
    })
  )

  it.effect("stands on the recording of a live budget", () =>
    Effect.gen(function* () {
      const key = yield* Budget.make({ name: "key", limits: [Limit.concurrency(1)] })
      const recorder = yield* Recording.make(key)
      const call = Effect.sleep("2 seconds").pipe(key.spend({ estimate: Usage.make({ inputTokens: 10 }) }))
      const calls = yield* Effect.forEach(Array.from({ length: 50 }), (_, index) =>
        Effect.forkChild(Effect.delay(call, index * 1_000))
      )
      yield* TestClock.adjust("2 minutes")
      yield* Fiber.joinAll(calls)
      const { limits, simulated } = yield* Advice.fromRecording(yield* recorder.recording)
      expect(simulated).toBe(50)
      expect(limits).toEqual([{ budget: "key", current: Limit.concurrency(1), advised: Limit.concurrency(2) }])
    })
  )

  it.effect("leaves out the limits of budgets of which a recording has only heard", () =>
    Effect.gen(function* () {
      const key = yield* Budget.make({ name: "key", limits: [] })
      const recorder = yield* Recording.make(key)
      // The limits of 100 users, of whom each calls once more than it may.
      for (let user = 0; user < 100; user++) {
        const budget = yield* Budget.make({ name: `user ${user}`, limits: [Limit.cap("requests", 1)], within: [key] })
        const call = Effect.void.pipe(budget.spend({ estimate: Usage.make({}), maxWait: 0 }))
        yield* call
        yield* Effect.ignore(call)
      }
      const { limits, share, shareThen } = yield* Advice.fromRecording(yield* recorder.recording)
      expect({ limits, share, shareThen }).toEqual({ limits: [], share: 0.5, shareThen: 0 })
    })
  )

  it.effect("is not given on what cannot be simulated again", () =>
    Effect.gen(function* () {
      const problemOf = (recording: Recording.Recording) =>
        Effect.map(Effect.flip(Advice.fromRecording(recording)), ({ message }) => message)
      const budget = yield* Budget.make({ name: "key", limits: [] })
      const { recording: empty } = yield* Recording.make(budget)
      expect(yield* problemOf(yield* empty)).toBe("Advice.fromRecording: the recording has no calls that have ended")
      const letters = { name: "letters", scale: 1, measure: () => 7 }
      const { recording } = yield* Simulation.run({ limits: [Limit.cap(letters, 7)], workload: everySecond(2, 1) })
      expect(yield* problemOf(recording)).toBe(
        `Advice.fromRecording: cap(letters): the meter "letters" is a program's own and is not recorded`
      )
      const advice = yield* Advice.fromRecording(recording, { limits: [Limit.cap(letters, 7)] })
      expect(advice.limits?.map(({ advised }) => advised.max)).toEqual([14])
    })
  )

  it.effect("is not given on nested budgets or shadows, which would be simulated as others", () =>
    Effect.gen(function* () {
      const problemOf = (...tenants: ReadonlyArray<Budget.Budget>) =>
        Recording.make(key, { tenants }).pipe(
          Effect.tap(() => Effect.void.pipe(key.spend({ estimate: Usage.make({}) }))),
          Effect.flatMap(({ recording }) => recording),
          Effect.map((recording) => JSON.parse(JSON.stringify(recording))),
          Effect.flatMap(Schema.decodeUnknownEffect(Recording.Schema)),
          Effect.flatMap((recording) => Advice.fromRecording(recording)),
          Effect.match({ onFailure: ({ message }) => message, onSuccess: () => undefined })
        )
      const limits = [Limit.concurrency(1)]
      const key = yield* Budget.make({ name: "key", limits })
      const other = yield* Budget.make({ name: "other", limits })
      const team = yield* Budget.make({ name: "team", limits, within: [key] })
      const user = yield* Budget.make({ name: "user", limits, within: [team] })
      const both = yield* Budget.make({ name: "both", limits, within: [key, other] })
      const tried = yield* Budget.make({ name: "tried", limits, within: [key], shadow: true })
      const alone = (name: string) =>
        `Advice.fromRecording: ${name} is not directly within key alone, and only such budgets can be simulated again`
      expect(yield* problemOf(team)).toBeUndefined()
      expect(yield* problemOf(team, user)).toBe(alone("user"))
      expect(yield* problemOf(user)).toBe(alone("user"))
      expect(yield* problemOf(both)).toBe(alone("both"))
      expect(yield* problemOf(tried)).toBe(
        "Advice.fromRecording: tried is a shadow budget, and only budgets that keep calls out can be simulated again"
      )
    })
  )

  it.each([-0.1, 1, Number.NaN])("is not given for a target of %d", (target) => {
    const asked = Advice.fromWorkload({ limits: [], workload: everySecond(1, 1), target })
    expect(() => Effect.runSync(asked)).toThrow(
      `Advice.fromWorkload: target must be a number from 0 to below 1, got ${target}`
    )
  })
})
