import { Heap, type HeapItem, NOT_IN_HEAP } from "../heap.ts"

/** The rank of every token. A key is the token's bytes, one character per byte. */
export type Ranks = ReadonlyMap<string, number>

/** Bytes that are one token so far. `rank` is that of the token it would become together with the part after it. */
interface Part extends HeapItem {
  readonly start: number
  end: number
  before: Part | undefined
  after: Part | undefined
  rank: number
}

/**
 * How many tokens byte pair encoding makes of `bytes` (one character per byte): of all neighbours that make a token
 * together, those with the lowest rank merge first, the leftmost of equals, until none do. O(n log n), where the usual
 * search through all neighbours for each merge takes O(n²).
 */
export const countTokens = (bytes: string, ranks: Ranks): number => {
  if (ranks.has(bytes)) return 1
  const mergeable = new Heap<Part>((a, b) => a.rank < b.rank || (a.rank === b.rank && a.start < b.start))
  const rankAgain = (part: Part): void => {
    const rank = part.after && ranks.get(bytes.slice(part.start, part.after.end))
    if (part.heapIndex !== NOT_IN_HEAP) mergeable.remove(part)
    if (rank === undefined) return
    part.rank = rank
    mergeable.add(part)
  }
  for (let part = singleBytes(bytes); part !== undefined; part = part.after) rankAgain(part)

  let tokens = bytes.length
  for (let part = mergeable.first; part !== undefined; part = mergeable.first) {
    absorbNext(part, mergeable)
    tokens--
    rankAgain(part)
    if (part.before !== undefined) rankAgain(part.before)
  }
  return tokens
}

const singleBytes = (bytes: string): Part | undefined => {
  let after: Part | undefined
  for (let start = bytes.length - 1; start >= 0; start--) {
    const part: Part = { start, end: start + 1, before: undefined, after, rank: 0, heapIndex: NOT_IN_HEAP }
    if (after !== undefined) after.before = part
    after = part
  }
  return after
}

const absorbNext = (part: Part, mergeable: Heap<Part>): void => {
  const absorbed = part.after
  if (absorbed === undefined) return
  if (absorbed.heapIndex !== NOT_IN_HEAP) mergeable.remove(absorbed)
  part.end = absorbed.end
  part.after = absorbed.after
  if (absorbed.after !== undefined) absorbed.after.before = part
}
