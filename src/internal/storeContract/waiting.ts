import * as Effect from "effect/Effect"
import * as Limit from "../../Limit.ts"
import type { Refused } from "../../StoreProtocol.ts"
import { AFTER_SETTLEMENT } from "../limit/state.ts"
import { budget, charge, reserve, route, settle, withdraw } from "./asking.ts"
import { type Case, HOUR_MILLIS, type Stage } from "./stage.ts"

const PASSED_MAX = 8

const key = budget("key", Limit.cap("tokens", 100))
const alone = route(key)

const ones = (count: number) => Array.from({ length: count }, () => reserve(alone, [1]))

const countAdmitted = (verdicts: ReadonlyArray<Refused | undefined>): number =>
  verdicts.filter((verdict) => verdict === undefined).length

/** Who goes first, among members. */
export const waiting: ReadonlyArray<Case> = [
  {
    name: "who waits gets a ticket and keeps it, and who has come later has a higher one",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const [one, other] = [stage.member("one"), stage.member("other")]
      yield* stage.member("holder").admitted(reserve(alone, [100]))
      const patient = reserve(alone, [10], { waits: true })
      const first = yield* one.refused(patient)
      const second = yield* other.refused(patient)
      const third = yield* one.refused(patient)
      const again = yield* one.refused({ ...patient, ticket: first.ticket })
      yield* stage.expect("the ticket of who asks again", again.ticket, first.ticket)
      const tickets = [first, second, third].map(({ ticket }) => ticket ?? 0)
      const isRising = tickets[0]! > 0 && tickets[1]! > tickets[0]! && tickets[2]! > tickets[1]!
      yield* stage.expect(`whether the tickets ${tickets.join(", ")} are rising`, isRising, true)
      const impatient = yield* other.refused(reserve(alone, [10]))
      yield* stage.expect("the ticket of who does not wait", impatient.ticket, undefined)
    })
  },
  {
    name: "who waits is passed at most 8 times by younger ones of other members that may delay it",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const [waiting, other] = [stage.member("waiting"), stage.member("other")]
      yield* stage.member("holder").admitted(reserve(alone, [60]))
      const { askAgainInMillis, now, ticket } = yield* waiting.refused(reserve(alone, [50], { waits: true }))
      const crowd = yield* other.ask(...ones(20))
      // On a slow server it may be late by now, and is not waited for.
      if (crowd.now > now + askAgainInMillis) return
      yield* stage.expect("how many pass it", countAdmitted(crowd.verdicts), PASSED_MAX)
      const refusal = crowd.verdicts[PASSED_MAX]
      yield* stage.expect(
        "what keeps the next one out",
        [refusal?.index, refusal?.readyInMillis],
        [0, AFTER_SETTLEMENT]
      )
      yield* waiting.ask(withdraw(alone, ticket ?? 0))
      const rest = yield* other.ask(...ones(20))
      yield* stage.expect("how many pass when it does not wait any more", countAdmitted(rest.verdicts), 20)
    })
  },
  {
    name: "who was passed too often goes first when there is room",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const [holder, waiting, other] = [stage.member("holder"), stage.member("waiting"), stage.member("other")]
      const takenAt = yield* holder.admitted(reserve(alone, [60]))
      const { askAgainInMillis, now, ticket } = yield* waiting.refused(reserve(alone, [50], { waits: true }))
      yield* other.ask(...ones(PASSED_MAX))
      yield* holder.ask(settle(alone, takenAt, { estimates: [60], actuals: [10] }))
      const { refused, now: asked } = yield* other.reserve(reserve(alone, [40]))
      if (asked > now + askAgainInMillis) return
      yield* stage.expect("whether somebody passes who would take its room", refused !== undefined, true)
      yield* waiting.admitted(reserve(alone, [50], { ticket, waits: true }))
      yield* other.admitted(reserve(alone, [32]))
    })
  },
  {
    name: "who does not delay those who wait passes them as often as it likes",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const hourly = route(budget("key", Limit.slidingWindow("tokens", 100, HOUR_MILLIS)))
      const [waiting, other] = [stage.member("waiting"), stage.member("other")]
      yield* other.ask(charge(hourly, [70]))
      // It fits when the 70 are gone, beside 30 others.
      yield* waiting.refused(reserve(hourly, [60], { waits: true }))
      const { verdicts } = yield* other.ask(...Array.from({ length: 30 }, () => reserve(hourly, [1])))
      yield* stage.expect("how many pass it", countAdmitted(verdicts), 30)
    })
  },
  {
    name: "a member passes its own requests no more often than those of others",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const one = stage.member("one")
      yield* stage.member("holder").admitted(reserve(alone, [60]))
      yield* one.refused(reserve(alone, [50], { waits: true }))
      const { verdicts } = yield* one.ask(...ones(20))
      yield* stage.expect("how many pass", countAdmitted(verdicts), PASSED_MAX)
    })
  },
  {
    name: "who has waited longer passes who has waited less",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const [elder, younger] = [stage.member("elder"), stage.member("younger")]
      yield* stage.member("holder").admitted(reserve(alone, [60]))
      const tickets: Array<number | undefined> = []
      for (let count = 0; count < 20; count++) {
        tickets.push((yield* elder.refused(reserve(alone, [41], { waits: true }))).ticket)
      }
      yield* younger.refused(reserve(alone, [50], { waits: true }))
      const { verdicts } = yield* elder.ask(...tickets.map((ticket) => reserve(alone, [1], { ticket, waits: true })))
      yield* stage.expect("how many are admitted", countAdmitted(verdicts), 20)
    })
  },
  {
    name: "who waits is woken when there is room: the member that has waited longest",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const [holder, first, second] = [stage.member("holder"), stage.member("first"), stage.member("second")]
      const woken = yield* stage.listen()
      const takenAt = yield* holder.admitted(reserve(alone, [100]))
      const elder = yield* first.refused(reserve(alone, [60], { waits: true }))
      const younger = yield* second.refused(reserve(alone, [30], { waits: true }))
      yield* holder.ask(charge(alone, [1]))
      yield* stage.pass(30)
      yield* stage.expect("who is woken while there is no room", woken, [])
      yield* holder.ask(settle(alone, takenAt, { estimates: [100], actuals: [30] }))
      yield* stage.wakes(woken)
      yield* stage.pass(30)
      yield* stage.expect("who is woken when there is room", woken, ["first"])
      const end = yield* first.admitted(reserve(alone, [60], { ticket: elder.ticket, waits: true }))
      yield* first.ask(settle(alone, end, { estimates: [60], actuals: [20] }))
      yield* stage.expect(
        "whether the other may go now",
        (yield* second.reserve(reserve(alone, [30], { ticket: younger.ticket, waits: true }))).refused,
        undefined
      )
    })
  },
  {
    name: "when who has waited longest goes away, the next one is woken",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const [holder, first, second] = [stage.member("holder"), stage.member("first"), stage.member("second")]
      const woken = yield* stage.listen()
      const takenAt = yield* holder.admitted(reserve(alone, [90]))
      const { ticket } = yield* first.refused(reserve(alone, [80], { waits: true }))
      yield* second.refused(reserve(alone, [70], { waits: true }))
      yield* first.ask(withdraw(alone, ticket ?? 0))
      yield* holder.ask(settle(alone, takenAt, { estimates: [90], actuals: [0] }))
      yield* stage.wakes(woken)
      yield* stage.expect("who is woken", woken, ["second"])
    })
  },
  {
    name: "who was woken and came in vain is woken again as soon as there is room",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const [waiting, other] = [stage.member("waiting"), stage.member("other")]
      const woken = yield* stage.listen()
      let takenAt = yield* other.admitted(reserve(alone, [100]))
      let ticket: number | undefined
      for (let time = 0; time < 3; time++) {
        const patient = reserve(alone, [60], { ticket, waits: true })
        ticket = (yield* waiting.refused(patient)).ticket
        const { now } = yield* other.ask(
          settle(alone, takenAt, { estimates: [100], actuals: [0] }),
          reserve(alone, [100])
        )
        takenAt = now
        yield* other.ask(settle(alone, takenAt, { estimates: [100], actuals: [0] }))
        yield* stage.wakes(woken)
        yield* stage.expect("who is woken", woken.splice(0), ["waiting"])
        takenAt = yield* other.admitted(reserve(alone, [100]))
      }
    })
  },
  {
    name: "who does not ask again in time is not waited for",
    act: Effect.fnUntraced(function* (stage: Stage) {
      // The end of this lease is when the waiting one would have to ask again.
      const holder = stage.member("holder", { leaseMillis: 200 })
      const [late, other] = [stage.member("late"), stage.member("other")]
      yield* holder.admitted(reserve(alone, [60]))
      yield* late.reserve(reserve(alone, [50], { waits: true }))
      const renewed = yield* holder.send(holder.batch([], { leaseMillis: HOUR_MILLIS }))
      if (renewed._tag !== "Applied") return
      yield* other.ask(...ones(PASSED_MAX))
      while ((yield* other.reserve(reserve(alone, [1]))).refused !== undefined) yield* stage.pass(100)
    })
  },
  {
    name: "who waits at one limit is in nobody's way at others",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const both = route(key, budget("run", Limit.concurrency(1)))
      const [waiting, other] = [stage.member("waiting"), stage.member("other")]
      yield* stage.member("holder").admitted(reserve(both, [10, 1]))
      const { index } = yield* waiting.refused(reserve(both, [80, 1], { waits: true }))
      yield* stage.expect("where it waits", index, 1)
      const { verdicts } = yield* other.ask(...ones(20))
      yield* stage.expect("how many pass", countAdmitted(verdicts), 20)
    })
  }
]
