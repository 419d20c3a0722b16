import type { BudgetNode } from "./admission/node.ts"

/**
 * The budgets of a family, by key: those that are in use, and those that are not but remember something.
 *
 * A budget that is left is kept unless forgetting it would lose nothing. Those that have become forgettable since are
 * dropped a few at a time, whenever a new key is entered: no background work, and no more of them than there were
 * keys with something to remember.
 */
export class Retention {
  readonly #inUse = new Map<string, BudgetNode>()
  readonly #left = new Map<string, BudgetNode>()
  #sweep: Iterator<[string, BudgetNode]> = this.#left.entries()

  /** How many budgets are kept that nobody uses. */
  get size(): number {
    return this.#left.size
  }

  /** The budget that was left under a key. */
  find(key: string): BudgetNode | undefined {
    return this.#left.get(key)
  }

  use(key: string, node: BudgetNode, now: number): void {
    if (!this.#left.delete(key)) this.#dropSome(now)
    this.#inUse.set(key, node)
  }

  /** What was forgotten while it was in use is not kept. */
  leave(key: string, node: BudgetNode, now: number): void {
    if (this.#inUse.get(key) !== node) return
    this.#inUse.delete(key)
    if (!node.ledger.isUnused(now)) this.#left.set(key, node)
  }

  forget(key: string): void {
    this.#inUse.delete(key)
    this.#left.delete(key)
  }

  #dropSome(now: number): void {
    for (let count = 0; count < SWEPT_PER_NEW_KEY; count++) {
      const next = this.#sweep.next()
      if (next.done === true) {
        this.#sweep = this.#left.entries()
        return
      }
      const [key, node] = next.value
      if (node.ledger.isUnused(now)) this.#left.delete(key)
    }
  }
}

// More than one, so that dropping keeps ahead of coming.
const SWEPT_PER_NEW_KEY = 2
