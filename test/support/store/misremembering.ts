/** Stores that remember something wrong of batches, members, or time. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { AFTER_SETTLEMENT, type Answer, type Batch, type Reserve, type Verdict } from "../../../src/StoreProtocol.ts"
import { type Applied, type Break, hearingOperation } from "./breaking.ts"

/** What it remembers of a batch. */
const memberOf = ({ group, member }: Batch): string => `${group} ${member}`

const reservesOf = ({ operations }: Batch): ReadonlyArray<Reserve> =>
  operations.filter((operation): operation is Reserve => operation._tag === "Reserve")

const identityOf = (batch: Batch): string => `${memberOf(batch)} ${batch.sequence}`

/** Sends batches under sequences of its own, as if each were a new one. */
export const anew: Break = (store) => {
  const sequences = new Map<string, number>()
  return {
    ...store,
    apply: (batch) => {
      const answered = sequences.get(memberOf(batch)) ?? 0
      sequences.set(memberOf(batch), answered + 1)
      return store.apply({ ...batch, sequence: answered + 1, answered })
    }
  }
}

/** Does the operations of a batch one after the other, and others' between them. */
export const inPieces: Break = (store) => {
  const each = anew(store)
  return {
    ...store,
    apply: (batch) =>
      Effect.gen(function* () {
        let whole: Applied = { _tag: "Applied", now: 0, verdicts: [], sights: [], tightened: [] }
        const pieces = batch.operations.length === 0 ? [[]] : batch.operations.map((operation) => [operation])
        for (const operations of pieces) {
          const answer = yield* each.apply({ ...batch, operations })
          if (answer._tag !== "Applied") return answer
          whole = {
            _tag: "Applied",
            now: answer.now,
            verdicts: [...whole.verdicts, ...answer.verdicts],
            sights: [...whole.sights, ...answer.sights],
            tightened: [...whole.tightened, ...answer.tightened]
          }
          yield* Effect.yieldNow
        }
        return whole
      })
  }
}

/** Takes of a refused reservation what comes before the limit that refuses it. */
export const byHalves: Break = (store) => ({
  ...store,
  apply: (batch) =>
    Effect.tap(store.apply(batch), (answer) => {
      if (answer._tag !== "Applied") return Effect.void
      const halves = reservesOf(batch).flatMap((operation, index) => {
        const place = answer.verdicts[index]?.index ?? 0
        if (place <= 0) return []
        return [{ ...operation, amounts: operation.amounts.map((amount, at) => (at < place ? amount : 0)) }]
      })
      const { group, lapse, leaseMillis } = batch
      const member = `half of ${identityOf(batch)}`
      return store.apply({ group, lapse, leaseMillis, member, sequence: 1, answered: 0, operations: halves })
    })
})

/** Remembers of a group the last answer only. */
export const forgetsAnswersOfOthers: Break = (store) => {
  const latest = new Map<string, string>()
  const again = anew(store)
  return {
    ...store,
    apply: (batch) => {
      const isLatest = latest.get(batch.group) === identityOf(batch)
      latest.set(batch.group, identityOf(batch))
      const isKnown = batch.sequence > 1
      return isLatest || isKnown ? store.apply(batch) : again.apply(batch)
    }
  }
}

/** Answers again as of the time at which it is asked again. */
export const answersAgainAsOfNow: Break = (store) => {
  const seen = new Set<string>()
  let clock = 0
  return {
    ...store,
    apply: (batch) => {
      const isAgain = seen.has(identityOf(batch))
      seen.add(identityOf(batch))
      return Effect.map(store.apply(batch), (answer) => (isAgain ? { ...answer, now: answer.now + ++clock } : answer))
    }
  }
}

/** Is told each sequence only once it knows all before. */
export const inOrderOnly: Break = (store) => {
  const latest = new Map<string, number>()
  return {
    ...store,
    apply: (batch) => {
      const before = latest.get(memberOf(batch)) ?? 0
      latest.set(memberOf(batch), Math.max(before, batch.sequence))
      const answer = store.apply(batch)
      return batch.sequence < before ? Effect.succeed({ _tag: "Forgotten", now: 0 }) : answer
    }
  }
}

/** Ends leases when the first batch of a member has said so, whatever the others say. */
export const neverRenews: Break = (store) => {
  const ends = new Map<string, number>()
  return {
    ...store,
    apply: (batch) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const end = ends.get(memberOf(batch)) ?? now + batch.leaseMillis
        ends.set(memberOf(batch), end)
        return store.apply({ ...batch, leaseMillis: Math.max(1, end - now) })
      })
  }
}

/** Lets members go on whose leases are over, as if nothing had happened. */
export const goesOnAfterLapse: Break = (store) => ({
  ...store,
  apply: (batch) =>
    Effect.flatMap(store.apply(batch), (answer) =>
      answer._tag === "Lapsed"
        ? store.apply({ ...batch, member: `${batch.member} again`, answered: 0 })
        : Effect.succeed(answer)
    )
})

/** Lets nobody pass who comes while somebody waits. */
export const strictlyInTurn: Break = (store) => {
  const waiting = new Set<string>()
  return {
    ...store,
    apply: (batch) =>
      Effect.map(store.apply(batch), (answer): Answer => {
        if (answer._tag !== "Applied") return answer
        const verdicts = answer.verdicts.map((verdict): Verdict => {
          if (verdict?.ticket !== undefined) waiting.add(batch.group)
          return verdict === undefined && waiting.has(batch.group)
            ? {
                index: 0,
                readyInMillis: AFTER_SETTLEMENT,
                askAgainInMillis: 1_000,
                used: 0,
                reserved: 0,
                ticket: undefined
              }
            : verdict
        })
        return { ...answer, verdicts }
      })
  }
}

/** Gives tickets, and forgets who waits. */
export const forgetsWhoWaits: Break = (store) => {
  let tickets = 0
  const impatient = hearingOperation((operation) =>
    operation._tag === "Reserve" ? { ...operation, waits: false, ticket: undefined } : operation
  )(store)
  return {
    ...store,
    apply: (batch) => {
      const reserves = reservesOf(batch)
      return Effect.map(impatient.apply(batch), (answer) =>
        answer._tag !== "Applied"
          ? answer
          : {
              ...answer,
              verdicts: answer.verdicts.map((verdict, index) => {
                const { ticket, waits } = reserves[index]!
                return verdict === undefined || !waits ? verdict : { ...verdict, ticket: ticket ?? ++tickets }
              })
            }
      )
    }
  }
}

/** Gives the first of each member the same ticket. */
export const countsTicketsPerMember: Break = (store) => {
  const tickets = new Map<string, number>()
  const own = new Map<string, number>()
  return {
    ...store,
    apply: (batch) =>
      Effect.map(store.apply(batch), (answer) =>
        answer._tag !== "Applied"
          ? answer
          : {
              ...answer,
              verdicts: answer.verdicts.map((verdict) => {
                if (verdict?.ticket === undefined) return verdict
                const id = `${memberOf(batch)} ${verdict.ticket}`
                const next = own.get(id) ?? (tickets.get(memberOf(batch)) ?? 0) + 1
                tickets.set(memberOf(batch), Math.max(next, tickets.get(memberOf(batch)) ?? 0))
                own.set(id, next)
                return { ...verdict, ticket: next }
              })
            }
      )
  }
}

/** Goes on by jumps: every other answer is of a moment ago. */
export const backwards: Break = (store) => {
  let asked = 0
  return {
    ...store,
    apply: (batch) =>
      Effect.map(store.apply(batch), (answer) => ({ ...answer, now: answer.now - (++asked % 2 === 0 ? 50 : 0) }))
  }
}

export const standsStill: Break = (store) => {
  let first: number | undefined
  return {
    ...store,
    apply: (batch) => Effect.map(store.apply(batch), (answer) => ({ ...answer, now: (first ??= answer.now) }))
  }
}

/** Takes every batch of who has answers for a new one. */
export const doesAgainWhatWasAcknowledged: Break = (store) => {
  const done = anew(store)
  return { ...store, apply: (batch) => (batch.answered > 0 ? done.apply(batch) : store.apply(batch)) }
}

/** Takes a member for a new one only if it begins with its first batch. */
export const expectsTheFirst: Break = (store) => {
  const known = new Set<string>()
  return {
    ...store,
    apply: (batch) => {
      const isKnown = known.has(memberOf(batch)) || batch.sequence === 1
      known.add(memberOf(batch))
      return isKnown ? store.apply(batch) : Effect.succeed({ _tag: "Forgotten", now: 0 })
    }
  }
}

/** Finds that it has lost data, and leaves it at that. */
export const keepsWhatWasLost: Break = (store) => {
  const latest = new Map<string, number>()
  return {
    ...store,
    apply: (batch) => {
      const before = latest.get(memberOf(batch)) ?? 0
      if (batch.answered > before && before > 0) return Effect.succeed({ _tag: "Forgotten", now: 0 })
      latest.set(memberOf(batch), Math.max(before, batch.sequence))
      return store.apply(batch)
    }
  }
}

/** Does not know any more that the lease of a member was over. */
export const forgetsLapsed: Break = (store) => ({
  ...store,
  apply: (batch) =>
    Effect.map(store.apply(batch), (answer) => (answer._tag === "Lapsed" ? { ...answer, _tag: "Forgotten" } : answer))
})

/** Wakes members of all groups. */
export const wakesAllGroups: Break = (store) => {
  const listeners = new Set<(member: string) => void>()
  return {
    ...store,
    listen: (group, onWake) =>
      Effect.andThen(
        Effect.sync(() => void listeners.add(onWake)),
        store.listen(group, (member) => {
          for (const listener of listeners) listener(member)
        })
      )
  }
}

/** Wakes somebody before there is anything to say. */
export const wakesAtOnce: Break = (store) => ({
  ...store,
  listen: (group, onWake) =>
    Effect.andThen(
      store.listen(group, onWake),
      Effect.sync(() => onWake("first"))
    )
})

/** Wakes each member once, whatever comes of it. */
export const wakesOnce: Break = (store) => {
  const told = new Set<string>()
  return {
    ...store,
    listen: (group, onWake) =>
      store.listen(group, (member) => {
        if (!told.has(member)) onWake(member)
        told.add(member)
      })
  }
}
