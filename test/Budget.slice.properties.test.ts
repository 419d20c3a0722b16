import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { afterAll, describe, expect, it } from "vitest"
import * as Budget from "../src/Budget.ts"
import * as Limit from "../src/Limit.ts"
import * as Usage from "../src/Usage.ts"
import { othersRun } from "./support/heard.ts"
import { forEachSeed, type Random } from "./support/random.ts"

/** A budget with at most one cap, as the naive ledger knows it. */
interface Account {
  readonly name: string
  readonly parent: Account | undefined
  max: number
  readonly isSlice: boolean
  readonly scope: Scope.Closeable
  status: "asking" | "open" | "closed"
  budget: Budget.Budget | undefined
}

/** A call as its own body sees it. `amount` is what is reserved, then what was used. */
interface Call {
  readonly account: Account
  readonly ending: Deferred.Deferred<Ending>
  amount: number
  status: "asking" | "open" | "settled" | "refused"
}

type Ending = { readonly do: "commit" | "record and fail" | "fail"; readonly amount: number }

/** Counts by adding everything up anew each time. */
class NaiveLedger {
  readonly accounts: Array<Account> = []
  readonly calls: Array<Call> = []

  spent(account: Account): number {
    return this.#sum(
      account,
      ({ status }) => status === "settled",
      (inner) => this.spent(inner)
    )
  }

  /** What is spent and reserved. An open slice counts as a whole, or with what it has used if that is more. */
  used(account: Account): number {
    return this.#sum(
      account,
      ({ status }) => status === "settled" || status === "open",
      (inner) => (inner.isSlice && inner.status === "open" ? Math.max(inner.max, this.used(inner)) : this.used(inner))
    )
  }

  /** The accounts whose caps an amount has to fit into: an open slice has passed those around it. */
  way(account: Account): ReadonlyArray<Account> {
    const { isSlice, parent, status } = account
    if (parent === undefined || (isSlice && status === "open")) return [account]
    return [account, ...this.way(parent)]
  }

  fits(account: Account, amount: number): boolean {
    return amount === 0 || this.way(account).every((passed) => this.used(passed) + amount <= passed.max)
  }

  #sum(account: Account, counts: (call: Call) => boolean, ofInner: (inner: Account) => number): number {
    const own = this.calls.filter((call) => call.account === account && counts(call))
    const inner = this.accounts.filter(({ parent, status }) => parent === account && status !== "asking")
    return own.reduce((sum, { amount }) => sum + amount, 0) + inner.reduce((sum, each) => sum + ofInner(each), 0)
  }
}

const tokens = (inputTokens: number) => Usage.make({ inputTokens })
const counts = { slices: 0, calls: 0, waited: 0, closedWithOpenCalls: 0, changed: 0 }

const program = Effect.fnUntraced(function* (random: Random) {
  const ledger = new NaiveLedger()
  const fibers = new Map<Account | Call, Fiber.Fiber<unknown, unknown>>()

  const makeAccount = Effect.fnUntraced(function* (parent: Account | undefined, isSlice: boolean) {
    const max = isSlice ? random.int(0, 60) : random.chance(0.7) ? random.int(40, 150) : 1_000_000
    const name = `${isSlice ? "slice" : "budget"} ${ledger.accounts.length}`
    const scope = yield* Scope.make()
    const account: Account = { name, parent, max, isSlice, scope, status: "asking", budget: undefined }
    ledger.accounts.push(account)
    random.note("make", name, "in", parent?.name, "max", max)
    const limits = [Limit.cap("tokens", max)]
    const from = parent?.budget
    const maxWait = random.chance(0.5) ? "1 hour" : undefined
    const asked =
      isSlice && from !== undefined
        ? Budget.slice({ name, from, limits, maxWait })
        : Budget.make({ name, limits, within: from === undefined ? [] : [from] })
    const expectsRoom = !isSlice || (parent !== undefined && ledger.fits(parent, max))
    const others = waiting()
    const making = Effect.tap(Scope.provide(asked, scope), (budget) =>
      Effect.sync(() => {
        account.budget = budget
        account.status = "open"
        if (isSlice) counts.slices++
      })
    )
    fibers.set(account, yield* Effect.forkDetach(Effect.exit(making), { startImmediately: true }))
    if (others === 0) expect(account.status).toBe(expectsRoom ? "open" : "asking")
  })

  const waiting = () =>
    ledger.calls.filter(({ status }) => status === "asking").length +
    ledger.accounts.filter((account) => account.status === "asking" && fibers.get(account)?.pollUnsafe() === undefined)
      .length

  const call = Effect.fnUntraced(function* (account: Account, budget: Budget.Budget) {
    const estimate = random.int(0, 40)
    const ending = yield* Deferred.make<Ending>()
    const made: Call = { account, ending, amount: estimate, status: "asking" }
    const expectsRoom = ledger.fits(account, estimate)
    const others = waiting()
    ledger.calls.push(made)
    random.note("call", ledger.calls.length - 1, "of", account.name, "estimate", estimate)
    const settle = (amount: number) => {
      made.amount = amount
      made.status = "settled"
    }
    let recorded = 0
    const running = budget.withReservation(
      tokens(estimate),
      Effect.fnUntraced(
        function* (reservation) {
          made.status = "open"
          counts.calls++
          const { amount, do: how } = yield* Deferred.await(ending)
          if (how === "fail") return yield* Effect.fail("failed")
          if (how === "record and fail") {
            recorded = amount
            yield* reservation.record(tokens(amount))
            return yield* Effect.fail("failed")
          }
          yield* reservation.commit(tokens(amount))
          settle(amount)
        },
        Effect.onExit((exit) => Effect.sync(() => Exit.isFailure(exit) && settle(recorded)))
      )
    )
    const ended = Effect.onExit(running, () =>
      Effect.sync(() => {
        if (made.status === "asking") made.status = "refused"
      })
    )
    fibers.set(made, yield* Effect.forkDetach(Effect.exit(ended), { startImmediately: true }))
    if (others === 0 && expectsRoom) expect(made.status).toBe("open")
    if (!expectsRoom) expect(made.status).not.toBe("open")
    if (made.status === "asking") counts.waited++
  })

  const end = (made: Call) => {
    const ending: Ending = {
      do: random.weighted({ commit: 6, "record and fail": 1, fail: 1 }),
      amount: random.chance(0.2) ? random.int(0, 120) : random.int(0, made.amount)
    }
    random.note("end", ledger.calls.indexOf(made), ending)
    return Deferred.succeed(made.ending, ending)
  }

  const interrupt = (who: Account | Call) => {
    random.note("interrupt", "name" in who ? who.name : ledger.calls.indexOf(who))
    const fiber = fibers.get(who)
    return fiber === undefined ? Effect.void : Fiber.interrupt(fiber)
  }

  const close = Effect.fnUntraced(function* (account: Account) {
    random.note("close", account.name)
    const hasOpenCalls = ledger.calls.some((call) => call.account === account && call.status === "open")
    if (account.isSlice && hasOpenCalls) counts.closedWithOpenCalls++
    account.status = "closed"
    yield* Scope.close(account.scope, Exit.void)
  })

  /** What was used without asking is like a call that has ended. */
  const charge = (account: Account, budget: Budget.Budget) => {
    const amount = random.int(0, 60)
    random.note("charge", account.name, amount)
    const ending = Deferred.makeUnsafe<Ending>()
    ledger.calls.push({ account, ending, amount, status: "settled" })
    return budget.charge(tokens(amount))
  }

  const changeLimit = (account: Account, budget: Budget.Budget) => {
    account.max = random.int(0, 200)
    random.note("change", account.name, "to", account.max)
    counts.changed++
    return budget.updateLimits([Limit.cap("tokens", account.max)])
  }

  /** Compares everything that the library says with what adds up. */
  const check = Effect.fnUntraced(function* (openBefore: ReadonlySet<Account | Call>) {
    for (const account of ledger.accounts) {
      if (account.budget === undefined) continue
      const { limits, open, spent } = yield* account.budget.snapshot
      const { reserved, used } = limits[0]!
      expect({ name: account.name, used, committed: used - reserved, spent: spent.inputTokens }).toEqual({
        name: account.name,
        used: ledger.used(account),
        committed: ledger.spent(account),
        spent: ledger.spent(account)
      })
      if (account.parent === undefined) expect(open).toBe(openCalls().length)
    }
    // Whatever was let in just now had room, in every cap that it had to pass, and has left room in all around.
    for (const call of openCalls()) {
      if (openBefore.has(call) || call.amount === 0) continue
      for (const passed of ledger.way(call.account)) expect(ledger.used(passed)).toBeLessThanOrEqual(passed.max)
    }
    for (const account of ledger.accounts) {
      if (!account.isSlice || account.status !== "open" || openBefore.has(account) || account.max === 0) continue
      for (const passed of ledger.way(account.parent!)) expect(ledger.used(passed)).toBeLessThanOrEqual(passed.max)
    }
  })

  const openCalls = () => ledger.calls.filter(({ status }) => status === "open")
  const usable = () => ledger.accounts.filter(({ budget }) => budget !== undefined)

  yield* makeAccount(undefined, false)
  const steps = random.int(5, 40)
  for (let step = 0; step < steps; step++) {
    const openBefore = new Set([...openCalls(), ...ledger.accounts.filter(({ status }) => status === "open")])
    const account = random.pick(usable())
    switch (random.weighted({ slice: 3, budget: 1, call: 8, end: 5, interrupt: 1, close: 2, charge: 1, change: 1 })) {
      case "slice":
        yield* makeAccount(account, true)
        break
      case "budget":
        yield* makeAccount(account, false)
        break
      case "call":
        yield* call(account, account.budget!)
        break
      case "charge":
        yield* charge(account, account.budget!)
        break
      case "change":
        if (!account.isSlice) yield* changeLimit(account, account.budget!)
        break
      case "end":
        if (openCalls().length > 0) yield* end(random.pick(openCalls()))
        break
      case "interrupt":
        yield* interrupt(random.pick([...fibers.keys()]))
        break
      case "close": {
        const slices = ledger.accounts.filter(({ isSlice, status }) => isSlice && status === "open")
        if (slices.length > 0) yield* close(random.pick(slices))
      }
    }
    yield* othersRun
    yield* othersRun
    yield* check(openBefore)
  }

  for (const who of random.shuffle([...fibers.keys()])) {
    if ("name" in who && who.status === "open") yield* close(who)
    else yield* interrupt(who)
  }
  yield* othersRun
  yield* check(new Set())
  for (const { budget } of usable()) {
    const { limits, open, waiting } = yield* budget!.snapshot
    expect({ open, waiting, reserved: limits[0]!.reserved }).toEqual({ open: 0, waiting: 0, reserved: 0 })
  }
})

afterAll(() => console.log(counts))

describe("random programs of slices", () => {
  it("count everything once, hold what they have set aside and nothing else, and leave nothing reserved", () =>
    forEachSeed({ name: "slices", runs: 1_000 }, (random) => Effect.runPromise(program(random))))

  it("have really waited, and closed slices with calls open", () => {
    expect(
      Math.min(counts.slices, counts.calls, counts.waited, counts.closedWithOpenCalls, counts.changed)
    ).toBeGreaterThan(process.env["SEED"] === undefined ? 100 : -1)
  })
})
