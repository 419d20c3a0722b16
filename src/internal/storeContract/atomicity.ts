import * as Effect from "effect/Effect"
import * as Limit from "../../Limit.ts"
import { AFTER_SETTLEMENT, NEVER } from "../limit/state.ts"
import { assert, budget, charge, countersOf, look, pause, reserve, route, tighten } from "./asking.ts"
import { type Case, HOUR_MILLIS, type Stage } from "./stage.ts"

const cap = Limit.cap("tokens", 100)
const window = Limit.slidingWindow("tokens", 100, HOUR_MILLIS)

/** A batch is done at one instant, and a reservation takes all of its amounts or none. */
export const atomicity: ReadonlyArray<Case> = [
  {
    name: "a reservation takes an amount from each limit of each budget of its route",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const [run, key] = [budget("run", cap), budget("key", window, Limit.concurrency(2))]
      const one = stage.member("one")
      yield* one.admitted(reserve(route(run, key), [30, 20, 1]))
      const { sights } = yield* one.ask(look(run), look(key))
      yield* stage.expect("what the first budget has counted", countersOf(sights[0]), {
        used: [30],
        reserved: [30],
        open: 1
      })
      yield* stage.expect("what the second budget has counted", countersOf(sights[1]), {
        used: [20, 1],
        reserved: [20, 1],
        open: 1
      })
    })
  },
  {
    name: "a refused reservation takes nothing, whichever limit is in its way",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const one = stage.member("one")
      for (const [place, full] of [
        [100, 0, 0],
        [0, 100, 0],
        [0, 0, 2]
      ].entries()) {
        const [run, key] = [budget(`run ${place}`, cap), budget(`key ${place}`, window, Limit.concurrency(2))]
        const both = route(run, key)
        const { sights: before } = yield* one.ask(assert(both, full), look(run), look(key))
        const { index } = yield* one.refused(reserve(both, [50, 50, 1]))
        yield* stage.expect("the limit that is in its way", index, place)
        const { sights: after } = yield* one.ask(look(run), look(key))
        yield* stage.expect("what is counted after it", after, before)
      }
    })
  },
  {
    name: "a batch is done at one instant, one operation after the other",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const key = budget("key", window)
      const alone = route(key)
      const { sights, verdicts } = yield* stage
        .member("one")
        .ask(
          reserve(alone, [60]),
          reserve(alone, [60]),
          look(key),
          charge(alone, [30]),
          reserve(alone, [11]),
          reserve(alone, [10])
        )
      const refusals = verdicts.map((verdict) => [
        verdict?.index,
        verdict?.readyInMillis,
        verdict?.used,
        verdict?.reserved
      ])
      const admitted = [undefined, undefined, undefined, undefined]
      yield* stage.expect("index, readyInMillis, used and reserved of each verdict", refusals, [
        admitted,
        [0, HOUR_MILLIS, 60, 60],
        [0, HOUR_MILLIS, 90, 60],
        admitted
      ])
      yield* stage.expect("what is counted before the charge", sights[0]?.used, [60])
    })
  },
  {
    name: "answers of each kind come in the order of their questions",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const [run, key] = [budget("run", cap), budget("key", window)]
      const { sights, tightened, verdicts } = yield* stage
        .member("one")
        .ask(
          look(run),
          reserve(route(run), [40]),
          tighten(key, [0], 30),
          look(key),
          reserve(route(run), [61]),
          tighten(key, [0], 10),
          look(run),
          reserve(route(run), [60])
        )
      const wasRefused = verdicts.map((verdict) => verdict !== undefined)
      yield* stage.expect("which reservations are refused", wasRefused, [false, true, false])
      const used = sights.map((sight) => sight.used)
      yield* stage.expect("what is counted", used, [[0], [70], [40]])
      yield* stage.expect("by how much is tightened", tightened, [[70], [20]])
    })
  },
  {
    name: "of all that is in its way, a refusal names what lets it in last",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const run = budget("run", Limit.slidingWindow("tokens", 100, HOUR_MILLIS, { name: "an hour" }))
      const key = budget(
        "key",
        Limit.slidingWindow("tokens", 100, 2 * HOUR_MILLIS, { name: "two hours" }),
        Limit.concurrency(1),
        cap
      )
      const both = route(run, key)
      const { verdicts } = yield* stage
        .member("one")
        .ask(
          charge(both, [100, 100, 0, 0]),
          reserve(both, [1, 1, 0, 0]),
          pause(run, 3 * HOUR_MILLIS),
          reserve(both, [1, 1, 0, 0]),
          pause(key, 4 * HOUR_MILLIS),
          reserve(both, [1, 1, 0, 0]),
          assert(both, [0, 0, 1, 0]),
          reserve(both, [1, 1, 1, 0]),
          reserve(both, [1, 1, 1, 101])
        )
      const named = verdicts.map((verdict) => ({ index: verdict?.index, readyInMillis: verdict?.readyInMillis }))
      yield* stage.expect("what is in its way", named, [
        { index: 1, readyInMillis: 2 * HOUR_MILLIS },
        { index: -1, readyInMillis: 3 * HOUR_MILLIS },
        { index: -2, readyInMillis: 4 * HOUR_MILLIS },
        { index: 2, readyInMillis: AFTER_SETTLEMENT },
        { index: 3, readyInMillis: NEVER }
      ])
    })
  },
  {
    name: "of all who ask at the same time, no more are admitted than fit",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const key = budget("key", cap)
      const verdicts = yield* Effect.forEach(
        Array.from({ length: 20 }, (_, number) => stage.member(`member ${number}`)),
        (member) => Effect.map(member.reserve(reserve(route(key), [10])), ({ refused }) => refused),
        { concurrency: "unbounded" }
      )
      const admitted = verdicts.filter((verdict) => verdict === undefined).length
      yield* stage.expect("how many are admitted", admitted, 10)
      const { sights } = yield* stage.member("one").ask(look(key))
      yield* stage.expect("what is counted", countersOf(sights[0]), { used: [100], reserved: [100], open: 10 })
    })
  },
  {
    name: "no other batch is done in the middle of one",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const [one, other] = [stage.member("one"), stage.member("other")]
      for (let round = 0; round < 10; round++) {
        const [left, right] = [route(budget(`left ${round}`, cap)), route(budget(`right ${round}`, cap))]
        const answers = yield* Effect.all(
          [one.ask(reserve(left, [60]), reserve(right, [60])), other.ask(reserve(right, [60]), reserve(left, [60]))],
          { concurrency: "unbounded" }
        )
        const admitted = answers.map(({ verdicts }) => verdicts.filter((verdict) => verdict === undefined).length)
        yield* stage.expect("how many each gets, of two that are wanted by both", admitted.sort(), [0, 2])
      }
    })
  },
  {
    name: "the time of a group never runs backwards, whoever asks",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const members = [stage.member("one"), stage.member("other")]
      let latest = Number.NEGATIVE_INFINITY
      for (let round = 0; round < 10; round++) {
        for (const member of members) {
          const { now } = yield* member.ask()
          yield* stage.expect(`whether ${now} is before ${latest}`, now < latest, false)
          latest = now
        }
        yield* stage.pass(1)
      }
    })
  },
  {
    name: "the time of a group goes on",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const one = stage.member("one")
      const { now } = yield* one.ask()
      yield* one.until(now + 20)
    })
  }
]
