import type { Random } from "./random.ts"

/** Instants in ascending order, in milliseconds from the start. They may be fractions. */
export type Arrivals = (random: Random) => Iterable<number>

/** Calls that come independently of each other. */
export const independent = (perMinute: number, durationMillis: number): Arrivals =>
  function* (random) {
    const mean = MINUTE / perMinute
    for (let at = random.exponential(mean); at < durationMillis; at += random.exponential(mean)) yield at
  }

/** So many at a time, again and again, spread over a while. */
export const together = (size: number, everyMillis: number, withinMillis: number, durationMillis: number): Arrivals =>
  function* (random) {
    for (let burst = 0; burst < durationMillis; burst += everyMillis) {
      const instants = Array.from({ length: size }, () => burst + random.fraction() * withinMillis)
      yield* instants.sort((a, b) => a - b).filter((at) => at < durationMillis)
    }
  }

/** Calls that come independently, more of them at one time of the day than at the other. */
export const daily = (mean: number, swing: number, peakMillis: number, durationMillis: number): Arrivals => {
  const most = mean * (1 + swing)
  const rateAt = (at: number): number => mean * (1 + swing * Math.cos((2 * Math.PI * (at - peakMillis)) / DAY))
  return function* (random) {
    for (const at of independent(most, durationMillis)(random)) {
      if (random.fraction() * most < rateAt(at)) yield at
    }
  }
}

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE
