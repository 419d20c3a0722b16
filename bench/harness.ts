/**
 * How everything here is timed: contenders do the same work, round by round in turn, and the middle round counts.
 */
import { Effect, type Scope } from "effect"

/** One way of doing a scenario's work. */
export interface Contender {
  readonly library: string
  /** How many operations one run does. */
  readonly opsPerRun: number
  /**
   * Whether timers set its pace. Then it needs no warming up and has its rounds after the others, for whom its idle
   * milliseconds would let the processor cool down.
   */
  readonly isTimerBound?: boolean
  /** Does the work `runs` times and says how many operations came out as they should. */
  readonly run: (runs: number) => Promise<number>
}

/** Work that several contenders do, and what is expected of ours. */
export interface Scenario {
  readonly name: string
  readonly work: string
  readonly contenders: Effect.Effect<ReadonlyArray<Contender>, never, Scope.Scope>
  readonly targets: ReadonlyArray<Target>
}

/** The most that a contender may take: in nanoseconds per operation, or as a ratio to another contender. */
export interface Target {
  readonly library: string
  readonly max: number
  readonly of: "nsPerOp" | { readonly ratioTo: string }
}

/** How long and how often contenders run. */
export interface Effort {
  readonly warmUpRounds: number
  readonly rounds: number
  /** About how long one contender runs in one round. */
  readonly roundMillis: number
}

/** What the rounds of one contender took. The n-th rounds of a scenario's contenders belong together. */
export interface Measurement {
  readonly library: string
  readonly nsPerOp: ReadonlyArray<number>
}

/** Warms a scenario up and measures it. */
export const measure = (scenario: Scenario, effort: Effort): Effect.Effect<ReadonlyArray<Measurement>> =>
  Effect.scoped(
    Effect.flatMap(scenario.contenders, (contenders) => Effect.promise(() => measureAll(contenders, effort)))
  )

const measureAll = async (
  contenders: ReadonlyArray<Contender>,
  { roundMillis, rounds, warmUpRounds }: Effort
): Promise<ReadonlyArray<Measurement>> => {
  const lanes: Array<Lane> = []
  for (const contender of contenders) lanes.push(await laneOf(contender, roundMillis))
  const quick = lanes.filter(({ contender }) => contender.isTimerBound !== true)
  const slow = lanes.filter(({ contender }) => contender.isTimerBound === true)
  for (let round = 0; round < warmUpRounds; round++) await playRound(quick, round, roundMillis)
  for (const lane of lanes) lane.nsPerOp.length = 0

  for (let round = 0; round < rounds; round++) await playRound(quick, round, roundMillis)
  for (let round = 0; round < rounds; round++) await playRound(slow, round, roundMillis)
  return lanes.map(({ contender: { library }, nsPerOp }) => ({ library, nsPerOp }))
}

interface Lane {
  readonly contender: Contender
  readonly nsPerOp: Array<number>
  fastestNsPerOp: number
}

/** Runs every contender once, beginning with another one each round: nobody always collects the same one's garbage. */
const playRound = async (lanes: ReadonlyArray<Lane>, round: number, roundMillis: number): Promise<void> => {
  for (let turn = 0; turn < lanes.length; turn++) {
    const lane = lanes[(round + turn) % lanes.length]!
    const nsPerOp = await time(lane.contender, runsToFill(lane, roundMillis))
    lane.nsPerOp.push(nsPerOp)
    lane.fastestNsPerOp = Math.min(lane.fastestNsPerOp, nsPerOp)
  }
}

/** Runs a contender more and more often, until it is known well enough to fill a round. */
const laneOf = async (contender: Contender, roundMillis: number): Promise<Lane> => {
  const lane: Lane = { contender, nsPerOp: [], fastestNsPerOp: Number.POSITIVE_INFINITY }
  for (let runs = 1; runs === 1 || runs < runsToFill(lane, roundMillis); runs *= 2) {
    lane.fastestNsPerOp = Math.min(lane.fastestNsPerOp, await time(contender, runs))
  }
  return lane
}

const runsToFill = ({ contender: { opsPerRun }, fastestNsPerOp }: Lane, roundMillis: number): number =>
  Math.max(1, Math.round((roundMillis * NS_PER_MILLI) / (fastestNsPerOp * opsPerRun)))

const time = async ({ library, opsPerRun, run }: Contender, runs: number): Promise<number> => {
  const ops = runs * opsPerRun
  const startedAt = process.hrtime.bigint()
  const done = await run(runs)
  const tookNs = Number(process.hrtime.bigint() - startedAt)
  if (done !== ops) throw new Error(`${library}: ${done} of ${ops} operations came out as they should`)
  return tookNs / ops
}

/** The middle value, or the mean of the two middle values. */
export const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle]
  if (upper === undefined) throw new RangeError("median: no values")
  return sorted.length % 2 === 1 ? upper : (sorted[middle - 1]! + upper) / 2
}

/** The median of the ratios within each round: what slows a round down slows both contenders down. */
export const medianRatio = (a: Measurement, b: Measurement): number =>
  median(a.nsPerOp.map((ns, round) => ns / b.nsPerOp[round]!))

const NS_PER_MILLI = 1_000_000
