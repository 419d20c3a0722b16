import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Limit from "../src/Limit.ts"
import * as Simulation from "../src/Simulation.ts"
import * as Usage from "../src/Usage.ts"
import * as Workload from "../src/Workload.ts"
import { forEachSeed } from "./support/random.ts"

/** A call that reserves and uses so many tokens. */
const call = (at: number, inputTokens: number, millis: number, tenant?: string): Workload.Call => {
  const usage = Usage.make({ inputTokens })
  return { at, tenant, estimate: usage, actual: usage, millis }
}

const messageOf = (options: Simulation.Options<Workload.WorkloadError>) =>
  Effect.map(Effect.flip(Simulation.run(options)), ({ message }) => message)

describe("a simulation", () => {
  it.effect("tells what can be worked out by hand", () =>
    Effect.gen(function* () {
      const { calls, fairness, limits, recording, refusals, waitMillis } = yield* Simulation.run({
        limits: [Limit.slidingWindow("tokens", 100, "10 seconds")],
        workload: Workload.trace([
          call(0, 60, 1_000),
          call(1_000, 40, 1_000),
          // Has room when the first one has left the window, at 10,000.
          call(4_000, 50, 1_000),
          // Never has room.
          call(5_000, 101, 1_000)
        ])
      })
      expect(calls).toMatchObject({ asked: 4, admitted: 3, waited: 1, refused: 1, settled: 3 })
      expect(waitMillis).toMatchObject({ count: 3, p50: 0, max: 6_000 })
      expect(Math.abs(waitMillis.p90 - 6_000) / 6_000).toBeLessThanOrEqual(1 / 128)
      expect(refusals).toEqual([
        { reason: "RequestTooLarge", budget: "budget", limit: "slidingWindow(tokens, 10000ms)", count: 1 }
      ])
      expect(limits).toMatchObject([{ budget: "budget", max: 100, waited: 1, refused: 1 }])
      expect(limits[0]?.utilisation.max).toBe(1)
      expect(fairness).toBeUndefined()
      expect(recording.durationMillis).toBe(11_000)
      expect(recording.startedAt).toBe(Date.UTC(2024, 0, 1))
      // The first one leaves as the third one enters, at 10,000; the second one leaves at 11,000.
      expect(recording.budgets[0]?.limits[0]?.used).toEqual([60, ...new Array<number>(9).fill(100), 90, 50])
    })
  )

  it.effect("has the same outcome each time", () =>
    Effect.gen(function* () {
      const options = {
        limits: [Limit.concurrency(2), Limit.tokenBucket("tokens", 20_000, "1 minute")],
        workload: Workload.bursts({ size: 20, every: "1 minute", duration: "10 minutes" }),
        maxWait: "30 seconds"
      } as const
      const first = yield* Simulation.run(options)
      expect(first.calls.refused).toBeGreaterThan(0)
      expect(yield* Simulation.run(options)).toEqual(first)
    })
  )

  it.effect("counts what a provider would have refused, with the budget and without", () =>
    Effect.gen(function* () {
      const atOnce = Workload.trace([call(0, 60, 500), call(0, 60, 500), call(0, 30, 500), call(20_000, 60, 500)])
      const ofProvider = [Limit.slidingWindow("tokens", 100, "10 seconds")]
      const { provider } = yield* Simulation.run({
        limits: [Limit.concurrency(1), Limit.slidingWindow("tokens", 70, "10 seconds")],
        provider: { limits: ofProvider },
        workload: atOnce
      })
      expect(provider).toEqual({
        limits: [{ name: "slidingWindow(tokens, 10000ms)", meter: "tokens", max: 100 }],
        withBudget: { calls: 4, throttled: 0 },
        // The second one; the third one has room beside the first, because a 429 takes none.
        withoutBudget: { calls: 4, throttled: 1 }
      })
    })
  )

  it.effect("lets a provider count what calls have used in the end", () =>
    Effect.gen(function* () {
      const using = (at: number, estimate: number, actual: number): Workload.Call => ({
        at,
        estimate: Usage.make({ inputTokens: estimate }),
        actual: Usage.make({ inputTokens: actual }),
        millis: 500
      })
      const throttledOf = (...calls: ReadonlyArray<Workload.Call>) =>
        Effect.map(
          Simulation.run({
            limits: [],
            provider: { limits: [Limit.slidingWindow("tokens", 100, "10 seconds")] },
            workload: Workload.trace(calls)
          }),
          ({ provider }) => [provider?.withBudget.throttled, provider?.withoutBudget.throttled]
        )
      // 60 are given back, which is exactly enough.
      expect(yield* throttledOf(using(0, 80, 20), using(1_000, 80, 80))).toEqual([0, 0])
      expect(yield* throttledOf(using(0, 80, 21), using(1_000, 80, 80))).toEqual([1, 1])
      // 40 are used beyond the estimate, but only once the call has ended.
      expect(yield* throttledOf(using(0, 50, 90), using(400, 11, 11))).toEqual([0, 0])
      expect(yield* throttledOf(using(0, 50, 90), using(1_000, 11, 11))).toEqual([1, 1])
      // What is refused is not counted.
      expect(yield* throttledOf(using(0, 101, 101), using(1_000, 100, 100))).toEqual([1, 1])
    })
  )

  it("never lets a provider refuse anything that has the limits of the budget", () =>
    forEachSeed({ name: "a provider with the limits of the budget", runs: 40 }, (random) =>
      Effect.runPromise(
        Effect.gen(function* () {
          const limits = [
            Limit.slidingWindow("tokens", random.int(4_000, 30_000), "1 minute"),
            Limit.fixedWindow("requests", random.int(5, 30), "minute"),
            Limit.tokenBucket("requests", random.int(5, 30), "1 minute", { capacity: random.int(1, 10) }),
            Limit.concurrency(random.int(1, 10))
          ].filter(() => random.chance(0.6))
          const seed = random.int(0, 1_000)
          const calls = { maxOutputTokens: 600 }
          const duration = "10 minutes"
          const workload = random.chance(0.5)
            ? Workload.poisson({ perMinute: random.int(5, 40), duration, calls, seed })
            : Workload.fleet({ workers: random.int(1, 30), duration, calls, seed })
          const { calls: made, provider } = yield* Simulation.run({
            limits,
            provider: { limits },
            workload,
            maxWait: "5 minutes"
          })
          random.note(made, provider)
          expect(provider?.withBudget).toEqual({ calls: made.admitted, throttled: 0 })
          expect(made.settled).toBe(made.admitted)
        })
      )
    ))

  it.effect("lets each worker of a fleet make one call after the other", () =>
    Effect.gen(function* () {
      const { calls, recording } = yield* Simulation.run({
        limits: [Limit.concurrency(2)],
        workload: Workload.fleet({ workers: 3, duration: "1 minute", calls: { millis: 1_000 } })
      })
      // Two run at a time, for a second each; those that have begun within the minute come to their end.
      expect(calls.admitted).toBe(2 * 60 + 1)
      // Of the two that end together, one gets the place of the other, and one waits for the third.
      expect(calls).toMatchObject({ waited: 60, waitMillis: { max: 1_000 } })
      expect(recording.durationMillis).toBe(61_000)
    })
  )

  it.effect("lets a worker that is refused go on after the time of its call", () =>
    Effect.gen(function* () {
      const { calls } = yield* Simulation.run({
        limits: [Limit.perCall("tokens", 10)],
        workload: Workload.fleet({ workers: 1, duration: "1 minute", calls: { inputTokens: 11, millis: 1_000 } })
      })
      expect(calls).toMatchObject({ asked: 60, refused: 60 })
    })
  )

  it.effect("serves tenants by their weights where they compete", () =>
    Effect.gen(function* () {
      const workload = Workload.bursts({
        size: 3_000,
        every: "1 hour",
        within: 0,
        duration: "1 hour",
        calls: { inputTokens: 100, outputTokens: 0, millis: 1_000, tenants: { acme: 1, umbrella: 1 } }
      })
      const run = (weight: number) =>
        Simulation.run({
          limits: [Limit.concurrency(10)],
          tenants: [{ name: "acme", weight }, { name: "umbrella" }],
          workload,
          maxWait: "100 seconds"
        })
      const even = yield* run(1)
      expect(even.fairness?.index).toBeCloseTo(1, 3)
      const uneven = yield* run(3)
      expect(uneven.fairness?.index).toBeCloseTo(1, 3)
      const [acme, umbrella] = uneven.fairness?.shares ?? []
      expect(acme!.tokens / umbrella!.tokens).toBeCloseTo(3, 1)
    })
  )

  it.effect("starts with the first call of a dated trace, where calendar windows have begun", () =>
    Effect.gen(function* () {
      const text = "at,in,out\n2024-03-01 23:59:50,10,0\n2024-03-01 23:59:55,10,0\n"
      const columns = { at: "at", inputTokens: "in", outputTokens: "out" }
      const { recording, waitMillis } = yield* Simulation.run({
        limits: [Limit.fixedWindow("requests", 1, "day")],
        workload: Workload.fromCsv(text, { columns })
      })
      expect(recording.startedAt).toBe(Date.UTC(2024, 2, 1, 23, 59, 50))
      expect(waitMillis.max).toBe(5_000)
    })
  )

  it.effect("tells how far it is, and lets others have their turn", () =>
    Effect.gen(function* () {
      const told: Array<Simulation.Progress> = []
      let turns = 0
      const other = yield* Effect.forkChild(
        Effect.forever(
          Effect.andThen(
            Effect.sync(() => turns++),
            Effect.yieldNow
          )
        ),
        { startImmediately: true }
      )
      const { calls } = yield* Simulation.run({
        limits: [],
        workload: Workload.poisson({ perMinute: 100, duration: "1 hour" }),
        onProgress: (progress) => Effect.sync(() => void told.push(progress))
      })
      yield* Fiber.interrupt(other)
      expect(told.length).toBeGreaterThan(4)
      expect(turns).toBeGreaterThan(4)
      expect(told.map(({ calls }) => calls)).toEqual(told.map(({ calls }) => calls).sort((a, b) => a - b))
      expect(told.at(-1)).toEqual({ calls: calls.asked, elapsedMillis: expect.closeTo(3_600_000, -6) })
    })
  )

  it.effect("can be interrupted, also when its calls never end", () =>
    Effect.gen(function* () {
      function* endless(): Generator<Workload.Call> {
        for (let at = 0; ; at++) yield call(at, 1, 10)
      }
      let slices = 0
      const isUnderWay = yield* Deferred.make<void>()
      const running = yield* Effect.forkChild(
        Simulation.run({
          limits: [Limit.concurrency(20)],
          workload: Workload.trace({ [Symbol.iterator]: endless }),
          onProgress: () => (++slices === 5 ? Effect.asVoid(Deferred.succeed(isUnderWay, undefined)) : Effect.void)
        })
      )
      yield* Deferred.await(isUnderWay)
      yield* Fiber.interrupt(running)
      const stopped = slices
      for (let turn = 0; turn < 100; turn++) yield* Effect.yieldNow
      expect(slices).toBe(stopped)
    })
  )

  it.effect("says what is wrong with a workload", () =>
    Effect.gen(function* () {
      const of = (...calls: ReadonlyArray<Workload.Call>) =>
        messageOf({ limits: [], tenants: [{ name: "acme" }], workload: Workload.trace(calls) })
      expect(yield* of()).toBe("the workload has no calls")
      expect(yield* of(call(2, 1, 1), call(1, 1, 1))).toBe(
        "call 2 of the workload: it comes at 1 ms, before the one ahead of it (2 ms)"
      )
      expect(yield* of(call(Number.NaN, 1, 1))).toBe(
        "call 1 of the workload: at must be a whole number of milliseconds, got NaN"
      )
      expect(yield* of(call(0, 1, -1))).toBe(
        "call 1 of the workload: millis must be a whole number of zero or more, got -1"
      )
      expect(yield* of(call(0, -1, 1))).toBe(
        "call 1 of the workload: estimate: inputTokens must be a non-negative safe integer, got -1"
      )
      expect(yield* of(call(0, 1, 1, "umbrella"))).toBe(
        'call 1 of the workload: it is of tenant "umbrella", which is none of acme'
      )
      const failing: Workload.Open<Workload.WorkloadError> = {
        _tag: "Open",
        isDated: false,
        calls: Stream.fail(new Workload.WorkloadError({ problem: "torn", file: "a.csv", line: 3 }))
      }
      expect(yield* messageOf({ limits: [], workload: failing })).toBe("a.csv, line 3: torn")
    })
  )

  it.effect("fails with what is wrong with a call of a fleet, with and without a provider", () =>
    Effect.gen(function* () {
      const of = (last: Partial<Workload.FleetCall>, options: Partial<Simulation.Options> = {}) => {
        const usage = Usage.make({ inputTokens: 1 })
        const good = { estimate: usage, actual: usage, millis: 0, thinkMillis: 1 }
        const workload: Workload.Fleet = {
          _tag: "Fleet",
          workers: 2,
          durationMillis: 10_000,
          *callsOf() {
            yield good
            for (;;) yield { ...good, ...last }
          }
        }
        return messageOf({ limits: [], tenants: [{ name: "acme" }], workload, ...options })
      }
      const where = "call 2 of worker 0 of the workload"
      const timeless = `${where}: with the thinking before it, it must take at least 1 ms`
      expect(yield* of({ thinkMillis: 0 })).toBe(timeless)
      expect(yield* of({ thinkMillis: 0 }, { provider: { limits: [] } })).toBe(timeless)
      expect(yield* of({ thinkMillis: -1 })).toBe(
        `${where}: thinkMillis must be a whole number of zero or more, got -1`
      )
      expect(yield* of({ millis: 0.5 })).toBe(`${where}: millis must be a whole number of zero or more, got 0.5`)
      expect(yield* of({ tenant: "umbrella" })).toBe(`${where}: it is of tenant "umbrella", which is none of acme`)
      const usage = { ...Usage.make({ inputTokens: 1 }), inputTokens: -1 }
      expect(yield* of({ actual: usage })).toBe(
        `${where}: actual: inputTokens must be a non-negative safe integer, got -1`
      )
    })
  )

  it.effect("dies with what is wrong with its options", () =>
    Effect.gen(function* () {
      const workload = Workload.poisson({ perMinute: 1, duration: "1 hour" })
      const defect = (options: Partial<Simulation.Options>) =>
        Effect.map(Effect.exit(Simulation.run({ limits: [], workload, ...options })), (exit) =>
          Exit.isFailure(exit)
            ? String(exit.cause.reasons.map((reason) => "defect" in reason && reason.defect))
            : "none"
        )
      expect(yield* defect({ tenants: [{ name: "budget" }] })).toBe(
        'RangeError: Simulation.run: two budgets are named "budget"'
      )
      expect(yield* defect({ traceMax: -1 })).toBe(
        "RangeError: Simulation.run: traceMax must be a whole number of zero or more, got -1"
      )
      expect(yield* defect({ limits: [Limit.concurrency(1), Limit.concurrency(2)] })).toBe(
        'RangeError: Budget: two limits are named "concurrency"; give one of them another name'
      )
    })
  )

  it.effect("counts calls that a meter makes no sense of as refused", () =>
    Effect.gen(function* () {
      const broken = { name: "broken", scale: 1, measure: () => Number.NaN }
      const { refusals } = yield* Simulation.run({
        limits: [Limit.cap(broken, 1)],
        workload: Workload.trace([call(0, 1, 1)])
      })
      expect(refusals).toEqual([{ reason: "InvalidUsage", budget: "budget", count: 1 }])
    })
  )
})
