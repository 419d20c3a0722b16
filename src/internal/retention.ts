import type { BudgetNode } from "./admission/node.ts"

/**
 * The budgets of a family, by key: those that are in use, and those that are not but remember something.
 *
 * A budget that its last user leaves is kept unless forgetting it would lose nothing. Those that have become
 * forgettable since are dropped a few at a time, whenever a new key is entered: no background work, and no more of
 * them than there were keys with something to remember.
 */
export class Retention {
  readonly #kept = new Map<string, { readonly node: BudgetNode; users: number }>()
  #sweep = this.#kept.entries()

  /** How many budgets are kept, in use or not. */
  get size(): number {
    return this.#kept.size
  }

  find(key: string): BudgetNode | undefined {
    return this.#kept.get(key)?.node
  }

  /** Notes one more user of the budget that is found under a key, or puts a new one there. */
  use(key: string, node: BudgetNode, now: number): void {
    const kept = this.#kept.get(key)
    if (kept?.node === node) {
      kept.users++
    } else {
      this.#dropSome(now)
      this.#kept.set(key, { node, users: 1 })
    }
  }

  /** What was forgotten while it was in use is not kept. */
  leave(key: string, node: BudgetNode, now: number): void {
    const kept = this.#kept.get(key)
    if (kept?.node !== node) return
    kept.users--
    if (kept.users === 0 && node.ledger.isUnused(now)) this.#kept.delete(key)
  }

  forget(key: string): void {
    this.#kept.delete(key)
  }

  #dropSome(now: number): void {
    for (let count = 0; count < SWEPT_PER_NEW_KEY; count++) {
      const next = this.#sweep.next()
      if (next.done === true) {
        this.#sweep = this.#kept.entries()
        return
      }
      const [key, { node, users }] = next.value
      if (users === 0 && node.ledger.isUnused(now)) this.#kept.delete(key)
    }
  }
}

// More than one, so that dropping keeps ahead of coming.
const SWEPT_PER_NEW_KEY = 2
