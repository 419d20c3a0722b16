/** What a process says to a store and what it is answered, with the place of each batch among all of its group. */
import * as Effect from "effect/Effect"
import * as Redis from "effect/persistence/Redis"
import * as Queue from "effect/Queue"
import type { Answer, Batch, Operation, Store } from "effect-budget/StoreProtocol"

/** A batch that was answered. */
export interface BatchRecord {
  /** Batches of a group are numbered in the order in which the server has run them. */
  readonly place: number
  readonly member: string
  readonly sequence: number
  readonly now: number
  readonly tag: Answer["_tag"]
  readonly operations: ReadonlyArray<OperationRecord>
}

export type OperationRecord =
  | {
      readonly tag: "Admitted"
      /** The keys of the budgets. */
      readonly route: ReadonlyArray<string>
      readonly amounts: ReadonlyArray<number>
    }
  | {
      readonly tag: "Refused"
      readonly route: ReadonlyArray<string>
      readonly amounts: ReadonlyArray<number>
      /** The limit, and what counts against it as the store says. */
      readonly index: number
      readonly used: number
      readonly reserved: number
    }
  | {
      readonly tag: "Settled"
      readonly route: ReadonlyArray<string>
      readonly takenAt: number
      readonly count: number
      readonly estimates: ReadonlyArray<number>
      readonly actuals: ReadonlyArray<number>
      readonly refunds: ReadonlyArray<number>
      readonly tokens: number
      readonly requests: number
    }
  | { readonly tag: "Other"; readonly what: Operation["_tag"] }

/** Numbers the runs of scripts, group by group, and tells the number of each batch. */
export const numbering = (
  redis: Redis.Redis["Service"],
  onNumbered: (batch: string, place: number) => void
): Effect.Effect<Redis.Redis["Service"], never, Effect.Services<ReturnType<typeof Redis.make>>> => {
  const send: Redis.Redis["Service"]["send"] = <A>(name: string, ...args: ReadonlyArray<string>) => {
    const [first, second] = args
    if (name === "SCRIPT" && first === "LOAD") return redis.send<A>(name, first, numbered(second!))
    const answer = redis.send<A>(name, ...args)
    if (name !== "EVALSHA") return answer
    return Effect.tap(answer, (reply) =>
      Effect.sync(() => {
        if (Array.isArray(reply)) onNumbered(args[3]!, Number(reply[2]))
      })
    )
  }
  return Redis.make({
    send,
    connect: Effect.die("nobody needs a connection of its own"),
    subscribe: (channel, onMessage) =>
      Effect.map(redis.subscribe(channel), (messages) =>
        Effect.forever(Effect.map(Queue.take(messages), (message) => onMessage(message)))
      )
  })
}

/** A script that also counts how often it has run. */
const numbered = (lua: string): string =>
  `local reply = (function() ${lua}
end)()
reply[3] = redis.call('INCR', KEYS[1] .. ':runs')
return reply`

/** A store that notes what is said to it. */
export const recording = (
  store: Store,
  placeOf: (batch: Batch) => number,
  note: (record: BatchRecord) => void
): Store => ({
  ...store,
  apply: (batch) =>
    Effect.tap(store.apply(batch), (answer) =>
      Effect.sync(() =>
        note({
          place: placeOf(batch),
          member: batch.member,
          sequence: batch.sequence,
          now: answer.now,
          tag: answer._tag,
          operations: answer._tag === "Applied" ? recordsOf(batch, answer) : []
        })
      )
    )
})

const recordsOf = (
  { operations }: Batch,
  { verdicts }: Extract<Answer, { _tag: "Applied" }>
): ReadonlyArray<OperationRecord> => {
  let reserves = 0
  return operations.map((operation): OperationRecord => {
    if (operation._tag !== "Reserve" && operation._tag !== "Settle") return { tag: "Other", what: operation._tag }
    const route = operation.route.budgets.map(({ key }) => key)
    if (operation._tag === "Settle") {
      const { actuals, count, estimates, refunds, takenAt, usage } = operation
      const { inputTokens: tokens, requests } = usage
      return { tag: "Settled", route, takenAt, count, estimates, actuals, refunds, tokens, requests }
    }
    const { amounts } = operation
    const verdict = verdicts[reserves++]
    if (verdict === undefined) return { tag: "Admitted", route, amounts }
    const { index, reserved, used } = verdict
    return { tag: "Refused", route, amounts, index, reserved, used }
  })
}
