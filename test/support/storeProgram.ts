/**
 * Random programs for stores: members that reserve, settle, wait and die, on routes of a few budgets. What they do
 * depends on what they were answered, as it does for real members.
 */
import * as Limit from "../../src/Limit.ts"
import type { Answer, Batch, Lapse, Operation, Route, SharedBudget } from "../../src/StoreProtocol.ts"
import * as Usage from "../../src/Usage.ts"
import type { Random } from "./random.ts"

interface Held {
  readonly route: Route
  readonly takenAt: number
  readonly aheadMillis: number
  readonly amounts: ReadonlyArray<number>
}

interface Waiting {
  readonly route: Route
  readonly amounts: ReadonlyArray<number>
  readonly ticket: number
}

/** A process that uses a group. */
class Member {
  sequence = 0
  answered = 0
  readonly unanswered = new Set<number>()
  readonly name: string
  readonly lapse: Lapse
  readonly leaseMillis: number
  held: Array<Held> = []
  waiting: Array<Waiting> = []

  constructor(name: string, random: Random, livesLong: boolean) {
    this.name = name
    this.lapse = random.pick(["charge", "release"])
    this.leaseMillis = livesLong ? 600_000 : random.pick([500, 5_000, 5_000, 60_000])
  }
}

/** What a program is made of. */
export interface StoreProgramOptions {
  readonly members: number
  readonly limit: (random: Random, name: string) => SharedBudget["limits"][number]
  /** Another rule of the same name and kind. */
  readonly changed: (random: Random, limit: SharedBudget["limits"][number]) => SharedBudget["limits"][number]
  /** Whether everybody wants the same, and waits for it: nobody dies, pauses or changes limits. */
  readonly isCrowded?: boolean
}

export class StoreProgram {
  readonly #random: Random
  readonly #group: string
  readonly #budgets: ReadonlyArray<SharedBudget>
  readonly #routes: ReadonlyArray<Route>
  readonly #isCrowded: boolean
  #members: Array<Member>
  #names = 0
  /** Batches whose answers were lost. */
  #lost: Array<{ readonly batch: Batch; readonly member: Member }> = []
  /** Instants at which something was promised to happen. */
  #promises: ReadonlyArray<number> = []

  constructor(random: Random, group: string, options: StoreProgramOptions) {
    this.#random = random
    this.#group = group
    this.#isCrowded = options.isCrowded === true
    this.#budgets = budgetsOf(random, options)
    const keys = [...new Set(this.#budgets.map(({ key }) => key))]
    this.#routes = Array.from({ length: random.int(1, 6) }, () => ({
      budgets: random
        .shuffle(keys)
        .slice(0, random.int(1, keys.length))
        .map((key) => random.pick(this.#budgets.filter((budget) => budget.key === key)))
    }))
    this.#members = Array.from({ length: options.members }, () => this.#newMember())
  }

  /** The next batch: a new one, or one that was sent before. */
  next(): { readonly batch: Batch; readonly member: Member } {
    const random = this.#random
    if (this.#lost.length > 0 && random.chance(0.3)) {
      const [lost] = this.#lost.splice(random.int(0, this.#lost.length - 1), 1)
      return lost!
    }
    const member = random.pick(this.#members)
    const operations = Array.from({ length: random.int(0, 6) }, () => this.#operation(member))
    const answered = random.chance(0.9) ? member.answered : random.int(0, member.answered)
    const sequence = ++member.sequence
    member.unanswered.add(sequence)
    const { lapse, leaseMillis, name } = member
    return {
      member,
      batch: { group: this.#group, member: name, sequence, answered, leaseMillis, lapse, operations }
    }
  }

  /** An instant to come at which something was promised to happen, if there is one. */
  promised(now: number): number | undefined {
    this.#promises = this.#promises.filter((instant) => instant > now)
    return this.#promises.length === 0 ? undefined : this.#random.pick(this.#promises)
  }

  /** A batch that tells the counters of all budgets, on behalf of a member that does nothing else. */
  look(): Batch {
    const operations = this.#budgets.map((budget): Operation => ({ _tag: "Look", budget }))
    return {
      group: this.#group,
      member: `looker ${this.#names++}`,
      sequence: 1,
      answered: 0,
      leaseMillis: 1,
      lapse: "release",
      operations
    }
  }

  /** What became of a batch, unless its answer is lost. */
  hear(member: Member, batch: Batch, answer: Answer): void {
    if (this.#random.chance(0.1)) {
      this.#lost.push({ member, batch })
      return
    }
    member.unanswered.delete(batch.sequence)
    const [oldest] = member.unanswered
    member.answered = (oldest ?? member.sequence + 1) - 1
    if (answer._tag !== "Applied") return this.#replace(member)
    const waits = answer.verdicts.flatMap((verdict) => (verdict === undefined ? [] : [verdict.askAgainInMillis]))
    this.#promises = [...this.#promises, ...waits.map((millis) => answer.now + millis)].slice(-20)
    let index = 0
    for (const operation of batch.operations) {
      if (operation._tag === "Assert") member.held.push({ ...operation, takenAt: answer.now, aheadMillis: 0 })
      if (operation._tag !== "Reserve") continue
      const verdict = answer.verdicts[index++]
      const { aheadMillis, amounts, route } = operation
      if (verdict === undefined) member.held.push({ route, amounts, takenAt: answer.now, aheadMillis })
      else if (verdict.ticket !== undefined) member.waiting.push({ route, amounts, ticket: verdict.ticket })
    }
  }

  #replace(member: Member): void {
    this.#members = this.#members.map((other) => (other === member ? this.#newMember() : other))
    this.#lost = this.#lost.filter((lost) => lost.member !== member || this.#random.chance(0.5))
  }

  #newMember(): Member {
    return new Member(`member "${this.#names++}"`, this.#random, this.#isCrowded)
  }

  #operation(member: Member): Operation {
    const random = this.#random
    const route = random.pick(this.#routes)
    const budget = random.pick(this.#budgets)
    const amounts = amountsOf(random, route)
    switch (random.weighted(this.#isCrowded ? { ...rarely, reserve: 10, again: 15, settle: 3 } : often)) {
      case "reserve":
        return { _tag: "Reserve", route, amounts, ticket: undefined, waits: random.chance(0.7), aheadMillis: 0 }
      case "ahead": {
        const aheadMillis = random.pick([1, 10, 200])
        return { _tag: "Reserve", route, amounts, ticket: undefined, waits: false, aheadMillis }
      }
      case "again": {
        const waiting = take(random, member.waiting)
        if (waiting === undefined) break
        return { _tag: "Reserve", ...waiting, waits: random.chance(0.9), aheadMillis: 0 }
      }
      case "settle":
        return this.#settle(member) ?? { _tag: "Look", budget }
      case "charge":
        return { _tag: "Charge", route, amounts, usage: usageOf(random) }
      case "assert": {
        const count = random.int(1, 3)
        return { _tag: "Assert", route, count, amounts }
      }
      case "withdraw": {
        const waiting = take(random, member.waiting)
        if (waiting === undefined) break
        return { _tag: "Withdraw", route: waiting.route, ticket: waiting.ticket }
      }
      case "pause":
        return {
          _tag: "Pause",
          budget,
          millis: random.pick([0, random.int(1, 100), random.int(1, 5_000)]),
          isGradual: random.chance(0.5)
        }
      case "tighten":
        return {
          _tag: "Tighten",
          budget,
          indices: budget.limits.flatMap((_, index) => (random.chance(0.5) ? [index] : [])),
          remaining: random.int(0, 50)
        }
    }
    return { _tag: "Look", budget }
  }

  /** Settles what was taken at an instant on a route, or a part of it. */
  #settle(member: Member): Operation | undefined {
    const random = this.#random
    const first = take(random, member.held)
    if (first === undefined) return undefined
    const { aheadMillis, route, takenAt } = first
    const isAlike = (held: Held) => held.route === route && held.takenAt === takenAt && held.aheadMillis === aheadMillis
    const others = member.held.filter((held) => isAlike(held) && random.chance(0.7))
    member.held = member.held.filter((held) => !others.includes(held))
    const all = [first, ...others]
    const used = all.map(({ amounts }) => amounts.map((estimate) => actualOf(random, estimate)))
    const sum = (amountOf: (of: number, index: number) => number): ReadonlyArray<number> =>
      first.amounts.map((_, index) => all.reduce((total, __, of) => total + amountOf(of, index), 0))
    return {
      _tag: "Settle",
      route,
      takenAt,
      aheadMillis,
      count: aheadMillis > 0 ? 0 : all.length,
      estimates: sum((of, index) => all[of]!.amounts[index]!),
      actuals: sum((of, index) => used[of]![index]!),
      refunds: sum((of, index) => Math.max(0, all[of]!.amounts[index]! - used[of]![index]!)),
      usage: usageOf(random)
    }
  }
}

const often = {
  reserve: 10,
  ahead: 2,
  again: 5,
  settle: 8,
  charge: 1,
  assert: 1,
  withdraw: 1,
  pause: 1,
  tighten: 1,
  look: 1
} as const

const rarely = { ahead: 0, charge: 0.1, assert: 0, withdraw: 0.5, pause: 0, tighten: 0, look: 1 } as const

const take = <A>(random: Random, from: Array<A>): A | undefined =>
  from.length === 0 ? undefined : from.splice(random.int(0, from.length - 1), 1)[0]

const budgetsOf = (random: Random, { changed, isCrowded, limit }: StoreProgramOptions): ReadonlyArray<SharedBudget> =>
  ["key", "tenant: 100%", "run/1"].slice(0, random.int(1, 3)).flatMap((key) => {
    const limits = Array.from({ length: random.int(1, 4) }, (_, index) => limit(random, `limit ${index}`))
    const budget = { key, limits, isShadow: random.chance(0.15) }
    if (isCrowded === true) return [{ ...budget, isShadow: false }]
    const variants: Array<SharedBudget> = [budget]
    if (random.chance(0.2)) variants.push({ ...budget, isShadow: !budget.isShadow })
    if (random.chance(0.3)) variants.push({ ...budget, limits: limits.map((limit) => changed(random, limit)) })
    if (random.chance(0.1)) variants.push({ ...budget, limits: random.shuffle(limits).slice(0, random.int(0, 3)) })
    if (random.chance(0.1)) variants.push({ ...budget, limits: limits.map(({ name }) => limit(random, name)) })
    return variants
  })

const amountsOf = (random: Random, { budgets }: Route): ReadonlyArray<number> =>
  budgets.flatMap(({ limits }) =>
    limits.map((limit) => {
      if (limit._tag === "Concurrency") return 1
      return random.chance(0.15) ? 0 : random.int(1, Math.ceil(limit.max / random.pick([1, 2, 5, 10])) + 1)
    })
  )

const actualOf = (random: Random, estimate: number): number =>
  ({
    nothing: () => 0,
    less: () => random.int(0, estimate),
    equal: () => estimate,
    more: () => estimate + random.int(1, 20)
  })[random.weighted({ nothing: 2, less: 4, equal: 2, more: 1 })]()

const usageOf = (random: Random): Usage.Usage =>
  Usage.make({ inputTokens: random.int(0, 1_000), outputTokens: random.int(0, 1_000), costUsd: random.int(0, 3) })

/** A limit of any kind, small enough to be in the way. */
export const anyLimit = (random: Random, name: string): SharedBudget["limits"][number] => {
  const chargeAt = random.pick(["reserve", "settle"] as const)
  switch (random.weighted({ cap: 2, concurrency: 2, sliding: 3, fixed: 2, bucket: 2, largeBucket: 0.5 })) {
    case "cap":
      return Limit.cap("tokens", random.magnitude(20, 2_000), { name })
    case "concurrency":
      return Limit.concurrency(random.int(0, 6), { name })
    case "sliding":
      return Limit.slidingWindow("tokens", random.int(5, 200), random.magnitude(2, 20_000), { name, chargeAt })
    case "fixed":
      return Limit.fixedWindow("tokens", random.int(5, 200), random.pick(["minute", "hour", "day"]), { name, chargeAt })
    case "bucket":
      return Limit.tokenBucket("tokens", random.int(1, 100), random.magnitude(1, 20_000), {
        name,
        capacity: random.int(5, 200)
      })
    case "largeBucket":
      return Limit.tokenBucket("usd", random.magnitude(1, 100_000), random.magnitude(1_000, 3_000_000_000), { name })
  }
}

export const changedLimit = (random: Random, limit: SharedBudget["limits"][number]): SharedBudget["limits"][number] => {
  const max = Math.ceil(limit.max * random.pick([0.5, 1, 1, 2]))
  switch (limit._tag) {
    case "SlidingWindow":
      return { ...limit, max, windowMillis: Math.ceil(limit.windowMillis * random.pick([0.5, 1, 2])) }
    case "TokenBucket":
      return { ...limit, max, refill: Math.ceil(limit.refill * random.pick([0.5, 1, 2])) }
    default:
      return { ...limit, max }
  }
}
