import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as TestClock from "effect/testing/TestClock"
import * as Budget from "../src/Budget.ts"
import * as BudgetStore from "../src/BudgetStore.ts"
import { makeMemory } from "../src/internal/store/memory.ts"
import * as Limit from "../src/Limit.ts"
import * as Telemetry from "../src/Telemetry.ts"
import * as Usage from "../src/Usage.ts"
import { valuesOf, withOwnMetrics } from "./support/metrics.ts"
import { makeFaulty } from "./support/store/faultyStore.ts"

const tokens = (inputTokens: number) => Usage.make({ inputTokens })

it.effect("counts leases that are over, and when a store is lost and found", () =>
  Effect.gen(function* () {
    const store = yield* makeFaulty(makeMemory)
    const shared = (name: string) => Budget.make({ name, key: "openai", limits: [Limit.cap("tokens", 100)] })
    yield* Effect.gen(function* () {
      const key = yield* Effect.provide(shared("key"), Telemetry.layer())
      const other = yield* Effect.provide(
        shared("other"),
        yield* Layer.build(Layer.fresh(BudgetStore.layer(Effect.succeed({ ...store, apply: store.apply }))))
      )
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* key.reserve(tokens(50))
          store.fault = "refuse"
          yield* TestClock.adjust("1 minute")
          expect(yield* valuesOf("store_unreachable_total")).toEqual({ "budget=key": 1 })
          expect(yield* valuesOf("store_reached_total")).toEqual({})
          store.fault = "none"
          // The other process finds the lease over, and then this one.
          yield* other.spend({ estimate: tokens(10) })(Effect.void)
          yield* TestClock.adjust("2 seconds")
        })
      )
      yield* TestClock.adjust("5 seconds")
      expect(yield* valuesOf("store_reached_total")).toEqual({ "budget=key": 1 })
      expect(yield* valuesOf("leases_expired_total")).toEqual({ "budget=key": 1 })
      // What this process has last heard.
      yield* key.snapshot
      expect(yield* valuesOf("limit_used")).toEqual({ "budget=key,limit=cap(tokens),meter=tokens": 60 })
    }).pipe(Effect.provide(BudgetStore.layer(Effect.succeed(store))))
  }).pipe(Effect.provideService(References.MinimumLogLevel, "None"), withOwnMetrics)
)
