import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import {
  type Advice,
  AdviceError,
  type LimitAdvice,
  type RecordingOptions,
  type WorkloadOptions
} from "../../Advice.ts"
import type { Recording } from "../../Recording.ts"
import type { Setting } from "../simulation/setting.ts"
import * as Usage from "../../Usage.ts"
import { type Call, type Open, WorkloadError } from "../../Workload.ts"
import { DEFAULT_START, settingOf } from "../simulation/run.ts"
import { World } from "../simulation/world.ts"
import { callsOf, settingOf as settingOfRecording } from "./replay.ts"
import { dismiss, slowDown, widen } from "./search.ts"
import { certaintyOf, hindrancesOf, shareOf } from "./share.ts"
import { type Knob, knobsOf, resized, type Sizes, sizeOf, withSizes } from "./size.ts"
import { type Calls, record } from "./trial.ts"
import { verdictOf } from "./verdict.ts"

/** Advice on what a recording tells. */
export const fromRecording = (
  recording: Recording,
  options: RecordingOptions = {}
): Effect.Effect<Advice, AdviceError> =>
  Effect.suspend(() => {
    const target = targetOf("Advice.fromRecording", options.target)
    const setting = settingOfRecording(recording, options)
    if (typeof setting === "string") return Effect.fail(new AdviceError({ problem: setting }))
    if (recording.calls.asked === 0 || recording.trace.length === 0) {
      return Effect.fail(new AdviceError({ problem: "the recording has no calls that have ended" }))
    }
    // Only the calls of fleets may turn out to be wrong.
    return Effect.catchTag(advise(recording, setting, callsOf(recording), target), "WorkloadError", Effect.die)
  })

/** Advice on limits and a workload. */
export const fromWorkload = <E, R>(options: WorkloadOptions<E, R>): Effect.Effect<Advice, E | WorkloadError, R> =>
  Effect.gen(function* () {
    const { callsMax = CALLS_MAX, start, workload } = options
    const target = targetOf("Advice.fromWorkload", options.target)
    if (!Usage.isAmount(callsMax) || callsMax === 0) {
      throw new RangeError(`Advice.fromWorkload: callsMax must be a positive whole number, got ${callsMax}`)
    }
    const setting = settingOf("Advice.fromWorkload", { ...options, traceMax: 0 })
    const startMillis = start === undefined ? undefined : DateTime.makeUnsafe(start).epochMilliseconds
    const calls: Calls =
      workload._tag === "Fleet"
        ? { _tag: "Fleet", fleet: workload, start: startMillis ?? DEFAULT_START }
        : yield* collect(workload, callsMax, startMillis, setting)
    return yield* advise(yield* record(setting, calls), setting, calls, target)
  })

const collect = <E, R>(
  { calls, isDated }: Open<E, R>,
  callsMax: number,
  start: number | undefined,
  setting: Setting
): Effect.Effect<Calls, E | WorkloadError, R> =>
  Effect.gen(function* () {
    const given: ReadonlyArray<Call> = yield* Stream.runCollect(Stream.take(calls, callsMax))
    const origin = isDated ? (given[0]?.at ?? 0) : 0
    const world = new World(setting, 0)
    for (const [index, call] of given.entries()) {
      const problem = world.problemOf(call, index + 1, given[index - 1]?.at ?? origin)
      if (problem !== undefined) return yield* Effect.fail(problem)
    }
    if (given.length === 0) return yield* Effect.fail(new WorkloadError({ problem: "the workload has no calls" }))
    return {
      _tag: "Given",
      start: start ?? (isDated ? origin : DEFAULT_START),
      calls: given.map((call) => Object.assign({ ...call }, { at: call.at - origin }))
    } satisfies Calls
  })

const advise = (
  recording: Recording,
  setting: Setting,
  calls: Calls,
  target: number
): Effect.Effect<Advice, WorkloadError> =>
  Effect.gen(function* () {
    const share = shareOf(recording)
    const isTight = share > target
    const knobs = knobsOf(setting)
    const sizes = isTight ? yield* widen(setting, knobs, calls, target) : noSizes
    const then = sizes === undefined ? undefined : yield* record(withSizes(setting, knobs, sizes), calls)
    const needs = isTight && sizes?.size !== 0
    const advice = {
      target,
      share,
      certainty: certaintyOf(recording),
      hindrances: hindrancesOf(recording),
      simulated: then?.calls.asked ?? (calls._tag === "Given" ? calls.calls.length : recording.calls.asked),
      limits: sizes === undefined ? undefined : changesOf(knobs, sizes),
      shareThen: then === undefined ? undefined : shareOf(then),
      pace: needs && calls._tag === "Given" ? yield* slowDown(setting, calls, target) : undefined,
      workers:
        needs && calls._tag === "Fleet"
          ? { current: calls.fleet.workers, advised: yield* dismiss(setting, calls, target) }
          : undefined
    }
    return { ...advice, verdict: verdictOf(advice) }
  })

/** The limits that are to change, in the order of the setting. */
const changesOf = (knobs: ReadonlyArray<Knob>, sizes: Sizes): ReadonlyArray<LimitAdvice> =>
  knobs.flatMap((knob) => {
    const { budget, limit } = knob
    const size = sizes.get(knob) ?? sizeOf(limit)
    return size === sizeOf(limit) ? [] : [{ budget, current: limit, advised: resized(limit, size) }]
  })

const targetOf = (where: string, target = TARGET): number => {
  if (target >= 0 && target < 1) return target
  throw new RangeError(`${where}: target must be a number from 0 to below 1, got ${target}`)
}

const noSizes: Sizes = new Map()

/** The rule of thumb: of more calls than these, none should have to wait. */
const TARGET = 0.05

// Fifty simulations of these take some seconds.
const CALLS_MAX = 10_000
