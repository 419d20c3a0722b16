import * as Effect from "effect/Effect"
import type { Recording } from "../../Recording.ts"
import type { Setting } from "../simulation/setting.ts"
import type { Call, Fleet, WorkloadError } from "../../Workload.ts"
import { World } from "../simulation/world.ts"

/** The calls that are simulated again and again. */
export type Calls =
  | { readonly _tag: "Given"; readonly calls: ReadonlyArray<Call>; readonly start: number }
  | { readonly _tag: "Fleet"; readonly fleet: Fleet; readonly start: number }

/** Runs the calls under a setting to their end. */
export const record = (setting: Setting, calls: Calls): Effect.Effect<Recording, WorkloadError> =>
  Effect.map(play(new World(setting, calls.start), calls, Number.POSITIVE_INFINITY), (world) => world.recording())

/** Whether the share of calls that wait or are refused is at most the target. It stops where that is out of the question. */
export const meets = (setting: Setting, calls: Calls, target: number): Effect.Effect<boolean, WorkloadError> => {
  const world = new World(setting, calls.start)
  const allowed = calls._tag === "Given" ? target * calls.calls.length : Number.POSITIVE_INFINITY
  return Effect.map(
    play(world, calls, allowed),
    (played) => played.hindered <= allowed && played.hindered <= target * played.arrived
  )
}

/** Lets all calls come, or as many as it takes to hinder more of them than is allowed. */
const play = (world: World, calls: Calls, allowed: number): Effect.Effect<World, WorkloadError> =>
  Effect.gen(function* () {
    if (calls._tag === "Fleet") world.employ(calls.fleet)
    else {
      let last = -1
      for (const [index, call] of calls.calls.entries()) {
        if (call.at > last) {
          world.goTo(call.at)
          if (world.hindered > allowed) return world
        }
        last = call.at
        world.arrive(call)
        if (index % CALLS_PER_SLICE === CALLS_PER_SLICE - 1) yield* Effect.yieldNow
      }
    }
    for (let step = 1; !world.isOver; step++) {
      world.step()
      if (step % CALLS_PER_SLICE === 0) yield* Effect.yieldNow
    }
    if (world.problem !== undefined) return yield* Effect.fail(world.problem)
    return world
  })

// How much is done before others have their turn.
const CALLS_PER_SLICE = 1_000
