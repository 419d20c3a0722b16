import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as References from "effect/References"
import * as TestClock from "effect/testing/TestClock"
import { readFileSync } from "node:fs"
import * as Budget from "../src/Budget.ts"
import * as BudgetMap from "../src/BudgetMap.ts"
import { counters, gauges, histograms } from "../src/internal/telemetry/metrics.ts"
import * as Limit from "../src/Limit.ts"
import * as Telemetry from "../src/Telemetry.ts"
import * as Usage from "../src/Usage.ts"
import { seriesOf, valuesOf, withOwnMetrics } from "./support/metrics.ts"

const tokens = (inputTokens: number, outputTokens = 0) => Usage.make({ inputTokens, outputTokens })
const spending = (budget: Budget.Budget, estimate: Usage.Usage, actual = estimate) =>
  budget.spend({ estimate, actual: () => actual, maxWait: 0 })(Effect.void)

const seen = <A, E, R>(self: Effect.Effect<A, E, R>, options?: Telemetry.Options) =>
  withOwnMetrics(self.pipe(Effect.provide(Telemetry.layer({ refusalLogs: false, ...options }))))

describe("metrics", () => {
  it.effect("of calls: how many, how long they waited, what they took and used", () =>
    Effect.gen(function* () {
      const run = yield* Budget.make({ name: "run", limits: [Limit.slidingWindow("tokens", 100, "1 minute")] })
      yield* spending(run, { ...tokens(40, 40), costNanoUsd: 2_000_000 }, { ...tokens(40, 20), costNanoUsd: 1_000_000 })
      const waiting = yield* Effect.forkChild(run.spend({ estimate: tokens(60) })(Effect.void), {
        startImmediately: true
      })
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(waiting)

      expect(yield* valuesOf("admitted_total")).toEqual({ "budget=run": 2 })
      expect(yield* valuesOf("settled_total")).toEqual({ "budget=run": 2 })
      expect(yield* valuesOf("waited_total")).toEqual({
        "budget=run,by=run,limit=slidingWindow(tokens, 60000ms)": 1
      })
      expect((yield* seriesOf("wait_seconds"))["budget=run"]).toMatchObject({ count: 2, sum: 60, min: 0, max: 60 })
      expect(yield* valuesOf("reserved_tokens_total")).toEqual({
        "budget=run,gen_ai.token.type=input": 100,
        "budget=run,gen_ai.token.type=output": 40
      })
      expect(yield* valuesOf("committed_tokens_total")).toEqual({
        "budget=run,gen_ai.token.type=input": 100,
        "budget=run,gen_ai.token.type=output": 20
      })
      expect(yield* valuesOf("reserved_usd_total")).toEqual({ "budget=run": 0.002 })
      expect(yield* valuesOf("committed_usd_total")).toEqual({ "budget=run": 0.001 })
    }).pipe(seen)
  )

  it.effect("of refusals: by reason, and by the limit and its budget", () =>
    Effect.gen(function* () {
      const key = yield* Budget.make({ name: "key", limits: [Limit.slidingWindow("tokens", 100, "1 minute")] })
      const run = yield* Budget.make({ name: "run", limits: [Limit.cap("requests", 2)], within: [key] })
      yield* spending(run, tokens(80))
      yield* Effect.ignore(spending(run, tokens(80)))
      yield* Effect.ignore(spending(run, tokens(80)))
      yield* Effect.ignore(spending(run, tokens(101)))
      yield* key.pauseUntil(60_000)
      yield* Effect.ignore(spending(run, tokens(1)))

      expect(yield* valuesOf("refused_total")).toEqual({
        "budget=run,reason=WindowExceeded,by=key,limit=slidingWindow(tokens, 60000ms)": 2,
        "budget=run,reason=RequestTooLarge,by=key,limit=slidingWindow(tokens, 60000ms)": 1,
        "budget=run,reason=Paused,by=key,limit=": 1
      })
      expect(yield* valuesOf("admitted_total")).toEqual({ "budget=run": 1 })
    }).pipe(seen)
  )

  it.effect("of estimates: the ratio of what was used, where something was", () =>
    Effect.gen(function* () {
      const run = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 1_000)] })
      yield* spending(run, tokens(100, 100), tokens(100, 25))
      yield* spending(run, tokens(100, 100), tokens(100, 175))
      yield* run.withReservation(tokens(100, 100), (reservation) => reservation.release)
      yield* spending(run, tokens(100, 100), Usage.make({}))

      const ratios = yield* seriesOf("actual_to_estimate_ratio")
      expect(ratios["budget=run,gen_ai.token.type=input"]).toMatchObject({ count: 2, sum: 2 })
      const output = ratios["budget=run,gen_ai.token.type=output"]
      expect(output).toMatchObject({ count: 2, sum: 2, min: 0.25, max: 1.75 })
      expect("buckets" in output! && output.buckets.find(([bound]) => bound === 1)).toEqual([1, 1])
    }).pipe(seen)
  )

  it.effect("of overruns, thresholds, tightenings, charges, shadows and mistakes", () =>
    Effect.gen(function* () {
      const limits = [Limit.slidingWindow("tokens", 100, "1 minute"), Limit.cap("usd", 1)]
      const run = yield* Budget.make({ name: "run", limits, thresholds: [0.5, 1] })
      yield* spending(run, tokens(10), { ...tokens(30), costNanoUsd: 250_000_000 })
      yield* run.charge({ ...tokens(30), costNanoUsd: 500_000_000 })
      yield* run.tighten({ meter: "tokens", limit: 100, remaining: 30 })
      yield* run.withReservation(tokens(1), (reservation) =>
        Effect.andThen(reservation.commit({ ...tokens(1), inputTokens: Number.NaN }), reservation.release)
      )
      const tried = yield* Budget.make({ name: "tried", limits: [Limit.cap("tokens", 1)], shadow: true })
      yield* spending(tried, tokens(2))

      const window = "slidingWindow(tokens, 60000ms)"
      expect(yield* valuesOf("overran_total")).toEqual({
        [`budget=run,by=run,limit=${window}`]: 1,
        "budget=run,by=run,limit=cap(usd)": 1
      })
      expect(yield* valuesOf("overrun_total")).toEqual({
        [`budget=run,by=run,limit=${window},meter=tokens`]: 20,
        "budget=run,by=run,limit=cap(usd),meter=usd": 0.25
      })
      expect(yield* valuesOf("thresholds_reached_total")).toEqual({
        [`budget=run,limit=${window},threshold=0.5`]: 1,
        "budget=run,limit=cap(usd),threshold=0.5": 1
      })
      expect(yield* valuesOf("charged_total")).toEqual({ "budget=run": 1 })
      expect(yield* valuesOf("tightened_total")).toEqual({ [`budget=run,limit=${window}`]: 1 })
      expect(yield* valuesOf("invalid_reports_total")).toEqual({ "budget=run": 1 })
      expect(yield* valuesOf("settled_already_total")).toEqual({ "budget=run": 1 })
      expect(yield* valuesOf("shadowed_total")).toEqual({
        "budget=tried,reason=RequestTooLarge,by=tried,limit=cap(tokens)": 1
      })
    }).pipe(Effect.provideService(References.MinimumLogLevel, "None"), seen)
  )
})

describe("gauges", () => {
  it.effect("say how full a limit is when they are read, also when nothing happens", () =>
    Effect.gen(function* () {
      const run = yield* Budget.make({
        name: "run",
        limits: [Limit.slidingWindow("tokens", 100, "1 minute"), Limit.cap("usd", 4), Limit.perCall("tokens", 50)]
      })
      yield* run.charge({ ...tokens(20), costNanoUsd: 1_000_000_000 })
      const read = Effect.gen(function* () {
        return {
          used: yield* valuesOf("limit_used"),
          reserved: yield* valuesOf("limit_reserved"),
          utilisation: yield* valuesOf("utilisation_ratio"),
          open: yield* valuesOf("open_reservations")
        }
      })
      const window = "budget=run,limit=slidingWindow(tokens, 60000ms)"
      expect(yield* run.withReservation(tokens(30), () => read)).toEqual({
        used: { [`${window},meter=tokens`]: 50, "budget=run,limit=cap(usd),meter=usd": 1 },
        reserved: { [`${window},meter=tokens`]: 30, "budget=run,limit=cap(usd),meter=usd": 0 },
        utilisation: { [window]: 0.5, "budget=run,limit=cap(usd)": 0.25 },
        open: { "budget=run": 1 }
      })
      yield* TestClock.adjust("1 minute")
      expect(yield* valuesOf("utilisation_ratio")).toEqual({ [window]: 0, "budget=run,limit=cap(usd)": 0.25 })
      expect(yield* valuesOf("limit_max")).toEqual({
        [`${window},meter=tokens`]: 100,
        "budget=run,limit=cap(usd),meter=usd": 4
      })
    }).pipe(seen)
  )

  it.effect("follow limits that are replaced, and go with their budget", () =>
    Effect.gen(function* () {
      yield* Effect.scoped(
        Effect.gen(function* () {
          const run = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 100)] })
          yield* run.updateLimits([Limit.cap("tokens", 200), Limit.cap("requests", 3)])
          expect(yield* valuesOf("limit_max")).toEqual({
            "budget=run,limit=cap(tokens),meter=tokens": 200,
            "budget=run,limit=cap(requests),meter=requests": 3
          })
          yield* run.updateLimits([Limit.cap("requests", 3)])
          expect(yield* valuesOf("utilisation_ratio")).toEqual({ "budget=run,limit=cap(requests)": 0 })
        })
      )
      for (const { name } of Object.values(gauges)) {
        expect(yield* valuesOf(name.replace("effect_budget_", ""))).toEqual({})
      }
    }).pipe(seen)
  )

  it.effect("of budgets with the same name are their sum, or the fullest", () =>
    Effect.gen(function* () {
      const one = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 100)] })
      const other = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 100)] })
      yield* one.charge(tokens(20))
      yield* other.charge(tokens(70))
      expect(yield* valuesOf("limit_used")).toEqual({ "budget=run,limit=cap(tokens),meter=tokens": 90 })
      expect(yield* valuesOf("utilisation_ratio")).toEqual({ "budget=run,limit=cap(tokens)": 0.7 })
    }).pipe(seen)
  )

  it.effect("count who waits", () =>
    Effect.gen(function* () {
      const run = yield* Budget.make({ name: "run", limits: [Limit.concurrency(1)] })
      const inside = yield* Budget.make({ name: "inside", limits: [], within: [run] })
      yield* run.withReservation(tokens(1), () =>
        Effect.gen(function* () {
          const waiting = yield* Effect.forkChild(inside.spend({ estimate: tokens(1) })(Effect.void), {
            startImmediately: true
          })
          expect(yield* valuesOf("waiting_requests")).toEqual({ "budget=run": 1, "budget=inside": 1 })
          yield* Fiber.interrupt(waiting)
          expect(yield* valuesOf("waiting_requests")).toEqual({ "budget=run": 0, "budget=inside": 0 })
        })
      )
    }).pipe(seen)
  )
})

describe("what is seen", () => {
  class Key extends Budget.Service<Key>()("Key", { limits: [Limit.cap("tokens", 10_000)] }) {}
  class Tenant extends Budget.Service<Tenant>()("Tenant", { limits: [Limit.cap("tokens", 100)], within: [Key] }) {}
  class Tenants extends BudgetMap.Service<Tenants>()("Tenants", { budget: Tenant }) {}

  it.effect("is every budget beneath the layer, each call once: services, families, slices", () =>
    Effect.gen(function* () {
      yield* Effect.provide(Tenant.spend({ estimate: tokens(10) })(Effect.void), Tenants.get("acme"))
      yield* Key.spend({ estimate: tokens(10) })(Effect.void)
      const key = yield* Key
      yield* Effect.scoped(
        Effect.gen(function* () {
          const slice = yield* Budget.slice({ name: "slice", from: key, limits: [Limit.cap("tokens", 100)] })
          yield* spending(slice, tokens(10))
          expect((yield* valuesOf("limit_max"))["budget=slice,limit=cap(tokens),meter=tokens"]).toBe(100)
        })
      )
      expect(yield* valuesOf("admitted_total")).toEqual({
        "budget=Tenant(acme)": 1,
        "budget=Key": 1,
        "budget=slice": 1
      })
    }).pipe(Effect.provide(Tenants.layer), Effect.provide(Key.layer), seen)
  )

  it.effect("is heard on when a tenant comes back", () =>
    Effect.gen(function* () {
      const call = Effect.provide(Tenant.spend({ estimate: tokens(10) })(Effect.void), Tenants.get("acme"))
      yield* call
      expect(Object.keys(yield* valuesOf("utilisation_ratio"))).toContain("budget=Tenant(acme),limit=cap(tokens)")
      yield* TestClock.adjust("2 minutes")
      expect(Object.keys(yield* valuesOf("utilisation_ratio"))).toEqual(["budget=Key,limit=cap(tokens)"])
      yield* call
      expect((yield* valuesOf("utilisation_ratio"))["budget=Tenant(acme),limit=cap(tokens)"]).toBe(0.2)
      expect(yield* valuesOf("admitted_total")).toEqual({ "budget=Tenant(acme)": 2 })
    }).pipe(Effect.provide(Tenants.layer), Effect.provide(Key.layer), seen)
  )

  it.effect("has bounded labels: the names beyond are one", () =>
    Effect.gen(function* () {
      for (const name of ["a", "b", "c", "d"]) {
        const budget = yield* Budget.make({ name, limits: [Limit.cap("tokens", 100, { name: `cap of ${name}` })] })
        yield* spending(budget, tokens(10))
        yield* Effect.ignore(spending(budget, tokens(95)))
      }
      expect(yield* valuesOf("admitted_total")).toEqual({ "budget=a": 1, "budget=b": 1, "budget=other": 2 })
      expect(yield* valuesOf("refused_total")).toEqual({
        "budget=a,reason=BudgetExceeded,by=a,limit=cap of a": 1,
        "budget=b,reason=BudgetExceeded,by=b,limit=cap of b": 1,
        "budget=other,reason=BudgetExceeded,by=other,limit=other": 2
      })
      expect((yield* valuesOf("limit_used"))["budget=other,limit=other,meter=tokens"]).toBe(20)
    }).pipe((self) => seen(self, { labelsMax: 2 }))
  )

  it.effect("has bounded labels also where each budget is observed by itself", () =>
    Effect.gen(function* () {
      for (const name of ["a", "b", "c", "d"]) {
        const budget = yield* Budget.make({ name, limits: [] })
        yield* Telemetry.observe(budget, { labelsMax: 2 })
        yield* spending(budget, tokens(10))
      }
      expect(yield* valuesOf("admitted_total")).toEqual({ "budget=a": 1, "budget=b": 1, "budget=other": 2 })
    }).pipe(withOwnMetrics)
  )

  it.effect("goes by the label that the program gives it, and a label that cannot be read is no obstacle", () =>
    Effect.gen(function* () {
      yield* spending(yield* Budget.make({ name: "Tenant(secret@example.org)", limits: [] }), tokens(10))
      yield* spending(yield* Budget.make({ name: "Key", limits: [] }), tokens(10))
      expect(yield* valuesOf("admitted_total")).toEqual({ "budget=Tenant": 1, "budget=other": 1 })
    }).pipe((self) =>
      seen(self, {
        label: (budget) => {
          if (budget === "Key") throw new Error("no label")
          return budget.replace(/\(.*\)/, "")
        }
      })
    )
  )

  it("has no more labels than a whole number", () => {
    const built = Effect.scoped(Layer.build(Telemetry.layer({ labelsMax: 1.5 })))
    expect(() => Effect.runSync(built)).toThrow("Telemetry: labelsMax must be a whole number of at least 0, got 1.5")
  })

  it.effect("is one budget that is there already, for as long as its scope is open", () =>
    withOwnMetrics(
      Effect.gen(function* () {
        const key = yield* Budget.make({ name: "key", limits: [Limit.cap("tokens", 100)] })
        const run = yield* Budget.make({ name: "run", limits: [], within: [key] })
        const call = spending(run, tokens(10))
        yield* call
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* Telemetry.observe(key)
            yield* Effect.scoped(Telemetry.observe(key))
            yield* call
            expect(yield* valuesOf("limit_used")).toEqual({ "budget=key,limit=cap(tokens),meter=tokens": 20 })
          })
        )
        yield* call
        expect(yield* valuesOf("admitted_total")).toEqual({ "budget=run": 1 })
        expect(yield* valuesOf("limit_used")).toEqual({})
      })
    )
  )

  it.effect("is not counted twice by two observers", () =>
    Effect.gen(function* () {
      const key = yield* Budget.make({ name: "key", limits: [Limit.cap("tokens", 100)] })
      const run = yield* Budget.make({ name: "run", limits: [], within: [key] }).pipe(
        Effect.provide(Telemetry.layer(), { local: true })
      )
      yield* Telemetry.observe(key)
      yield* spending(run, tokens(10))
      expect(yield* valuesOf("admitted_total")).toEqual({ "budget=run": 1 })
      expect(yield* valuesOf("limit_used")).toEqual({ "budget=key,limit=cap(tokens),meter=tokens": 10 })
    }).pipe(seen)
  )

  it.effect("has the attributes that the program gives its metrics", () =>
    Effect.gen(function* () {
      yield* spending(yield* Budget.make({ name: "run", limits: [] }), tokens(10))
      expect(yield* valuesOf("admitted_total")).toEqual({ "budget=run,region=eu": 1 })
    }).pipe((self) => seen(self), Effect.provideService(Metric.CurrentMetricAttributes, { region: "eu" }))
  )

  it.effect("is nothing without the layer", () =>
    withOwnMetrics(
      Effect.gen(function* () {
        yield* spending(yield* Budget.make({ name: "run", limits: [] }), tokens(10))
        expect(yield* Metric.snapshot).toEqual([])
      })
    )
  )
})

describe("refusals", () => {
  const logged: Array<{ level: string; message: unknown; annotations: Record<string, unknown> }> = []
  const logger = Logger.make(({ fiber, logLevel, message }) => {
    logged.push({ level: logLevel, message, annotations: { ...fiber.getRef(References.CurrentLogAnnotations) } })
  })

  it.effect("are logged as by whoever was refused", () =>
    Effect.gen(function* () {
      logged.length = 0
      const run = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 100)] })
      const refused = Effect.ignore(spending(run, tokens(101)))
      yield* refused.pipe(Effect.annotateLogs("task", "research"))
      expect(logged).toEqual([
        {
          level: "Warn",
          message: ["refused: run: cap(tokens) can never admit 101 tokens: its maximum is 100 tokens"],
          annotations: {
            task: "research",
            "effect_budget.budget": "run",
            "effect_budget.refusal.reason": "RequestTooLarge",
            "effect_budget.refusal.by": "run",
            "effect_budget.refusal.limit": "cap(tokens)",
            "effect_budget.estimate.input_tokens": 101,
            "effect_budget.estimate.output_tokens": 0
          }
        }
      ])
    }).pipe(Effect.provide(Telemetry.layer()), withOwnMetrics, Effect.provide(Logger.layer([logger])))
  )

  it.effect("are not logged where that is not wanted", () =>
    Effect.gen(function* () {
      logged.length = 0
      const run = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 100)] })
      yield* Effect.ignore(spending(run, tokens(101)))
      expect(logged).toEqual([])
      expect(Object.values(yield* valuesOf("refused_total"))).toEqual([1])
    }).pipe((self) => seen(self), Effect.provide(Logger.layer([logger])))
  )
})

describe("the documents", () => {
  it("name every metric", () => {
    const all = [...Object.values(counters), ...Object.values(histograms), ...Object.values(gauges)]
    for (const file of ["src/Telemetry.ts", "README.md"]) {
      const text = readFileSync(file, "utf8")
      expect(all.filter(({ name }) => !text.includes(`\`${name}\``)).map(({ name }) => `${file}: ${name}`)).toEqual([])
    }
  })
})
