import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import type { Options, Outcome, Progress } from "../../Simulation.ts"
import * as Duration from "effect/Duration"
import * as Usage from "../../Usage.ts"
import { type Call, type Fleet, type Open, WorkloadError } from "../../Workload.ts"
import { TRACE_MAX } from "../recording/trace.ts"
import { outcomeOf } from "./outcome.ts"
import type { Setting } from "./setting.ts"
import { World } from "./world.ts"

/** Runs a workload in virtual time, in slices between which others get their turn. */
export const run = <E, R>(options: Options<E, R>): Effect.Effect<Outcome, E | WorkloadError, R> =>
  Effect.suspend(() => {
    const setting = settingOf("Simulation.run", options)
    const { onProgress, start, workload } = options
    const startMillis = start === undefined ? undefined : DateTime.makeUnsafe(start).epochMilliseconds
    return Effect.map(
      workload._tag === "Fleet"
        ? runFleet(workload, new World(setting, startMillis ?? DEFAULT_START), onProgress)
        : runOpen(workload, (first) => new World(setting, startMillis ?? first), onProgress),
      (world) => outcomeOf(world.recording())
    )
  })

type OnProgress = ((progress: Progress) => Effect.Effect<void>) | undefined

const runFleet = (fleet: Fleet, world: World, onProgress: OnProgress): Effect.Effect<World, WorkloadError> =>
  Effect.suspend(() => {
    world.employ(fleet)
    return Effect.as(toTheEnd(world, onProgress), world)
  })

const runOpen = <E, R>(
  { calls, isDated }: Open<E, R>,
  makeWorld: (start: number) => World,
  onProgress: OnProgress
): Effect.Effect<World, E | WorkloadError, R> =>
  Effect.scoped(
    Effect.gen(function* () {
      const pull = yield* Stream.toPull(calls)
      let world: World | undefined
      let origin = 0
      let last = 0
      for (;;) {
        const chunk = yield* nextOf(pull)
        if (chunk === undefined) break
        if (world === undefined) {
          origin = isDated ? chunk[0].at : 0
          world = makeWorld(isDated ? origin : DEFAULT_START)
        }
        for (let from = 0; from < chunk.length; from += CALLS_PER_SLICE) {
          for (const dated of chunk.slice(from, from + CALLS_PER_SLICE)) {
            const call: Call = origin === 0 ? dated : { ...dated, at: dated.at - origin }
            const problem = world.problemOf(call, world.arrived + 1, last)
            if (problem !== undefined) return yield* Effect.fail(problem)
            last = call.at
            world.arrive(call)
          }
          yield* rest(world, onProgress)
        }
      }
      if (world === undefined) {
        return yield* Effect.fail(new WorkloadError({ problem: "the workload has no calls" }))
      }
      yield* toTheEnd(world, onProgress)
      return world
    })
  )

/** The next calls, or nothing when there are no more. */
const nextOf = <E>(
  pull: Pull.Pull<readonly [Call, ...Array<Call>], E>
): Effect.Effect<readonly [Call, ...Array<Call>] | undefined, E> =>
  Pull.catchDone(
    Effect.map(pull, (chunk): readonly [Call, ...Array<Call>] | undefined => chunk),
    () => Effect.undefined
  )

const toTheEnd = (world: World, onProgress: OnProgress): Effect.Effect<void, WorkloadError> =>
  Effect.gen(function* () {
    while (!world.isOver) {
      for (let step = 0; step < STEPS_PER_SLICE && !world.isOver; step++) world.step()
      yield* rest(world, onProgress)
    }
    if (world.problem !== undefined) return yield* Effect.fail(world.problem)
  })

/** Lets others have their turn, an interruption among them. */
const rest = (world: World, onProgress: OnProgress): Effect.Effect<void> => {
  if (onProgress === undefined) return Effect.yieldNow
  const { arrived, elapsedMillis } = world
  return Effect.andThen(onProgress({ calls: arrived, elapsedMillis }), Effect.yieldNow)
}

/** What is simulated, as far as it makes sense. Throws where it does not. */
export const settingOf = (where: string, options: Omit<Options<unknown, unknown>, "workload">): Setting => {
  const { maxWait, name = "budget", tenants = [], traceMax = TRACE_MAX } = options
  const names = new Set([name])
  for (const tenant of tenants) {
    if (names.has(tenant.name)) throw new RangeError(`${where}: two budgets are named "${tenant.name}"`)
    names.add(tenant.name)
  }
  if (!Usage.isAmount(traceMax)) {
    throw new RangeError(`${where}: traceMax must be a whole number of zero or more, got ${traceMax}`)
  }
  const maxWaitMillis = maxWait === undefined ? 0 : Duration.toMillis(maxWait)
  if (!(maxWaitMillis >= 0)) throw new RangeError(`${where}: maxWait must not be negative, got ${maxWaitMillis} ms`)
  const { limits, provider, title } = options
  return { name, limits, tenants, provider, maxWait, title, traceMax }
}

// How much is done before others have their turn: about ten milliseconds' worth.
const CALLS_PER_SLICE = 1_000
const STEPS_PER_SLICE = 2_000

/** Monday, 1 January 2024, 00:00 UTC: where calendar windows begin, unless it is said. */
export const DEFAULT_START = 1_704_067_200_000
