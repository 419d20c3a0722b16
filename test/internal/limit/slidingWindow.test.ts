import { describe, expect, it } from "vitest"
import * as Limit from "../../../src/Limit.ts"
import { Instants } from "../../../src/internal/limit/instants.ts"
import { SlidingWindowState } from "../../../src/internal/limit/slidingWindow.ts"
import { AFTER_SETTLEMENT, NEVER } from "../../../src/internal/limit/state.ts"
import { neverWhenTooLargeTogether, runHistory, settleAt } from "../../support/limitHistory.ts"
import { SlidingWindowModel } from "../../support/limitModel.ts"
import { forEachSeed, type Random } from "../../support/random.ts"

const MINUTE = 60_000

const windowOf = (max: number, windowMillis = MINUTE, chargeAt: Limit.ChargeAt = "reserve") =>
  Limit.slidingWindow("tokens", max, windowMillis, { chargeAt })

describe("slidingWindow", () => {
  it("frees what was taken exactly one window later", () => {
    const window = new SlidingWindowState(windowOf(10))
    window.take(10, 5)
    expect(window.readyAt(1, 5)).toBe(5 + MINUTE)
    expect(window.readyAt(1, 5 + MINUTE - 1)).toBe(5 + MINUTE)
    expect(window.readyAt(10, 5 + MINUTE)).toBe(5 + MINUTE)
  })

  it("counts an overrun from the time of the settlement, also above the maximum", () => {
    const window = new SlidingWindowState(windowOf(10))
    window.take(10, 0)
    settleAt(window, { estimate: 10, actual: 14, takenAt: 0, now: 1_000 })
    expect(window.used(1_000)).toBe(14)
    expect(window.used(MINUTE)).toBe(4)
    expect(window.readyAt(10, MINUTE)).toBe(MINUTE + 1_000)
  })

  it("holds the estimate until the settlement and counts from there when it charges at settlement", () => {
    const window = new SlidingWindowState(windowOf(10, MINUTE, "settle"))
    window.take(10, 0)
    expect(window.readyAt(1, 5 * MINUTE)).toBe(AFTER_SETTLEMENT)
    settleAt(window, { estimate: 10, actual: 10, takenAt: 0, now: 5 * MINUTE })
    expect(window.readyAt(1, 5 * MINUTE)).toBe(6 * MINUTE)
  })

  it("frees its capacity after thirty days when it is thirty days long", () => {
    const month = 30 * 24 * 60 * MINUTE
    const window = new SlidingWindowState(windowOf(10, month))
    window.take(10, 1)
    expect(window.readyAt(1, 1)).toBe(1 + month)
  })

  for (const chargeAt of ["reserve", "settle"] as const) {
    it(`answers as the model does after every step of random histories, charging at ${chargeAt}`, () =>
      forEachSeed({ name: `slidingWindow, ${chargeAt}`, runs: 2_500 }, (random) => {
        const windowMillis = random.pick([1, 2, 7, 1_000, MINUTE, 30 * 24 * 60 * MINUTE])
        const scale = random.pick([1, 1, 1e12])
        const changed = () => windowOf(random.int(0, 30) * scale, windowMillis, chargeAt)
        const limit = changed()
        runHistory(random, {
          state: new SlidingWindowState(limit),
          model: new SlidingWindowModel(limit),
          from: random.pick([0, 1_767_225_599_999]),
          stepsMax: 50,
          amount: () => random.int(1, random.pick([3, 12, 31])) * scale,
          millis: () => random.int(0, random.pick([1, 3, 4]) * windowMillis),
          changed,
          horizonMillis: 2 * windowMillis,
          besideLaw: neverWhenTooLargeTogether
        })
      }))
  }
})

describe("slidingWindow with many thousands of live instants", () => {
  it("never admits early and at most a thousandth of the window late", () =>
    forEachSeed({ name: "dense slidingWindow", runs: 8 }, (random) => {
      const dense = new DenseHistory(random)
      for (let step = 0; step < 25_000; step++) {
        dense.step()
        if (step % 100 === 0) dense.expectBounds()
      }
      expect(dense.liveMax, "the history is not dense").toBeGreaterThan(INSTANTS_MAX)
    }))

  it("counts no more than its maximum in any interval as long as the window", () =>
    forEachSeed({ name: "every interval", runs: 8 }, (random) => {
      const dense = new DenseHistory(random, { overruns: false })
      for (let step = 0; step < 25_000; step++) {
        dense.step()
        if (step % 2_000 === 0) dense.expectBounds()
      }
      dense.expectNoIntervalExceeds()
      expect(dense.liveMax, "the history is not dense").toBeGreaterThan(INSTANTS_MAX)
    }))
})

describe("failures of other libraries that a sliding window does not have", () => {
  it("settling above the limit throws and records nothing: the spend vanishes from the ledger", () => {
    const window = new SlidingWindowState(windowOf(10))
    window.take(5, 0)
    settleAt(window, { estimate: 5, actual: 25, takenAt: 0, now: 10 })
    expect(window.used(10)).toBe(25)
    expect(window.readyAt(1, 10)).toBe(10 + MINUTE)
  })

  it("a request larger than the limit waits for ever, or is let through", () => {
    expect(new SlidingWindowState(windowOf(10)).readyAt(11, 0)).toBe(NEVER)
    expect(new SlidingWindowState(windowOf(0)).readyAt(1, 0)).toBe(NEVER)
    expect(new SlidingWindowState(windowOf(10, MINUTE, "settle")).readyAt(11, 0)).toBe(NEVER)
  })

  it("a window anchored at its first request: 19 admitted within 60 s against a limit of 10", () => {
    const window = new SlidingWindowState(windowOf(10))
    window.take(1, 0)
    for (let call = 0; call < 9; call++) window.take(1, 59_999)
    let admitted = 0
    for (let now = 60_000; now < 59_999 + MINUTE; now += 500) {
      if (window.readyAt(1, now) > now) continue
      window.take(1, now)
      admitted++
    }
    expect(admitted).toBe(1)
    expect(window.readyAt(9, 119_000)).toBe(59_999 + MINUTE)
  })

  it("a limiter that was idle saves up: more than the limit is admitted within 60 s after an idle spell", () => {
    const window = new SlidingWindowState(windowOf(10))
    window.take(10, 0)
    window.take(10, 60 * MINUTE)
    expect(window.readyAt(1, 60 * MINUTE)).toBe(61 * MINUTE)
  })

  it("retryAfter is a constant, or the same for 1 token as for 5,000", () => {
    const window = new SlidingWindowState(windowOf(8_000))
    for (let second = 0; second < 8; second++) window.take(1_000, second * 1_000)
    expect(window.readyAt(1, 7_000)).toBe(MINUTE)
    expect(window.readyAt(1_000, 7_000)).toBe(MINUTE)
    expect(window.readyAt(1_001, 7_000)).toBe(MINUTE + 1_000)
    expect(window.readyAt(5_000, 7_000)).toBe(MINUTE + 4_000)
    expect(window.readyAt(5_000, 30_000)).toBe(MINUTE + 4_000)
  })

  it("a refund is credited to the current window instead of the one it was charged in: 160 admitted of 100", () => {
    const window = new SlidingWindowState(windowOf(100))
    window.take(60, 0)
    window.take(100 - 60, 1)
    expect(window.readyAt(60, MINUTE)).toBe(MINUTE)
    window.take(60, MINUTE)
    settleAt(window, { estimate: 60, actual: 0, takenAt: 0, now: MINUTE })
    expect(window.used(MINUTE)).toBe(100)
    expect(window.readyAt(1, MINUTE)).toBe(MINUTE + 1)
  })

  it("an unbounded log: a long window at a high rate holds every call", () => {
    const window = 60 * MINUTE
    const live = new Instants(window / 1_000)
    const state = new SlidingWindowState(windowOf(1e9, window), live)
    let sizeMax = 0
    for (let now = 0; now < 200_000; now++) {
      state.take(1, now)
      sizeMax = Math.max(sizeMax, live.size)
    }
    expect(sizeMax).toBeLessThanOrEqual(INSTANTS_MAX)
    expect(state.used(200_000)).toBe(200_000)
  })

  it("refunds to zero pile up: a tombstone for every released call", () => {
    const live = new Instants(60)
    const state = new SlidingWindowState(windowOf(100), live)
    state.take(1, 0)
    for (let now = 1; now < 50_000; now++) {
      state.take(1, now)
      settleAt(state, { estimate: 1, actual: 0, takenAt: now, now })
      if (live.size > 2) expect.fail(`${live.size} instants are kept for one that counts`)
    }
  })

  it("refunds to zero pile up: thousands of tombstones, when they come in another order than the calls", () =>
    forEachSeed({ name: "tombstones", runs: 4 }, (random) => {
      // Instants of a millisecond each are never merged: only tombstones can be cleared away.
      const live = new Instants(1)
      const state = new SlidingWindowState(windowOf(1e6, 60 * MINUTE), live)
      state.take(1, 0)
      const open: Array<number> = []
      for (let now = 1; now < 20_000; now++) {
        state.take(1, now)
        open.push(now)
        if (open.length < 5) continue
        const [takenAt] = open.splice(random.int(0, open.length - 1), 1)
        settleAt(state, { estimate: 1, actual: 0, takenAt: takenAt!, now })
        if (live.size > INSTANTS_MAX) expect.fail(`${live.size} instants are kept`)
        if (now % 100 === 0) expect(state.used(now)).toBe(1 + open.length)
      }
      expect(state.readyAt(1e6, 20_000)).toBe(open.at(-1)! + 60 * MINUTE)
    }))

  it("a refund of what was long forgotten is credited once more: a window that grew counts below zero", () => {
    const window = new SlidingWindowState(windowOf(10))
    window.take(10, 0)
    expect(window.used(MINUTE)).toBe(0)
    window.update(windowOf(10, 2 * MINUTE))
    expect(window.used(MINUTE + 1)).toBe(0)
    settleAt(window, { estimate: 10, actual: 0, takenAt: 0, now: MINUTE + 1 })
    expect(window.used(MINUTE + 1)).toBe(0)
    expect(window.readyAt(11, MINUTE + 1)).toBe(NEVER)
  })

  it("entries stay for ever: what has left the window is dropped", () => {
    const live = new Instants(60)
    const state = new SlidingWindowState(windowOf(1e6), live)
    for (let now = 0; now < 4_000; now++) state.take(1, now)
    expect(state.isUnused(10 * MINUTE)).toBe(false)
    for (let takenAt = 0; takenAt < 4_000; takenAt++)
      settleAt(state, { estimate: 1, actual: 1, takenAt, now: 10 * MINUTE })
    expect(state.isUnused(10 * MINUTE)).toBe(true)
    expect(live.size).toBe(0)
  })
})

// As documented at `Limit.slidingWindow`.
const INSTANTS_MAX = 4_096

interface Entry {
  readonly at: number
  readonly estimate: number
  counted: number
}

/** A history with a call in every other millisecond of a window, and all that was admitted in it. */
class DenseHistory {
  liveMax = 0
  readonly #random: Random
  readonly #overruns: boolean
  readonly #limit: Limit.SlidingWindow
  readonly #live: Instants
  readonly #state: SlidingWindowState
  readonly #entries: Array<Entry> = []
  readonly #open: Array<{ readonly estimate: number; readonly takenAt: number; readonly entry: Entry | undefined }> = []
  /** The first entry that may still count, at most a thousandth of the window late. */
  #first = 0
  #now: number

  constructor(random: Random, { overruns = true } = {}) {
    this.#random = random
    this.#overruns = overruns
    this.#now = random.pick([0, 1_767_225_599_999])
    const windowMillis = random.pick([20_000, 23_017, MINUTE])
    this.#limit = windowOf(random.int(18_000, 40_000), windowMillis, random.pick(["reserve", "reserve", "settle"]))
    this.#live = new Instants(windowMillis / 1_000)
    // Whose log can be looked at, and as it is made for users.
    this.#state = random.pick([new SlidingWindowState(this.#limit, this.#live), new SlidingWindowState(this.#limit)])
    random.note("limit", this.#limit)
  }

  step(): void {
    this.#now += this.#random.int(0, 3)
    this.#take(this.#random.int(1, 5))
    while (this.#open.length > 0 && this.#random.chance(0.55)) this.#settle()
    if (this.#live.size > INSTANTS_MAX) expect.fail(`${this.#live.size} instants are kept`)
  }

  expectBounds(): void {
    const { max, windowMillis } = this.#limit
    const now = this.#now
    const held = this.#limit.chargeAt === "settle" ? this.#state.reserved : 0
    const inWindow = this.#entries.slice(this.#first).filter(({ at }) => at > now - windowMillis)
    const late = this.#entries.slice(this.#first).filter(({ at }) => at <= now - windowMillis)
    const truth = held + sum(inWindow.map(({ counted }) => counted))
    const used = this.#state.used(now)
    expect(used, "forgets what counts").toBeGreaterThanOrEqual(truth)
    // What left the window before it was settled may be late as it was taken.
    expect(used, "keeps what counts no more").toBeLessThanOrEqual(truth + sum(late.map(({ estimate }) => estimate)))
    this.liveMax = Math.max(
      this.liveMax,
      new Set(inWindow.filter((entry) => entry.counted > 0).map(({ at }) => at)).size
    )

    const amount = this.#random.pick([1, this.#random.int(1, max), max - this.#random.int(0, 9)])
    const readyAt = this.#state.readyAt(amount, now)
    let excess = truth + amount - max
    const leaving = inWindow.find(({ counted }) => (excess -= counted) <= 0)
    if (truth + amount <= max) expect(readyAt).toBeLessThanOrEqual(now + windowMillis / 1_000)
    else if (leaving === undefined) expect(readyAt).toBe(AFTER_SETTLEMENT)
    else {
      expect(readyAt, "early").toBeGreaterThanOrEqual(leaving.at + windowMillis)
      expect(readyAt, "late").toBeLessThanOrEqual(leaving.at + windowMillis + windowMillis / 1_000)
    }
    this.#expectExact(amount, readyAt)
    this.#expectBeside(amount)
  }

  expectNoIntervalExceeds(): void {
    let first = 0
    let counted = 0
    for (const entry of this.#entries) {
      counted += entry.counted
      while (this.#entries[first]!.at + this.#limit.windowMillis <= entry.at) counted -= this.#entries[first++]!.counted
      if (counted > this.#limit.max) expect.fail(`${counted} within the window that ends after ${entry.at}`)
    }
  }

  #take(amount: number): void {
    const readyAt = this.#state.readyAt(amount, this.#now)
    if (readyAt === AFTER_SETTLEMENT) return
    this.#now = Math.max(this.#now, readyAt)
    this.#state.take(amount, this.#now)
    const entry = this.#limit.chargeAt === "settle" ? undefined : this.#count(amount)
    this.#open.push({ estimate: amount, takenAt: this.#now, entry })
  }

  #settle(): void {
    const recent = this.#random.chance(0.8) ? Math.max(0, this.#open.length - 10) : 0
    const [reservation] = this.#open.splice(this.#random.int(recent, this.#open.length - 1), 1)
    const { entry, estimate, takenAt } = reservation!
    const isMore = this.#overruns && this.#random.chance(0.05)
    const actual = isMore ? estimate + this.#random.int(1, 3) : this.#random.int(0, estimate)
    settleAt(this.#state, { estimate, actual, takenAt, now: this.#now })
    if (entry === undefined) this.#count(actual)
    else if (actual > estimate) this.#count(actual - estimate)
    else entry.counted = actual
  }

  #count(amount: number): Entry {
    const entry = { at: this.#now, estimate: amount, counted: amount }
    this.#entries.push(entry)
    const countsUntil = this.#now - this.#limit.windowMillis - this.#limit.windowMillis / 1_000
    while (this.#entries[this.#first]!.at <= countsUntil) this.#first++
    return entry
  }

  #expectExact(amount: number, readyAt: number): void {
    if (readyAt <= this.#now || readyAt === AFTER_SETTLEMENT) return
    const later = this.#state.clone()
    expect(later.readyAt(amount, readyAt - 1)).toBe(readyAt)
    expect(later.readyAt(amount, readyAt)).toBe(readyAt)
  }

  /** Taking what is beside may merge instants, which then leave later: the answer may be a thousandth too early. */
  #expectBeside(amount: number): void {
    if (this.#state.readyAt(1, this.#now) > this.#now || amount >= this.#limit.max) return
    const taken = this.#state.clone()
    taken.take(1, this.#now)
    const truth = taken.readyAt(amount, this.#now)
    const answer = this.#state.readyAt(amount, this.#now, 1)
    if (truth === AFTER_SETTLEMENT) return expect(answer).toBe(truth)
    expect(answer).toBeLessThanOrEqual(truth)
    expect(answer).toBeGreaterThanOrEqual(truth - this.#limit.windowMillis / 1_000)
  }
}

const sum = (amounts: ReadonlyArray<number>): number => amounts.reduce((total, amount) => total + amount, 0)
