import * as Effect from "effect/Effect"
import * as Limit from "../../Limit.ts"
import type { Lapse } from "../../StoreProtocol.ts"
import { budget, charge, countersOf, look, reserve, route, settle } from "./asking.ts"
import { type Case, HOUR_MILLIS, type Stage } from "./stage.ts"
import { inAYear } from "./windows.ts"

const LEASE_MILLIS = 200

const cap = Limit.cap("tokens", 100)

const everything = budget(
  "key",
  cap,
  Limit.slidingWindow("tokens", 100, HOUR_MILLIS),
  Limit.slidingWindow("tokens", 100, HOUR_MILLIS, { name: "sliding, from the settlement", chargeAt: "settle" }),
  Limit.fixedWindow("tokens", 100, inAYear),
  Limit.fixedWindow("tokens", 100, inAYear, { name: "fixed, from the settlement", chargeAt: "settle" }),
  Limit.tokenBucket("tokens", 1, 24 * HOUR_MILLIS, { capacity: 100 }),
  Limit.concurrency(1)
)

const lapses = (lapse: Lapse, used: ReadonlyArray<number>): Case => ({
  name: `what a member holds is settled when its lease is over: "${lapse}"`,
  act: Effect.fnUntraced(function* (stage: Stage) {
    const alone = route(everything)
    const dead = stage.member("dead", { leaseMillis: LEASE_MILLIS, lapse })
    const other = stage.member("other")
    const takenAt = yield* dead.admitted(reserve(alone, [40, 40, 40, 40, 40, 40, 1]))
    const before = yield* other.ask(look(everything))
    if (before.now < takenAt + LEASE_MILLIS) {
      yield* stage.expect("what is reserved before its lease is over", before.sights[0]?.open, 1)
    }
    const over = yield* other.until(takenAt + LEASE_MILLIS)
    const { now, sights, verdicts } = yield* other.ask(
      look(everything),
      // More than fits beside what was charged, of the window that counts from the settlement.
      reserve(alone, [0, 0, 61, 0, 0, 0, 0]),
      reserve(alone, [0, 0, 0, 0, 0, 0, 1])
    )
    const counters = { used, reserved: used.map(() => 0), open: 0 }
    yield* stage.expect("what is counted when it is over", countersOf(sights[0]), counters)
    yield* stage.expect("what keeps the next one out", verdicts[1], undefined)
    if (lapse === "release") return yield* stage.expect("what keeps 61 tokens out", verdicts[0], undefined)
    const chargedAt = now + (verdicts[0]?.readyInMillis ?? 0) - HOUR_MILLIS
    const isTrue = takenAt + LEASE_MILLIS <= chargedAt && chargedAt <= over
    yield* stage.expect(`whether it was charged after the end of the lease, at ${chargedAt}`, isTrue, true)
  })
})

/** What becomes of members that are not heard of. */
export const leases: ReadonlyArray<Case> = [
  lapses("charge", [40, 40, 40, 40, 40, 40, 0]),
  lapses("release", [0, 40, 0, 40, 0, 40, 0]),
  {
    name: "any batch renews the lease of its member, also an empty one",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const key = budget("key", cap)
      const one = stage.member("one", { leaseMillis: LEASE_MILLIS })
      const other = stage.member("other")
      let leased = yield* one.admitted(reserve(route(key), [40]))
      for (let time = 0; time < 3; time++) {
        yield* stage.pass(LEASE_MILLIS / 2)
        const answer = yield* one.send(one.batch([]))
        // A server may have taken its time; then its lease was over indeed.
        if (answer.now >= leased + LEASE_MILLIS) return
        yield* stage.expect("the answer within its lease", answer._tag, "Applied")
        leased = answer.now
      }
      const { now, sights } = yield* other.ask(look(key))
      if (now < leased + LEASE_MILLIS) yield* stage.expect("how many are open", sights[0]?.open, 1)
    })
  },
  {
    name: "the last batch of a member says how long its lease is, and what happens in the end",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const key = budget("key", cap)
      const one = stage.member("one", { lapse: "charge" })
      const other = stage.member("other")
      yield* one.admitted(reserve(route(key), [40]))
      const { now } = yield* one.send(one.batch([], { leaseMillis: 50, lapse: "release" }))
      yield* other.until(now + 50)
      const { sights } = yield* other.ask(look(key))
      yield* stage.expect("what is counted", countersOf(sights[0]), { used: [0], reserved: [0], open: 0 })
    })
  },
  {
    name: "whose lease is over is told so, and nothing is done, unless it was done before",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const key = budget("key", cap)
      const late = stage.member("late", { leaseMillis: LEASE_MILLIS })
      const other = stage.member("other")
      const first = late.batch([reserve(route(key), [40]), look(key)])
      const answer = yield* late.send(first)
      yield* other.until(answer.now + LEASE_MILLIS)
      const batches = [
        late.batch([settle(route(key), answer.now, { estimates: [40], actuals: [1] })]),
        late.batch([charge(route(key), [10]), reserve(route(key), [10])]),
        late.batch([])
      ]
      for (const batch of batches) {
        yield* stage.expect("the answer to a late batch", (yield* late.send(batch))._tag, "Lapsed")
      }
      yield* stage.expect("what is answered again", yield* late.send(first), answer)
      const { sights } = yield* other.ask(look(key))
      yield* stage.expect("what is counted", countersOf(sights[0]), { used: [40], reserved: [0], open: 0 })
      const again = stage.member("who was late, under another name")
      yield* again.admitted(reserve(route(key), [60]))
    })
  },
  {
    name: "whose lease is over is told so, also if nobody has asked since",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const key = budget("key", cap)
      const late = stage.member("late", { leaseMillis: 50, lapse: "release" })
      const takenAt = yield* late.admitted(reserve(route(key), [40]))
      yield* stage.pass(70)
      const answer = yield* late.send(late.batch([charge(route(key), [10])]))
      const isOver = answer.now >= takenAt + 50
      yield* stage.expect("the answer", answer._tag, isOver ? "Lapsed" : "Applied")
      const { sights } = yield* stage.member("other").ask(look(key))
      if (isOver) yield* stage.expect("what is counted", countersOf(sights[0]), { used: [0], reserved: [0], open: 0 })
    })
  },
  {
    name: "who waits asks again, without being woken, in time for the end of another's lease",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const key = budget("key", Limit.concurrency(1))
      const dead = stage.member("dead", { leaseMillis: LEASE_MILLIS })
      const other = stage.member("other")
      const takenAt = yield* dead.admitted(reserve(route(key), [1]))
      const overAt = takenAt + LEASE_MILLIS
      let ticket: number | undefined
      while (true) {
        const { now, refused } = yield* other.reserve(reserve(route(key), [1], { ticket, waits: true }))
        yield* stage.expect(`whether it is admitted ${overAt - now} ms before`, refused === undefined, now >= overAt)
        if (refused === undefined) return
        const isInTime = now + refused.askAgainInMillis <= overAt
        yield* stage.expect(`whether it asks again in time, in ${refused.askAgainInMillis} ms`, isInTime, true)
        ticket = refused.ticket
        yield* stage.pass(refused.askAgainInMillis)
      }
    })
  },
  {
    name: "each end of a lease makes room for who waits, and wakes it",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const key = budget("key", Limit.concurrency(1))
      const dead = stage.member("dead", { leaseMillis: 50 })
      const [waiting, other] = [stage.member("waiting"), stage.member("other")]
      const woken = yield* stage.listen()
      const takenAt = yield* dead.admitted(reserve(route(key), [1]))
      const { now } = yield* waiting.reserve(reserve(route(key), [1], { waits: true }))
      // On a slow server it may have been admitted, as the lease was over.
      if (now >= takenAt + 50) return
      yield* other.until(takenAt + 50)
      yield* stage.wakes(woken)
      yield* stage.expect("who is woken", new Set(woken).has("waiting"), true)
    })
  },
  {
    name: "who has died while it waited is in nobody's way",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const key = budget("key", cap)
      const alone = route(key)
      const [holder, next] = [stage.member("holder"), stage.member("next")]
      const dead = stage.member("dead", { leaseMillis: 50 })
      const woken = yield* stage.listen()
      const takenAt = yield* holder.admitted(reserve(alone, [60]))
      const { now } = yield* dead.refused(reserve(alone, [80], { waits: true }))
      const { refused } = yield* next.reserve(reserve(alone, [70], { waits: true }))
      yield* next.until(now + 50)
      yield* holder.ask(settle(alone, takenAt, { estimates: [60], actuals: [0] }))
      yield* stage.wakes(woken)
      yield* stage.expect("who is woken", woken[0], "next")
      const ticket = refused?.ticket
      const small = Array.from({ length: 20 }, () => reserve(alone, [1]))
      const { verdicts } = yield* next.ask(reserve(alone, [70], { ticket, waits: true }), ...small)
      const kept = verdicts.filter((verdict) => verdict !== undefined)
      yield* stage.expect("who is kept out", kept, [])
    })
  }
]
