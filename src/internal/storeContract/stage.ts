import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Answer, Batch, Lapse, Operation, Refused, Reserve, Store, StoreError } from "../../StoreProtocol.ts"
import { ContractViolation } from "./violation.ts"

/** A sentence of the contract. */
export interface Case {
  readonly name: string
  readonly act: (stage: Stage) => Effect.Effect<void, Failure, Scope.Scope>
}

export type Failure = ContractViolation | StoreError

export type Applied = Extract<Answer, { readonly _tag: "Applied" }>

/** Time that does not pass while a case is acted. */
export const HOUR_MILLIS = 3_600_000

/**
 * Where a case is acted: in a group of its own, as it may be one of many on a server.
 *
 * The clock is the store's. On a server it goes on by itself between two batches, by however much; so a case may say
 * when something happens only in terms of the instants that the store has answered.
 */
export class Stage {
  readonly group = `contract ${globalThis.crypto.randomUUID()}`
  readonly #case: string
  readonly #store: Store
  readonly #pass: (millis: number) => Effect.Effect<void>
  #passedMillis = 0

  constructor(name: string, store: Store, pass: (millis: number) => Effect.Effect<void>) {
    this.#case = name
    this.#store = store
    this.#pass = pass
  }

  member(name: string, options: Partial<MemberOptions> = {}): Member {
    return new Member(this, name, { leaseMillis: HOUR_MILLIS, lapse: "charge", group: this.group, ...options })
  }

  apply(batch: Batch): Effect.Effect<Answer, StoreError> {
    return this.#store.apply(batch)
  }

  /** Who is woken from now on, in order. */
  listen(group = this.group): Effect.Effect<Array<string>, StoreError, Scope.Scope> {
    const woken: Array<string> = []
    return Effect.as(
      this.#store.listen(group, (member) => void woken.push(member)),
      woken
    )
  }

  /** Waits until somebody is woken. */
  wakes(woken: ReadonlyArray<string>): Effect.Effect<void, Failure> {
    return Effect.gen({ self: this }, function* () {
      const giveUpAt = this.#passedMillis + WAKE_MILLIS_MAX
      while (woken.length === 0) {
        if (this.#passedMillis > giveUpAt) yield* this.fail("who is woken within seconds", "nobody", "somebody")
        yield* this.pass(5)
      }
    })
  }

  /** Lets time pass. A store whose clock stands still keeps a case waiting, but not for ever. */
  pass(millis: number): Effect.Effect<void, Failure> {
    return Effect.suspend(() => {
      this.#passedMillis += millis
      return this.#passedMillis > PASSED_MILLIS_MAX
        ? this.fail("what has happened in the end", "nothing for a minute", "something")
        : this.#pass(millis)
    })
  }

  expect(subject: string, actual: unknown, expected: unknown): Effect.Effect<void, ContractViolation> {
    return isSame(actual, expected) ? Effect.void : this.fail(subject, actual, expected)
  }

  fail(subject: string, actual: unknown, expected: unknown): Effect.Effect<never, ContractViolation> {
    return Effect.fail(new ContractViolation({ case: this.#case, subject, expected, actual }))
  }
}

const WAKE_MILLIS_MAX = 5_000
const PASSED_MILLIS_MAX = 60_000

export interface MemberOptions {
  readonly group: string
  readonly leaseMillis: number
  readonly lapse: Lapse
}

/** One process that uses the store. */
export class Member {
  readonly name: string
  readonly #stage: Stage
  readonly #options: MemberOptions
  #sequence = 0
  #answered = 0

  constructor(stage: Stage, name: string, options: MemberOptions) {
    this.#stage = stage
    this.name = name
    this.#options = options
  }

  /** The next batch. */
  batch(operations: ReadonlyArray<Operation>, options: Partial<Batch> = {}): Batch {
    const answered = this.#answered
    return { ...this.#options, member: this.name, sequence: ++this.#sequence, answered, operations, ...options }
  }

  /** Sends a batch. The member does not tell that it has the answer, until it asks the next time. */
  send(batch: Batch): Effect.Effect<Answer, StoreError> {
    return this.#stage.apply(batch)
  }

  /** Sends a batch of operations, which is done, and remembers that it has the answer. */
  ask(...operations: ReadonlyArray<Operation>): Effect.Effect<Applied, Failure> {
    const batch = this.batch(operations)
    return this.send(batch).pipe(
      Effect.flatMap((answer) => this.applied(batch, answer)),
      Effect.tap(() => Effect.sync(() => void (this.#answered = batch.sequence)))
    )
  }

  /** Asks for one reservation, and says what keeps it out, and when. */
  reserve(operation: Reserve): Effect.Effect<{ readonly now: number; readonly refused: Refused | undefined }, Failure> {
    return Effect.map(this.ask(operation), ({ now, verdicts: [refused] }) => ({ now, refused }))
  }

  /** Asks for one reservation that has to be refused. */
  refused(operation: Reserve): Effect.Effect<Refused & { readonly now: number }, Failure> {
    return Effect.flatMap(this.reserve(operation), ({ now, refused }) =>
      refused === undefined
        ? this.#stage.fail("a reservation", "admitted", "refused")
        : Effect.succeed({ ...refused, now })
    )
  }

  /** Asks for one reservation that has to be admitted, and says when it was taken. */
  admitted(operation: Reserve): Effect.Effect<number, Failure> {
    return Effect.flatMap(this.reserve(operation), ({ now, refused }) =>
      Effect.as(this.#stage.expect("what keeps a reservation out", refused, undefined), now)
    )
  }

  /** Asks again and again, and is admitted at an instant, not a millisecond before. Says when it was. */
  admittedAt(at: number, operation: Reserve, everyMillis = Number.POSITIVE_INFINITY): Effect.Effect<number, Failure> {
    const stage = this.#stage
    return Effect.gen({ self: this }, function* () {
      while (true) {
        const { now, refused } = yield* this.reserve(operation)
        yield* stage.expect(`whether it is admitted ${at - now} ms before its time`, refused === undefined, now >= at)
        if (refused === undefined) return now
        yield* stage.expect("readyInMillis", refused.readyInMillis, at - now)
        yield* stage.pass(Math.max(1, Math.min(at - now - 1, everyMillis)))
      }
    })
  }

  /** Waits until the store's clock shows an instant. Says what it shows then. */
  until(at: number): Effect.Effect<number, Failure> {
    return Effect.gen({ self: this }, function* () {
      while (true) {
        const { now } = yield* this.ask()
        if (now >= at) return now
        yield* this.#stage.pass(Math.max(1, at - now))
      }
    })
  }

  /** That a batch was done, and that its answer is one. */
  applied(batch: Batch, answer: Answer): Effect.Effect<Applied, ContractViolation> {
    const stage = this.#stage
    const count = (tag: Operation["_tag"]) => batch.operations.filter(({ _tag }) => _tag === tag).length
    return Effect.gen(function* () {
      if (answer._tag !== "Applied") return yield* stage.fail("the answer", answer._tag, "Applied")
      const { now, sights, tightened, verdicts } = answer
      yield* stage.expect(`whether now, ${now}, is a whole number`, Number.isSafeInteger(now), true)
      yield* stage.expect("how many verdicts there are", verdicts.length, count("Reserve"))
      yield* stage.expect("how many sights there are", sights.length, count("Look"))
      yield* stage.expect("of how many operations it is told what was tightened", tightened.length, count("Tighten"))
      for (const verdict of verdicts) {
        if (verdict === undefined) continue
        const { askAgainInMillis } = verdict
        const isTime = Number.isSafeInteger(askAgainInMillis) && askAgainInMillis > 0
        yield* stage.expect(`whether askAgainInMillis, ${askAgainInMillis}, is a time to come`, isTime, true)
      }
      return answer
    })
  }
}

/** Whether two answers say the same. A field without a value says as much as one that is not there. */
export const isSame = (a: unknown, b: unknown): boolean => {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b
  const [x, y] = [new Map(Object.entries(a)), new Map(Object.entries(b))]
  return (
    Array.isArray(a) === Array.isArray(b) && [...x.keys(), ...y.keys()].every((key) => isSame(x.get(key), y.get(key)))
  )
}
