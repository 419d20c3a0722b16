/**
 * Random histories of one limit, checked against its model after every step.
 */
import { expect } from "vitest"
import type * as Limit from "../../src/Limit.ts"
import { AFTER_SETTLEMENT, type LimitState, NEVER } from "../../src/internal/limit/state.ts"
import type { LimitModel } from "./limitModel.ts"
import type { Random } from "./random.ts"

interface Open {
  readonly id: number
  readonly estimate: number
  readonly takenAt: number
}

/** What a history is made of. */
export interface HistoryOptions {
  readonly state: LimitState
  readonly model: LimitModel
  readonly from: number
  readonly stepsMax: number
  /** An amount to take, to charge or to ask for. */
  readonly amount: () => number
  /** How far time goes on, beyond the steps of 0 ms and 1 ms and to interesting instants. */
  readonly millis: () => number
  /** A changed rule, for limits that change. */
  readonly changed?: () => Limit.Limit
  /** Whether the state is asked at the time of a settlement or an update, which themselves have none. */
  readonly asksFirst?: boolean
  /** A time after which only what is held still counts. */
  readonly horizonMillis: number | (() => number)
  /** No step leads beyond this instant. */
  readonly until?: number
  /** Something else that happens now and then. */
  readonly disturb?: (now: number, state: LimitState) => void
  /** What `used` and `readyAt` must be, given what the model says. They must be equal when this is left out. */
  readonly agree?: Agreement
  /** Left out, every promised instant must be exact. */
  readonly isExact?: boolean
  /** What the answer with something beside must be. It must be the truth when this is left out. */
  readonly besideLaw?: (question: BesideQuestion) => number
}

export interface Agreement {
  used(actual: number, model: number): void
  readyAt(actual: number, model: number, now: number): void
}

export interface BesideQuestion {
  readonly amount: number
  readonly beside: number
  readonly max: number
  /** The answer of a copy that really took `beside`. */
  readonly truth: number
}

const equal: Agreement = {
  used: (actual, model) => expect(actual).toBe(model),
  readyAt: (actual, model) => expect(actual).toBe(model)
}

/** Runs one random history. */
export const runHistory = (random: Random, options: HistoryOptions): void => {
  const { agree = equal, model } = options
  const until = options.until ?? Number.POSITIVE_INFINITY
  const open: Array<Open> = []
  let state = options.state
  let now = options.from
  let ids = 0

  const settle = () => {
    if (open.length === 0) return
    const [reservation] = open.splice(random.int(0, open.length - 1), 1)
    const { estimate, id, takenAt } = reservation!
    const actual = {
      nothing: () => 0,
      less: () => random.int(0, estimate),
      equal: () => estimate,
      more: () => estimate + options.amount()
    }[random.weighted({ nothing: 2, less: 4, equal: 2, more: 2 })]()
    random.note(`settle ${estimate} of ${takenAt} with ${actual} at ${now}`)
    if (options.asksFirst === true) state.used(now)
    settleAt(state, { estimate, actual, takenAt, now })
    model.settle(id, actual, now)
  }

  const take = () => {
    const amount = options.amount()
    if (state.readyAt(amount, now) > now) return
    const id = ids++
    random.note(`take ${amount} at ${now}`)
    state.take(amount, now)
    model.take(id, amount, now)
    open.push({ id, estimate: amount, takenAt: now })
  }

  const charge = () => {
    const amount = options.amount()
    random.note(`charge ${amount} at ${now}`)
    state.charge(amount, now)
    model.charge(amount, now)
  }

  const update = () => {
    if (options.changed === undefined) return
    const limit = options.changed()
    random.note(`update to`, limit, `at ${now}`)
    if (options.asksFirst === true) state.used(now)
    state.update(limit, now)
    model.update(limit, now)
  }

  const pass = () => {
    const step = {
      tick: () => 1,
      some: () => options.millis(),
      untilReady: () => millisUntil(state.readyAt(options.amount(), now), now),
      untilAlmostReady: () => Math.max(0, millisUntil(state.readyAt(options.amount(), now), now) - 1)
    }[random.weighted({ tick: 3, some: 4, untilReady: 2, untilAlmostReady: 1 })]()
    now = Math.max(now, Math.min(until, now + step))
  }

  const steps = random.int(1, options.stepsMax)
  for (let step = 0; step < steps; step++) {
    const does = random.weighted({ take: 9, settle: 6, charge: 1, update: 1, disturb: 1, pass: 6 })
    if (does === "take") take()
    else if (does === "settle") settle()
    else if (does === "charge") charge()
    else if (does === "update") update()
    else if (does === "disturb") options.disturb?.(now, state)
    else pass()
    // A copy goes on as the original would have.
    if (random.chance(0.1)) state = state.clone()
    // What nobody asks about goes on nevertheless.
    if (step < steps - 1 && random.chance(0.4)) continue

    agree.used(state.used(now), model.used(now))
    expect(state.reserved).toBe(model.reserved())
    expect(state.isUnused(now)).toBe(state.used(now) === 0 && state.reserved === 0)
    const horizonMillis = typeof options.horizonMillis === "number" ? options.horizonMillis : options.horizonMillis()
    for (const amount of [1, options.amount()]) {
      random.note(`ask for ${amount} at ${now}: ${state.readyAt(amount, now)}`)
      agree.readyAt(state.readyAt(amount, now), model.readyAt(amount, now), now)
      if (options.isExact ?? true) expectExact(state, amount, now)
      expectKept(state, open, amount, now, horizonMillis)
      expectBeside(state, amount, options.amount(), now, options.besideLaw)
    }
  }
}

/** Settles, and charges what the settlement says has yet to be charged. */
export const settleAt = (
  state: LimitState,
  { actual, estimate, now, takenAt }: { estimate: number; actual: number; takenAt: number; now: number }
): void => {
  const rest = state.settle(estimate, actual, takenAt)
  if (rest > 0) state.charge(rest, now)
}

const isInstant = (answer: number): boolean => answer < AFTER_SETTLEMENT

const millisUntil = (answer: number, now: number): number => (isInstant(answer) ? Math.max(0, answer - now) : 0)

/** The exactness law: one millisecond earlier it is not ready, and then it is. */
const expectExact = (state: LimitState, amount: number, now: number): void => {
  const readyAt = state.readyAt(amount, now)
  if (readyAt <= now || !isInstant(readyAt)) return
  const later = state.clone()
  expect(later.readyAt(amount, readyAt - 1), "one millisecond too early").toBe(readyAt)
  expect(later.readyAt(amount, readyAt), "at the promised instant").toBeLessThanOrEqual(readyAt)
}

/** `AFTER_SETTLEMENT`: no time makes it ready, a settlement can. `NEVER`: neither does. */
const expectKept = (
  state: LimitState,
  open: ReadonlyArray<Open>,
  amount: number,
  now: number,
  horizonMillis: number
): void => {
  const answer = state.readyAt(amount, now)
  if (isInstant(answer)) return
  const waited = state.clone()
  expect(waited.readyAt(amount, now + horizonMillis), "after waiting").toBe(answer)
  const settled = state.clone()
  for (const { estimate, takenAt } of open) settleAt(settled, { estimate, actual: 0, takenAt, now })
  const afterwards = settled.readyAt(amount, now + horizonMillis)
  if (answer === NEVER) expect(afterwards, "after waiting and settling").toBe(NEVER)
  else expect(afterwards, "after waiting and settling").toBeLessThanOrEqual(now + horizonMillis)
}

/** What is answered with something beside is what a copy answers that took it, unless a law says otherwise. */
const expectBeside = (
  state: LimitState,
  amount: number,
  beside: number,
  now: number,
  law: HistoryOptions["besideLaw"]
): void => {
  if (state.readyAt(beside, now) > now) return
  const taken = state.clone()
  taken.take(beside, now)
  const truth = taken.readyAt(amount, now)
  const expected = law?.({ amount, beside, max: state.limit.max, truth }) ?? truth
  expect(state.readyAt(amount, now, beside), `${amount} with ${beside} beside it`).toBe(expected)
}

/**
 * The law of limits that free what is taken only much later: two amounts that do not fit together are answered with
 * "never", where the truth is that the second fits when the first has left. It errs to the safe side: `beside` is then
 * not let past `amount`.
 */
export const neverWhenTooLargeTogether = ({ amount, beside, max, truth }: BesideQuestion): number =>
  amount + beside > max ? NEVER : truth
