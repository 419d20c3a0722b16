import * as Effect from "effect/Effect"
import * as Limit from "../../Limit.ts"
import type { Answer } from "../../StoreProtocol.ts"
import { assert, budget, charge, countersOf, look, reserve, route, settle } from "./asking.ts"
import { type Case, type Stage } from "./stage.ts"

const key = budget("key", Limit.cap("tokens", 100))
const alone = route(key)

/** A batch that is sent again, because nobody knows whether it was done. */
export const repeats: ReadonlyArray<Case> = [
  {
    name: "a batch that is sent again is answered as the first time, and not done again",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const [one, other] = [stage.member("one"), stage.member("other")]
      const batch = one.batch([reserve(alone, [40]), charge(alone, [5]), look(key)])
      const first = yield* one.send(batch)
      yield* stage.expect("what is answered again at once", yield* one.send(batch), first)
      yield* other.ask(charge(alone, [50]))
      yield* stage.pass(5)
      yield* stage.expect("what is answered again after others have asked", yield* one.send(batch), first)
      const { sights } = yield* other.ask(look(key))
      yield* stage.expect("what is counted", countersOf(sights[0]), { used: [95], reserved: [40], open: 1 })
    })
  },
  {
    name: "copies of a batch that arrive at the same time are answered alike, and done once",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const one = stage.member("one")
      const batch = one.batch([reserve(alone, [10]), charge(alone, [1]), look(key)])
      const answers = yield* Effect.all(
        Array.from({ length: 5 }, () => one.send(batch)),
        { concurrency: "unbounded" }
      )
      for (const answer of answers) yield* stage.expect("an answer", answer, answers[0])
      const { sights } = yield* one.ask(look(key))
      yield* stage.expect("what is counted", countersOf(sights[0]), { used: [11], reserved: [10], open: 1 })
    })
  },
  {
    name: "a refusal is answered again, ticket included, though there is room by now",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const [one, other] = [stage.member("one"), stage.member("other")]
      const takenAt = yield* other.admitted(reserve(alone, [100]))
      const batch = one.batch([reserve(alone, [50], { waits: true })])
      const refusal = yield* one.send(batch)
      const { verdicts } = yield* one.applied(batch, refusal)
      yield* stage.expect("whether it has got a ticket", typeof verdicts[0]?.ticket, "number")
      yield* other.ask(settle(alone, takenAt, { estimates: [100], actuals: [10] }))
      yield* stage.expect("what is answered again", yield* one.send(batch), refusal)
      yield* one.admitted(reserve(alone, [50], { ticket: verdicts[0]?.ticket, waits: true }))
    })
  },
  {
    name: "batches of a member are done in whatever order they arrive",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const one = stage.member("one")
      const batches = [1, 10, 20].map((amount) => one.batch([charge(alone, [amount]), look(key)]))
      const used: Array<ReadonlyArray<number> | undefined> = []
      for (const index of [2, 0, 1]) {
        const { sights } = yield* one.applied(batches[index]!, yield* one.send(batches[index]!))
        used.push(sights[0]?.used)
      }
      yield* stage.expect("what is counted after each", used, [[20], [21], [31]])
      for (const batch of batches) yield* one.applied(batch, yield* one.send(batch))
      const { sights } = yield* one.ask(look(key))
      yield* stage.expect("what is counted when all were sent again", sights[0]?.used, [31])
    })
  },
  {
    name: "an answer that is still missing is kept, whatever others the member has",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const one = stage.member("one")
      const batches = [1, 2, 4].map((amount) => one.batch([charge(alone, [amount]), look(key)]))
      const answers: Array<Answer> = []
      for (const batch of batches) answers.push(yield* one.send(batch))
      const told = one.batch([look(key)], { answered: 1 })
      yield* one.applied(told, yield* one.send(told))
      for (const index of [1, 2]) {
        yield* stage.expect("what is answered again", yield* one.send(batches[index]!), answers[index])
      }
    })
  },
  {
    name: "a batch whose answer the member has is not done again",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const [one, other] = [stage.member("one"), stage.member("other")]
      const batch = one.batch([charge(alone, [10])])
      yield* one.send(batch)
      const next = one.batch([charge(alone, [5])], { answered: batch.sequence })
      yield* one.send(next)
      const { _tag } = yield* one.send(batch)
      yield* stage.expect("the answer to a batch that was answered for good", _tag, "Forgotten")
      const { sights } = yield* other.ask(look(key))
      yield* stage.expect("what is counted", sights[0]?.used, [15])
    })
  },
  {
    name: "whoever has answers of a store that does not know it is told so, and nothing is done",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const [one, other] = [stage.member("one"), stage.member("other")]
      const { _tag } = yield* one.send(one.batch([charge(alone, [10])], { sequence: 4, answered: 3 }))
      yield* stage.expect("the answer", _tag, "Forgotten")
      const { sights } = yield* other.ask(look(key))
      yield* stage.expect("what is counted", sights[0]?.used, [0])
    })
  },
  {
    name: "whoever has later answers than a store has given is told so, and nothing is done",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const [one, other] = [stage.member("one"), stage.member("other")]
      yield* one.ask(charge(alone, [10]))
      const { _tag } = yield* one.send(one.batch([charge(alone, [10])], { sequence: 7, answered: 5 }))
      yield* stage.expect("the answer", _tag, "Forgotten")
      const { sights } = yield* other.ask(look(key))
      yield* stage.expect("what is counted", sights[0]?.used, [10])
    })
  },
  {
    name: "whoever has later answers than a store has given holds nothing there any more",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const [one, again, other] = [stage.member("one"), stage.member("again"), stage.member("other")]
      yield* one.admitted(reserve(alone, [40]))
      yield* one.send(one.batch([], { sequence: 7, answered: 5 }))
      yield* again.ask(assert(alone, [40]))
      const { sights } = yield* other.ask(look(key))
      yield* stage.expect("what is counted", countersOf(sights[0]), { used: [40], reserved: [40], open: 1 })
      const { _tag } = yield* one.send(one.batch([charge(alone, [10])], { sequence: 8, answered: 5 }))
      yield* stage.expect("the answer from then on", _tag, "Forgotten")
    })
  },
  {
    name: "a member without answers is welcome, whatever its sequence",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const one = stage.member("one")
      const batch = one.batch([charge(alone, [10]), look(key)], { sequence: 5, answered: 0 })
      const { sights } = yield* one.applied(batch, yield* one.send(batch))
      yield* stage.expect("what is counted", sights[0]?.used, [10])
    })
  }
]
