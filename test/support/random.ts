/**
 * Random tests that can be replayed: a seeded generator and a runner that says how to repeat what failed.
 *
 * ```ts
 * it("never counts below zero", () =>
 *   forEachSeed({ name: "never below zero", runs: 1_000 }, (random) => {
 *     const amount = random.int(1, 100)
 *     random.note("take", amount)
 *     expect(take(amount)).toBeGreaterThanOrEqual(0)
 *   }))
 * ```
 *
 * The seeds follow from the name, so that two runs of the suite test the same. From the outside:
 *
 * - `SEED=123 npm test -- test/…` runs one seed and prints what it notes;
 * - `RUNS=50 npm test -- test/…` runs fifty times as many seeds, which are new ones beyond the first; below one, fewer.
 *
 * A failure carries its seed, the command that replays it and the last notes.
 */
import { expect } from "vitest"

/** A generator of 32-bit numbers (mulberry32) and what tests draw from it. The same seed gives the same draws. */
export class Random {
  readonly seed: number
  readonly notes: Array<ReadonlyArray<unknown>> = []
  #state: number

  constructor(seed: number) {
    this.seed = seed
    this.#state = seed >>> 0
  }

  /** A number in [0, 1) with 53 random bits. */
  fraction(): number {
    return ((this.#bits() >>> 5) * 2 ** 26 + (this.#bits() >>> 6)) / 2 ** 53
  }

  /** A whole number between `min` and `max`, both included, which lie less than 2^53 apart. */
  int(min: number, max: number): number {
    return min + Math.floor(this.fraction() * (max - min + 1))
  }

  /** A whole number between `min` and `max`, both at least 1, whose order of magnitude is as random as its digits. */
  magnitude(min: number, max: number): number {
    const drawn = Math.floor(Math.exp(Math.log(min) + this.fraction() * (Math.log(max + 1) - Math.log(min))))
    return Math.max(min, Math.min(max, drawn))
  }

  /** True with a probability between 0 and 1. */
  chance(probability: number): boolean {
    return this.fraction() < probability
  }

  pick<A>(values: ReadonlyArray<A>): A {
    if (values.length === 0) throw new RangeError("Random.pick: nothing to pick from")
    return values[this.int(0, values.length - 1)]!
  }

  /** One of the keys, drawn in proportion to its weight. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K {
    const keys = Object.keys(weights) as Array<K>
    let rest = this.fraction() * keys.reduce((sum, key) => sum + weights[key], 0)
    return keys.find((key) => (rest -= weights[key]) < 0) ?? keys.at(-1)!
  }

  /** A copy in random order. */
  shuffle<A>(values: ReadonlyArray<A>): Array<A> {
    const shuffled = values.slice()
    for (let last = shuffled.length - 1; last > 0; last--) {
      const other = this.int(0, last)
      const kept = shuffled[last]!
      shuffled[last] = shuffled[other]!
      shuffled[other] = kept
    }
    return shuffled
  }

  /** A generator of its own, whose draws do not move this one's: for a part that draws more or less often. */
  fork(): Random {
    return new Random(this.#bits())
  }

  /** Keeps a step of the history, to be printed if the run fails. Formatted only then. */
  note(...values: ReadonlyArray<unknown>): void {
    this.notes.push(values)
  }

  #bits(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let bits = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits
    return (bits ^ (bits >>> 14)) >>> 0
  }
}

/**
 * Runs a body once per seed and stops at the first that fails. The body may be asynchronous; an Effect is run with
 * `Effect.runPromise` in it. Runs follow one another, never side by side.
 */
export const forEachSeed = async (
  options: { readonly name: string; readonly runs: number },
  body: (random: Random, seed: number) => void | PromiseLike<unknown>
): Promise<void> => {
  const replayed = numberFromEnv("SEED")
  const first = hash(options.name)
  const runs = Math.ceil(options.runs * (numberFromEnv("RUNS") ?? 1))
  const seeds = replayed === undefined ? runs : 1
  for (let run = 0; run < seeds; run++) {
    const random = new Random(replayed ?? (first + run) >>> 0)
    try {
      const pending = body(random, random.seed)
      if (pending !== undefined) await pending
    } catch (error) {
      throw explained(error, options.name, random)
    }
    if (replayed !== undefined) console.log(`seed ${random.seed} of "${options.name}" passes\n${history(random)}`)
  }
}

const explained = (error: unknown, name: string, random: Random): Error => {
  const explanation = `seed ${random.seed} of "${name}" fails. Replay: ${command(random.seed)}\n${history(random)}`
  if (!(error instanceof Error)) return new Error(explanation, { cause: error })
  // Changed in place, so that an assertion keeps its diff and its stack.
  error.message = `${error.message}\n\n${explanation}`
  return error
}

const command = (seed: number): string => {
  const { currentTestName, testPath } = expect.getState()
  const file = testPath?.slice(Math.max(0, testPath.lastIndexOf("/test/") + 1)) ?? "test/…"
  // Vitest reads the name as a pattern.
  const test = currentTestName
    ?.split(" > ")
    .at(-1)
    ?.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
  return `SEED=${seed} npm test -- ${file}${test === undefined ? "" : ` -t ${JSON.stringify(test)}`}`
}

const NOTES_PRINTED_MAX = 200

const history = (random: Random): string => {
  const left = Math.max(0, random.notes.length - NOTES_PRINTED_MAX)
  const lines = random.notes.slice(left).map((values) => `  ${values.map(written).join(" ")}`)
  return [...(left > 0 ? [`  … ${left} earlier notes left out`] : []), ...lines].join("\n")
}

const written = (value: unknown): string =>
  typeof value === "object" && value !== null ? JSON.stringify(value) : String(value)

const numberFromEnv = (name: string): number | undefined => {
  const text = process.env[name]
  if (text === undefined || text === "") return undefined
  const value = Number(text)
  if (Number.isFinite(value) && value >= 0) return value
  throw new RangeError(`${name} must be a non-negative number, got "${text}"`)
}

/** FNV-1a: seeds of tests with different names lie far apart. */
const hash = (text: string): number => {
  let state = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    state = Math.imul(state ^ text.charCodeAt(index), 0x01000193)
  }
  return state >>> 0
}
