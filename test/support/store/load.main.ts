/** One of the processes of `load.ts`. */
import type * as Budget from "effect-budget/Budget"
import * as BudgetStore from "effect-budget/BudgetStore"
import * as RedisBudgetStore from "effect-budget/RedisBudgetStore"
import type { Batch } from "effect-budget/StoreProtocol"
import * as Usage from "effect-budget/Usage"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redis from "effect/persistence/Redis"
import * as Scope from "effect/Scope"
import { writeFileSync } from "node:fs"
import { Random } from "../random.ts"
import { layerAt } from "../redis/server.ts"
import { answer } from "./childProcess.ts"
import { budgetsOf, type LoadOptions, type Tally } from "./load.ts"
import { numbering, recording } from "./record.ts"

const options = JSON.parse(process.argv[2]!) as LoadOptions
const tally: Tally = { calls: 0, refused: 0, tokens: 0, requests: 0, waitedMillisMax: 0 }
const lines: Array<string> = []

/** The store, of which everything is noted. */
const store = Effect.gen(function* () {
  const places = new Map<string, number>()
  const redis = yield* numbering(yield* Redis.Redis, (batch, place) => {
    const [, member, sequence] = /^\["([^"]+)",(\d+)/.exec(batch)!
    places.set(`${member} ${sequence}`, place)
  })
  const inner = yield* Effect.provideService(RedisBudgetStore.make({ prefix: options.prefix }), Redis.Redis, redis)
  const placeOf = ({ member, sequence }: Batch): number => {
    const name = `${member} ${sequence}`
    const place = places.get(name) ?? Number.NaN
    places.delete(name)
    return place
  }
  return recording(inner, placeOf, (record) => lines.push(JSON.stringify(record)))
})

const spent = (estimate: Usage.Usage): void => {
  tally.tokens += estimate.inputTokens
  tally.requests += estimate.requests
}

/** Makes one call. Says whether the cap is used up. */
const call = (budget: Budget.Budget, random: Random): Effect.Effect<boolean> =>
  Effect.gen(function* () {
    const amount = random.chance(0.05) ? random.int(200, 1_000) : random.int(1, 100)
    const estimate = Usage.make({ inputTokens: amount })
    const less = Usage.make({ inputTokens: random.int(0, amount) })
    const more = Usage.make({ inputTokens: amount + random.int(1, 50) })
    const millis = random.int(0, 3)
    const maxWait = random.chance(0.2) ? 0 : random.chance(0.2) ? random.int(1, 50) : undefined
    const onFailure = random.pick(["release", "charge"] as const)
    const how = random.weighted({ less: 8, exactly: 3, more: 1, release: 1, failure: 1, interruption: 1 })
    const since = performance.now()
    let hasBegun = false

    const made = budget.withReservation(
      estimate,
      (reservation) => {
        hasBegun = true
        tally.calls++
        tally.waitedMillisMax = Math.max(tally.waitedMillisMax, performance.now() - since)
        const work = millis === 0 ? Effect.yieldNow : Effect.sleep(millis)
        const commit = (usage: Usage.Usage): Effect.Effect<void> => {
          spent(usage)
          return reservation.commit(usage)
        }
        const ends = {
          less: () => commit(less),
          more: () => commit(more),
          // What is not settled has used its estimate.
          exactly: () => Effect.sync(() => spent(estimate)),
          release: () => reservation.release,
          failure: () => {
            if (onFailure === "charge") spent(estimate)
            return Effect.fail("a failure" as const)
          },
          interruption: () => Effect.never
        }
        return Effect.andThen(work, Effect.suspend<void, "a failure", never>(ends[how]))
      },
      { maxWait, onFailure }
    )
    if (how === "interruption") {
      const fiber = yield* Effect.forkChild(made)
      yield* Effect.sleep(random.int(0, 5))
      yield* Fiber.interrupt(fiber)
      if (hasBegun && onFailure === "charge") spent(estimate)
      if (!hasBegun) tally.refused++
      return false
    }
    const exit = yield* Effect.exit(made)
    if (hasBegun) return false
    tally.refused++
    const error = Exit.isFailure(exit) ? exit.cause.reasons[0] : undefined
    const reason = error?._tag === "Fail" && error.error !== "a failure" ? error.error.reason : undefined
    if (reason === undefined || reason._tag === "BudgetStoreError") return yield* Effect.die(exit)
    // Who is patient is refused only if there will never be room.
    return reason._tag === "BudgetExceeded" && maxWait === undefined
  })

const caller = (budget: Budget.Budget, random: Random): Effect.Effect<void> =>
  Effect.asVoid(Effect.repeat(call(budget, random), { until: (isUsedUp) => isUsedUp }))

const program = Effect.gen(function* () {
  const scope = yield* Scope.make()
  // Nobody is in a hurry here: what is tested is what becomes of batches that arrive.
  const layer = BudgetStore.layer(store, { timeout: "1 minute", shutdown: "1 minute" })
  const { acme } = yield* Layer.build(Layer.provide(layer, layerAt(options.url))).pipe(
    Effect.flatMap((services) => Effect.provide(budgetsOf(options.cap), services)),
    Scope.provide(scope)
  )
  const random = new Random(options.seed)
  const run = Effect.gen(function* () {
    const callers = Array.from({ length: options.callers }, () => caller(acme, random.fork()))
    yield* Effect.all(callers, { concurrency: "unbounded" })
    yield* Scope.close(scope, Exit.void)
    writeFileSync(options.file, lines.join("\n"))
    return tally
  })
  answer(() => Effect.runPromise(run))
})

await Effect.runPromise(program)
