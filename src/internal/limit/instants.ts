/**
 * A log of what was taken when: one entry per instant, oldest first, in a ring that grows by doubling.
 *
 * Adding to the newest instant, dropping the oldest and correcting one are O(1) or, to find it, O(log n). The sums of
 * blocks of 64 slots let `whenFreed` skip over them, so that it looks at no more than 64 blocks and 128 slots.
 */
export class Instants {
  /** The sum of all amounts. */
  total = 0
  size = 0
  #capacity = 0
  #head = 0
  /** The instant of a slot, then its amount: one array is smaller than two. */
  #slots: Array<number> = none
  /** The sum of every 64 slots, where there are more than one time 64. */
  #blocks: Array<number> = none
  #droppedUntil = Number.NEGATIVE_INFINITY
  /** Instants that fall into the same quantum may be merged when the log is full. */
  quantumMillis: number

  constructor(quantumMillis: number) {
    this.quantumMillis = quantumMillis
  }

  /** Adds an amount at an instant that is no earlier than any before it. */
  add(amount: number, at: number): void {
    this.total += amount
    if (this.size > 0) {
      const newest = this.#slot(this.size - 1)
      if (this.#timeOf(newest) >= at) return this.#change(newest, amount)
      // A newest entry that was corrected to nothing is used again, so that such entries do not pile up.
      if (this.#amountOf(newest) === 0) return this.#set(newest, amount, at)
    }
    if (this.size === this.#capacity) this.#makeRoom()
    const slot = this.#slot(this.size)
    this.size++
    this.#set(slot, amount, at)
  }

  /**
   * Gives an amount back to the entry that holds what was added at `at`, unless that was dropped. Where something had
   * been added for a later instant before, it is in a later entry.
   */
  reduce(amount: number, at: number): void {
    if (at <= this.#droppedUntil || this.size === 0) return
    let rest = amount
    for (let index = this.#indexOf(at); rest > 0 && index < this.size; index++) {
      const slot = this.#slot(index)
      const part = Math.min(rest, this.#amountOf(slot))
      this.#change(slot, -part)
      this.total -= part
      rest -= part
    }
    this.#trim(Number.NEGATIVE_INFINITY)
  }

  /** Drops every entry at or before an instant. */
  dropUntil(instant: number): void {
    if (instant > this.#droppedUntil) this.#droppedUntil = instant
    if (this.size > 0 && this.#timeOf(this.#head) <= instant) this.#trim(instant)
  }

  /** The instant of the entry with which the oldest entries sum up to at least `amount`, which is at most `total`. */
  whenFreed(amount: number): number {
    let rest = amount
    let index = 0
    while (true) {
      const slot = this.#slot(index)
      const block = slot >> BLOCK_BITS
      const isWholeBlock = (slot & BLOCK_MASK) === 0 && index + BLOCK_SIZE <= this.size && this.#blocks !== none
      if (isWholeBlock && this.#blocks[block]! < rest) {
        rest -= this.#blocks[block]!
        index += BLOCK_SIZE
        continue
      }
      rest -= this.#amountOf(slot)
      if (rest <= 0) return this.#timeOf(slot)
      index++
    }
  }

  clone(): Instants {
    const copy = new Instants(this.quantumMillis)
    copy.total = this.total
    copy.size = this.size
    copy.#capacity = this.#capacity
    copy.#head = this.#head
    copy.#slots = this.#slots.slice()
    copy.#blocks = this.#blocks === none ? none : this.#blocks.slice()
    copy.#droppedUntil = this.#droppedUntil
    return copy
  }

  #slot(index: number): number {
    return (this.#head + index) & (this.#capacity - 1)
  }

  #timeOf(slot: number): number {
    return this.#slots[2 * slot]!
  }

  #amountOf(slot: number): number {
    return this.#slots[2 * slot + 1]!
  }

  #set(slot: number, amount: number, at: number): void {
    this.#slots[2 * slot] = at
    this.#slots[2 * slot + 1] = 0
    this.#change(slot, amount)
  }

  #change(slot: number, amount: number): void {
    this.#slots[2 * slot + 1]! += amount
    if (this.#blocks !== none) this.#blocks[slot >> BLOCK_BITS]! += amount
  }

  /** The index of the first entry at or after an instant. Merged entries carry the latest instant of theirs. */
  #indexOf(at: number): number {
    let low = 0
    let high = this.size - 1
    if (this.#timeOf(this.#slot(high)) <= at) return high
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#timeOf(this.#slot(middle)) < at) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Drops the oldest entries while they are at or before an instant or hold nothing. */
  #trim(instant: number): void {
    while (this.size > 0) {
      const amount = this.#amountOf(this.#head)
      if (amount > 0 && this.#timeOf(this.#head) > instant) return
      this.total -= amount
      this.#change(this.#head, -amount)
      this.#head = this.#slot(1)
      this.size--
    }
    if (this.#capacity > CAPACITY_MIN) this.#clear()
  }

  #clear(): void {
    this.#capacity = 0
    this.#head = 0
    this.#slots = none
    this.#blocks = none
  }

  #makeRoom(): void {
    const isFull = this.#capacity === CAPACITY_MAX
    const capacity = this.#roomierCapacity()
    const slots = new Array<number>(2 * capacity).fill(0)
    let count = 0
    for (let index = 0; index < this.size; index++) {
      const amount = this.#amountOf(this.#slot(index))
      const at = this.#timeOf(this.#slot(index))
      if (amount === 0) continue
      const isMerged = isFull && count > 0 && this.#quantum(slots[2 * count - 2]!) === this.#quantum(at)
      if (!isMerged) count++
      slots[2 * count - 2] = at
      slots[2 * count - 1]! += amount
    }
    this.#capacity = capacity
    this.#head = 0
    this.size = count
    this.#slots = slots
    this.#blocks = capacity > BLOCK_SIZE ? new Array<number>(capacity / BLOCK_SIZE).fill(0) : none
    if (this.#blocks === none) return
    for (let slot = 0; slot < count; slot++) this.#blocks[slot >> BLOCK_BITS]! += this.#amountOf(slot)
  }

  /** Twice as much, unless half of the entries hold nothing and are about to go. */
  #roomierCapacity(): number {
    let live = 0
    for (let index = 0; index < this.size; index++) if (this.#amountOf(this.#slot(index)) > 0) live++
    const isHalfEmpty = this.#capacity > 0 && live * 2 <= this.#capacity
    return isHalfEmpty ? this.#capacity : Math.min(CAPACITY_MAX, Math.max(CAPACITY_MIN, this.#capacity * 2))
  }

  #quantum(instant: number): number {
    return Math.floor(instant / this.quantumMillis)
  }
}

const BLOCK_BITS = 6
const BLOCK_SIZE = 1 << BLOCK_BITS
const BLOCK_MASK = BLOCK_SIZE - 1

// Plain arrays of four: an idle key must stay small, and four typed arrays cost more than a kilobyte.
const CAPACITY_MIN = 4
// Four times the quanta of a window, so that merging, which is linear, happens once in thousands of instants.
const CAPACITY_MAX = 4_096

const none: Array<number> = []
