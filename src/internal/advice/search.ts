import * as Effect from "effect/Effect"
import type { Setting } from "../simulation/setting.ts"
import type { WorkloadError } from "../../Workload.ts"
import { hindrancesOf, shareOf } from "./share.ts"
import { type Knob, scaled, type Sizes, sizeOf, withSizes } from "./size.ts"
import { type Calls, meets, record } from "./trial.ts"

/**
 * The sizes with which the share of calls that wait or are refused is at most the target, of the limits that have to be
 * larger for that. None of them can be a tenth smaller, alone or together with the others. Nothing if no sizes do it.
 */
export const widen = (
  setting: Setting,
  knobs: ReadonlyArray<Knob>,
  calls: Calls,
  target: number
): Effect.Effect<Sizes | undefined, WorkloadError> =>
  Effect.gen(function* () {
    const suffices = (sizes: Sizes) => meets(withSizes(setting, knobs, sizes), calls, target)

    // Behind a limit that is widened, another one may turn out to be in the way.
    const binding = new Set<Knob>()
    let enough: number | undefined
    for (let factor = 1; factor <= FACTOR_MAX; factor *= 2) {
      const recording = yield* record(withSizes(setting, knobs, all(binding, factor)), calls)
      if (shareOf(recording) <= target) {
        enough = factor
        break
      }
      for (const { budget, limit } of hindrancesOf(recording)) {
        const knob = knobs.find((knob) => knob.budget === budget && knob.limit.name === limit)
        if (knob !== undefined) binding.add(knob)
      }
    }
    if (enough === undefined) return undefined
    if (enough === 1) return new Map<Knob, number>()

    const factor = yield* leastFactor(enough / 2, enough, (factor) => suffices(all(binding, factor)))
    let sizes = all(binding, factor)
    for (let round = 0; round < ROUNDS_MAX; round++) {
      for (const knob of binding) sizes = yield* trim(sizes, knob, suffices)
      const smaller = yield* stillSmaller(sizes, suffices)
      if (smaller === undefined) break
      sizes = smaller
    }
    return sizes
  })

const all = (knobs: Iterable<Knob>, factor: number): Sizes =>
  new Map(factor === 1 ? [] : [...knobs].map((knob) => [knob, scaled(sizeOf(knob.limit), factor)]))

/** Between a factor that may be too little and one that is enough, the least that is, within the precision. */
const leastFactor = (
  low: number,
  high: number,
  isEnough: (factor: number) => Effect.Effect<boolean, WorkloadError>
): Effect.Effect<number, WorkloadError> =>
  Effect.gen(function* () {
    let [tooLittle, enough] = [low, high]
    while (enough - tooLittle > PRECISION * enough) {
      const factor = (tooLittle + enough) / 2
      if (yield* isEnough(factor)) enough = factor
      else tooLittle = factor
    }
    return enough
  })

/** Makes one limit as small as the others allow. One that need not be larger than it was is left as it was. */
const trim = (
  sizes: Sizes,
  knob: Knob,
  suffices: (sizes: Sizes) => Effect.Effect<boolean, WorkloadError>
): Effect.Effect<Sizes, WorkloadError> =>
  Effect.gen(function* () {
    const current = sizes.get(knob)
    if (current === undefined) return sizes
    const others = new Map(sizes)
    others.delete(knob)
    if (yield* suffices(others)) return others
    const enough = yield* leastSize(sizeOf(knob.limit), current, (size) => suffices(new Map(others).set(knob, size)))
    return new Map(others).set(knob, enough)
  })

const leastSize = (
  low: number,
  high: number,
  isEnough: (size: number) => Effect.Effect<boolean, WorkloadError>
): Effect.Effect<number, WorkloadError> =>
  Effect.gen(function* () {
    let [tooLittle, enough] = [low, high]
    while (enough - tooLittle > Math.max(1, PRECISION * enough)) {
      const size = Math.floor((tooLittle + enough) / 2)
      if (yield* isEnough(size)) enough = size
      else tooLittle = size
    }
    return enough
  })

/**
 * Sizes a tenth smaller that suffice, too, if there are any. Less room can mean less waiting, as when a large call has
 * to wait and many small ones pass: what was found by halving need not be the least.
 */
const stillSmaller = (
  sizes: Sizes,
  suffices: (sizes: Sizes) => Effect.Effect<boolean, WorkloadError>
): Effect.Effect<Sizes | undefined, WorkloadError> =>
  Effect.gen(function* () {
    const tenthOff = ([knob, size]: readonly [Knob, number]): readonly [Knob, number] => [knob, scaled(size, 0.9)]
    const together = new Map([...sizes].map(tenthOff))
    const alone = sizes.size < 2 ? [] : [...sizes].map((entry) => new Map(sizes).set(...tenthOff(entry)))
    for (const smaller of [together, ...alone]) if (yield* suffices(smaller)) return smaller
    return undefined
  })

/** The fastest pace, as a fraction of that of the given calls, at which the limits suffice as they are. */
export const slowDown = (
  setting: Setting,
  { calls, start }: Extract<Calls, { readonly _tag: "Given" }>,
  target: number
): Effect.Effect<number | undefined, WorkloadError> =>
  Effect.gen(function* () {
    const isSlow = (factor: number): Effect.Effect<boolean, WorkloadError> => {
      const slower = calls.map((call) => Object.assign({ ...call }, { at: Math.floor(call.at * factor) }))
      return meets(setting, { _tag: "Given", calls: slower, start }, target)
    }
    for (let factor = 2; factor <= SLOWER_MAX; factor *= 2) {
      if (yield* isSlow(factor)) return 1 / (yield* leastFactor(factor / 2, factor, isSlow))
    }
    return undefined
  })

/** The largest number of workers for which the limits suffice as they are. Zero if they do not even for one. */
export const dismiss = (
  setting: Setting,
  { fleet, start }: Extract<Calls, { readonly _tag: "Fleet" }>,
  target: number
): Effect.Effect<number, WorkloadError> =>
  Effect.gen(function* () {
    let [enough, tooMany] = [0, fleet.workers]
    while (tooMany - enough > 1) {
      const workers = Math.floor((enough + tooMany) / 2)
      if (yield* meets(setting, { _tag: "Fleet", fleet: { ...fleet, workers }, start }, target)) enough = workers
      else tooMany = workers
    }
    return enough
  })

// Finer than this, the traffic of tomorrow makes more of a difference.
const PRECISION = 0.01

// Who needs more than a million times as much needs something else.
const FACTOR_MAX = 2 ** 20
const SLOWER_MAX = 2 ** 10

// Each round makes something a tenth smaller at least. In practice there is one.
const ROUNDS_MAX = 20
