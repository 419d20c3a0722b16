/** Something that can be in one heap at a time. The heap keeps its place in `heapIndex`. */
export interface HeapItem {
  heapIndex: number
}

/** `heapIndex` of an item that is in no heap. */
export const NOT_IN_HEAP = -1

/** A binary heap from which any item can be removed in O(log n). */
export class Heap<T extends HeapItem> {
  readonly items: Array<T> = []
  readonly #isBefore: (a: T, b: T) => boolean

  constructor(isBefore: (a: T, b: T) => boolean) {
    this.#isBefore = isBefore
  }

  get first(): T | undefined {
    return this.items[0]
  }

  add(item: T): void {
    item.heapIndex = this.items.length
    this.items.push(item)
    this.#rise(item)
  }

  remove(item: T): void {
    const index = item.heapIndex
    const last = this.items.pop()!
    item.heapIndex = NOT_IN_HEAP
    if (last === item) return
    this.#put(last, index)
    this.moved(last)
  }

  /** Everyone in order: the first few cost little. Nobody may be added or removed meanwhile. */
  *inOrder(): Generator<T, void> {
    // The next one is always a child of one that has already been given.
    const next = this.items.slice(0, 1)
    for (let item = next.pop(); item !== undefined; item = next.pop()) {
      yield item
      const children = 2 * item.heapIndex + 1
      for (const child of this.items.slice(children, children + 2)) {
        let place = next.length
        while (place > 0 && this.#isBefore(next[place - 1]!, child)) place--
        next.splice(place, 0, child)
      }
    }
  }

  /** Restores the order after the rank of an item has changed. */
  moved(item: T): void {
    this.#rise(item)
    this.#sink(item)
  }

  #rise(item: T): void {
    let index = item.heapIndex
    while (index > 0) {
      const above = this.items[(index - 1) >>> 1]!
      if (!this.#isBefore(item, above)) break
      const next = above.heapIndex
      this.#put(above, index)
      index = next
    }
    this.#put(item, index)
  }

  #sink(item: T): void {
    let index = item.heapIndex
    while (true) {
      const left = 2 * index + 1
      if (left >= this.items.length) break
      const right = this.items[left + 1]
      const below = right !== undefined && this.#isBefore(right, this.items[left]!) ? right : this.items[left]!
      if (!this.#isBefore(below, item)) break
      const next = below.heapIndex
      this.#put(below, index)
      index = next
    }
    this.#put(item, index)
  }

  #put(item: T, index: number): void {
    this.items[index] = item
    item.heapIndex = index
  }
}
