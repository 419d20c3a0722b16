import { describe, expect, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import * as Budget from "../src/Budget.ts"
import type { BudgetEvent, Shadowed } from "../src/BudgetEvent.ts"
import * as BudgetMap from "../src/BudgetMap.ts"
import * as Limit from "../src/Limit.ts"
import * as Usage from "../src/Usage.ts"
import { listenTo, othersRun } from "./support/heard.ts"

const tokens = (count: number) => Usage.make({ inputTokens: count })

const triedOut = (...limits: ReadonlyArray<Limit.Limit>) => Budget.make({ name: "tried", limits, shadow: true })

const usedIn = (budget: Budget.Budget) => Effect.map(budget.snapshot, ({ limits }) => limits.map(({ used }) => used))

const isShadowed = (event: BudgetEvent): event is Shadowed => event._tag === "Shadowed"

/** Asks and keeps what it gets until the test is over. Fails if it would have to wait. */
const take = (budget: Budget.Budget, count: number) => budget.tryReserve(tokens(count))

/** What was told since the last time that a shadow limit would have done: reason, and millis to wait if known. */
const shadowedOf = (heard: Effect.Effect<ReadonlyArray<BudgetEvent>>) =>
  Effect.map(heard, (events) =>
    events.filter(isShadowed).map(({ reason }) => {
      const retryAfter = "retryAfter" in reason ? reason.retryAfter : undefined
      return retryAfter === undefined ? reason._tag : `${reason._tag} ${Duration.toMillis(retryAfter)}`
    })
  )

describe("a shadow budget", () => {
  it.effect("admits what its limit has no room for, and counts it", () =>
    Effect.gen(function* () {
      const budget = yield* triedOut(Limit.slidingWindow("tokens", 100, "1 minute"))
      yield* take(budget, 80)
      yield* take(budget, 80)
      expect((yield* budget.snapshot).limits).toMatchObject([{ used: 160, reserved: 160, available: 0 }])
      yield* TestClock.adjust("1 minute")
      expect(yield* usedIn(budget)).toEqual([0])
    })
  )

  it.effect("tells once, before the admission, what a real one would have said", () =>
    Effect.gen(function* () {
      const limit = Limit.slidingWindow("tokens", 100, "1 minute")
      const tried = yield* triedOut(limit)
      const run = yield* Budget.make({ name: "run", limits: [], within: [tried] })
      const heardOutside = yield* listenTo(tried)
      const heard = yield* listenTo(run)
      yield* take(run, 80)
      yield* TestClock.adjust("10 seconds")
      yield* take(run, 80)
      const [, shadowed, admitted, ...rest] = yield* heard
      expect(shadowed).toMatchObject({ _tag: "Shadowed", budget: "run", estimate: tokens(80) })
      expect(shadowed).toMatchObject({ reason: { _tag: "WindowExceeded", budget: "tried", limit, requested: 80 } })
      expect(admitted).toMatchObject({ _tag: "Admitted", waitedMillis: 0 })
      expect(rest).toEqual([])
      expect(yield* shadowedOf(heardOutside)).toEqual(["WindowExceeded 50000"])
    })
  )

  it.effect("says nothing at retryAfter, and the same a millisecond earlier", () =>
    Effect.gen(function* () {
      const budget = yield* triedOut(Limit.slidingWindow("tokens", 100, "1 minute"))
      const heard = yield* listenTo(budget)
      yield* budget.charge(tokens(100))
      yield* TestClock.adjust(59_999)
      yield* Effect.scoped(take(budget, 1))
      expect(yield* shadowedOf(heard)).toEqual(["WindowExceeded 1"])
      yield* TestClock.adjust(1)
      yield* Effect.scoped(take(budget, 99))
      expect(yield* shadowedOf(heard)).toEqual([])
    })
  )

  it.effect("says of every kind of limit what that would have said", () =>
    Effect.gen(function* () {
      const says = Effect.fnUntraced(function* (limit: Limit.Limit, first: number, second: number) {
        const budget = yield* triedOut(limit)
        const heard = yield* listenTo(budget)
        yield* take(budget, first)
        yield* take(budget, second)
        return yield* shadowedOf(heard)
      }, Effect.scoped)
      yield* TestClock.setTime(20_000)
      expect(yield* says(Limit.cap("tokens", 100), 60, 60)).toEqual(["BudgetExceeded"])
      expect(yield* says(Limit.slidingWindow("tokens", 100, 500), 60, 60)).toEqual(["WindowExceeded 500"])
      expect(yield* says(Limit.fixedWindow("tokens", 100, "minute"), 60, 60)).toEqual(["WindowExceeded 40000"])
      expect(yield* says(Limit.tokenBucket("tokens", 100, 1_000), 60, 60)).toEqual(["WindowExceeded 200"])
      expect(yield* says(Limit.concurrency(1), 1, 1)).toEqual(["ConcurrencyExceeded"])
      expect(yield* says(Limit.perCall("tokens", 100), 100, 101)).toEqual(["RequestTooLarge"])
      expect(yield* says(Limit.slidingWindow("tokens", 100, 500), 1, 101)).toEqual(["RequestTooLarge"])
    })
  )

  it.effect("names, of several limits, the one that would have let it in last", () =>
    Effect.gen(function* () {
      const slow = Limit.slidingWindow("tokens", 100, "1 hour")
      const tried = yield* triedOut(Limit.slidingWindow("tokens", 100, "1 minute"), slow)
      const budget = yield* Budget.make({ name: "run", shadow: true, limits: [Limit.concurrency(0)], within: [tried] })
      const heard = yield* listenTo(budget)
      yield* take(budget, 60)
      expect((yield* heard).filter(isShadowed)).toMatchObject([{ reason: { budget: "run" } }])
      const other = yield* Budget.make({ name: "other", limits: [], within: [tried] })
      const heardOther = yield* listenTo(other)
      yield* take(other, 60)
      expect((yield* heardOther).filter(isShadowed)).toMatchObject([{ reason: { budget: "tried", limit: slow } }])
    })
  )

  it.effect("gives back exactly what was taken beyond its maximum", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(20_000)
      const budget = yield* triedOut(
        Limit.cap("tokens", 100),
        Limit.slidingWindow("tokens", 100, "1 minute"),
        Limit.slidingWindow("tokens", 100, "1 minute", { name: "settled", chargeAt: "settle" }),
        Limit.fixedWindow("tokens", 100, "minute"),
        Limit.tokenBucket("tokens", 100, "1 minute"),
        Limit.concurrency(1)
      )
      const [first, second, third] = [yield* take(budget, 90), yield* take(budget, 90), yield* take(budget, 900)]
      expect(yield* usedIn(budget)).toEqual([1_080, 1_080, 1_080, 1_080, 1_080, 3])
      yield* third.release
      expect(yield* usedIn(budget)).toEqual([180, 180, 180, 180, 180, 2])
      yield* second.commit(tokens(20))
      expect(yield* usedIn(budget)).toEqual([110, 110, 110, 110, 110, 1])
      yield* first.commit(tokens(95))
      expect(yield* usedIn(budget)).toEqual([115, 115, 115, 115, 115, 0])
    })
  )

  it.effect("keeps nobody waiting during a pause, and tells of it", () =>
    Effect.gen(function* () {
      const budget = yield* triedOut()
      const heard = yield* listenTo(budget)
      yield* budget.pauseUntil(DateTime.makeUnsafe(10_000), { resume: "gradual" })
      yield* take(budget, 1)
      yield* TestClock.setTime(9_999)
      yield* take(budget, 1)
      expect(yield* shadowedOf(heard)).toEqual(["Paused 10000", "Paused 1"])
      yield* TestClock.setTime(10_000)
      yield* take(budget, 1)
      expect(yield* shadowedOf(heard)).toEqual([])
      yield* TestClock.setTime(10_400)
      yield* take(budget, 1)
      yield* take(budget, 1)
      expect(yield* shadowedOf(heard)).toEqual(["Paused 600", "Paused 600"])
      yield* TestClock.setTime(11_000)
      yield* take(budget, 1)
      expect(yield* shadowedOf(heard)).toEqual([])
    })
  )

  it.effect("does not shorten what an elastic reservation is granted, and asks for its least", () =>
    Effect.gen(function* () {
      const budget = yield* triedOut(Limit.cap("tokens", 100))
      const heard = yield* listenTo(budget)
      const ask = (least: number) =>
        budget.reserve(Usage.make({ outputTokens: 150 }), { least: Usage.make({ outputTokens: least }) })
      expect((yield* ask(100)).granted.outputTokens).toBe(150)
      expect(yield* shadowedOf(heard)).toEqual([])
      expect((yield* ask(10)).granted.outputTokens).toBe(150)
      const shadowed = (yield* heard).find(isShadowed)
      expect(shadowed).toMatchObject({ estimate: { outputTokens: 10 }, reason: { _tag: "BudgetExceeded" } })
    })
  )

  it.effect("leaves the decision to the other budgets of the path, which take all or nothing", () =>
    Effect.gen(function* () {
      const tried = yield* triedOut(Limit.cap("tokens", 10))
      const key = yield* Budget.make({ name: "key", limits: [Limit.cap("tokens", 100)], within: [tried] })
      const heard = yield* listenTo(tried)
      yield* take(key, 60)
      const refused = yield* Effect.flip(take(key, 60))
      expect(refused.reason).toMatchObject({ _tag: "BudgetExceeded", budget: "key" })
      expect([yield* usedIn(key), yield* usedIn(tried)]).toEqual([[60], [60]])
      expect((yield* heard).map(({ _tag }) => _tag)).toEqual(["Shadowed", "Admitted", "Refused"])
    })
  )

  it.effect("is asked when one that waits elsewhere is admitted, and fails nobody who waits", () =>
    Effect.gen(function* () {
      const tried = yield* triedOut(Limit.cap("tokens", 100))
      const key = yield* Budget.make({
        name: "key",
        limits: [Limit.slidingWindow("requests", 1, "1 minute")],
        within: [tried]
      })
      yield* Effect.scoped(take(key, 10))
      const heard = yield* listenTo(key)
      const waiting = yield* Effect.forkChild(Effect.scoped(key.reserve(tokens(50))), { startImmediately: true })
      yield* tried.charge(tokens(60))
      yield* othersRun
      expect(waiting.pollUnsafe()).toBeUndefined()
      expect(yield* shadowedOf(heard)).toEqual([])
      yield* TestClock.adjust("1 minute")
      expect(yield* shadowedOf(heard)).toEqual(["BudgetExceeded"])
      expect(waiting.pollUnsafe()?._tag).toBe("Success")
    })
  )

  it.effect("does not delay the start that is promised to one who waits elsewhere", () =>
    Effect.gen(function* () {
      const tried = yield* triedOut(Limit.slidingWindow("tokens", 10, "1 hour"))
      const key = yield* Budget.make({
        name: "key",
        limits: [Limit.slidingWindow("requests", 1, "1 minute")],
        within: [tried]
      })
      yield* Effect.scoped(take(key, 10))
      const places: Array<Budget.Place> = []
      const onWait = (place: Effect.Effect<Budget.Place>) => Effect.map(place, (told) => void places.push(told))
      yield* Effect.forkChild(Effect.scoped(key.reserve(tokens(10), { onWait })), { startImmediately: true })
      yield* othersRun
      expect(places).toEqual([{ position: 1, startsAt: 60_000 }])
    })
  )

  it.effect("neither lets anybody delay one who waits elsewhere nor keeps room for it", () =>
    Effect.gen(function* () {
      const tried = yield* triedOut(Limit.slidingWindow("tokens", 10, "1 hour"))
      const key = yield* Budget.make({
        name: "key",
        limits: [Limit.slidingWindow("inputTokens", 10, 100)],
        within: [tried]
      })
      yield* Effect.scoped(take(key, 6))
      yield* TestClock.setTime(5)
      yield* Effect.forkChild(Effect.scoped(key.reserve(tokens(10))), { startImmediately: true })
      yield* othersRun
      const heard = yield* listenTo(key)
      // There is room for it now, but then the one who waits would not start at 100.
      const refused = yield* Effect.flip(take(key, 4))
      expect(refused.reason).toMatchObject({ budget: "key", retryAfter: Duration.millis(95) })
      // The window needs nothing of it, and the shadow limit has room.
      yield* key.tryReserve(Usage.make({ outputTokens: 4 }))
      expect((yield* heard).map(({ _tag }) => _tag)).toEqual(["Refused", "Admitted"])
    })
  )

  it.effect("is declared by a service, by other options for its layer, and by a config", () =>
    Effect.gen(function* () {
      const limits = [Limit.cap("tokens", 10)]
      class Run extends Budget.Service<Run>()("app/Run", { limits, shadow: true }) {}
      const asksTooMuch = Effect.scoped(Effect.exit(Run.tryReserve(tokens(20))))
      const tagIn = (layer: Layer.Layer<Run, Config.ConfigError>) =>
        Effect.map(Effect.provide(asksTooMuch, layer), ({ _tag }) => _tag)
      expect(yield* tagIn(Run.fresh)).toBe("Success")
      expect(yield* tagIn(Run.layerWith({ limits }))).toBe("Failure")
      expect(yield* tagIn(Run.layerConfig(Config.succeed({ limits, shadow: true })))).toBe("Success")
      expect(yield* tagIn(Run.layerConfig(Config.succeed({ limits, shadow: false })))).toBe("Failure")
    })
  )

  it.effect("becomes a real one, and back, when the key of a family is opened with other options", () =>
    Effect.gen(function* () {
      const limits = [Limit.cap("tokens", 10)]
      let shadow = true
      class Tenant extends Budget.Service<Tenant>()("app/Tenant", { limits }) {}
      const map = yield* BudgetMap.make({ budget: Tenant, options: () => ({ limits, shadow }), idleTimeToLive: 0 })
      const asks = (count: number) =>
        Effect.scoped(Effect.exit(Tenant.tryReserve(tokens(count)))).pipe(
          Effect.map(({ _tag }) => _tag),
          Effect.provide(map.get("a"), { local: true })
        )
      expect(yield* asks(20)).toBe("Success")
      shadow = false
      expect(yield* asks(1)).toBe("Failure")
      shadow = true
      expect(yield* asks(1)).toBe("Success")
    })
  )
})
