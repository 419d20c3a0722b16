import type { Certainty, Hindrance } from "../../Advice.ts"
import type { Recording } from "../../Recording.ts"

/** Which share of the calls had to wait or was refused. */
export const shareOf = ({ calls }: Recording): number =>
  calls.asked === 0 ? 0 : (calls.waited + calls.refused) / calls.asked

/** The limits that calls have waited for or were refused because of, those of most calls first. */
export const hindrancesOf = ({ budgets, calls }: Recording): ReadonlyArray<Hindrance> =>
  budgets
    .flatMap((budget) =>
      budget.limits.map(({ name, refused, waited }) => ({
        budget: budget.name,
        limit: name,
        waited,
        refused,
        share: calls.asked === 0 ? 0 : (waited + refused) / calls.asked
      }))
    )
    .filter(({ refused, waited }) => waited + refused > 0)
    .sort((a, b) => b.share - a.share)

/**
 * How sure the share is. Calls that follow each other wait together, and are no independent observations: the recording
 * is cut into blocks, whose shares vary as they do.
 */
export const certaintyOf = (recording: Recording): Certainty => {
  const blocks = blocksOf(recording)
  const share = shareOf(recording)
  const calls = blocks.reduce((sum, block) => sum + block.calls, 0)
  const isEnough = calls >= CALLS_MIN && blocks.length >= BLOCKS_MIN
  if (blocks.length < 2) return { low: 0, high: 1, calls, blocks: blocks.length, isEnough }
  // The error of a ratio of two sums, whose blocks differ in both.
  const errors = blocks.map((block) => block.hindered - share * block.calls)
  const squares = errors.reduce((sum, error) => sum + error ** 2, 0)
  const products = errors.slice(1).reduce((sum, error, index) => sum + error * errors[index]!, 0)
  // Where a line lasts longer than a block, blocks are like their neighbours, and tell less than so many others would.
  const likeness = squares === 0 ? 0 : Math.min(LIKENESS_MAX, Math.max(0, products / squares + 1 / blocks.length))
  const inflation = (1 + likeness) / (1 - likeness)
  const deviation = Math.sqrt((squares * inflation * blocks.length) / (blocks.length - 1)) / calls
  const margin = studentT95(blocks.length - 1) * deviation
  return {
    low: Math.max(0, share - margin),
    high: Math.min(1, share + margin),
    calls,
    blocks: blocks.length,
    isEnough
  }
}

interface Block {
  calls: number
  hindered: number
}

/** Successive steps with about as many calls in each block. */
const blocksOf = ({ budgets, calls: { asked } }: Recording): ReadonlyArray<Block> => {
  const blocks: Array<Block> = []
  const steps = budgets[0]?.series.admitted.length ?? 0
  let block: Block = { calls: 0, hindered: 0 }
  let before = 0
  for (let step = 0; step < steps; step++) {
    for (const { series } of budgets) {
      const refused = series.refused[step] ?? 0
      block.calls += (series.admitted[step] ?? 0) + refused
      block.hindered += (series.waited[step] ?? 0) + refused
    }
    if (block.calls === 0 || before + block.calls < ((blocks.length + 1) * asked) / BLOCKS) continue
    before += block.calls
    blocks.push(block)
    block = { calls: 0, hindered: 0 }
  }
  return blocks
}

/** The quantile of Student's distribution that 97.5 % are below, within 1 % (from three degrees of freedom on). */
const studentT95 = (degrees: number): number => {
  if (degrees === 1) return 12.706
  if (degrees === 2) return 4.303
  return 1.96 + 2.372 / degrees + 2.822 / degrees ** 2 + 2.556 / degrees ** 3
}

const BLOCKS = 20

// Blocks that are more alike than this are too few in any case.
const LIKENESS_MAX = 0.8

/** With fewer blocks or calls than these, nobody can tell how much they vary. */
const BLOCKS_MIN = 10
export const CALLS_MIN = 400
