import type { Answer, Batch, Refused, Sight, Verdict } from "../../../StoreProtocol.ts"
import * as Usage from "../../../Usage.ts"
import { NEVER } from "../../limit/state.ts"

/** What the script has answered, or that it could not do the batch because it lacks the resets around its time. */
export const decode = (reply: string, batch: Batch): Answer | "Uncovered" => {
  const [tag, now, refusals, sights, tightened] = JSON.parse(reply) as Reply
  switch (tag) {
    case 0:
      return {
        _tag: "Applied",
        now: now!,
        verdicts: verdictsOf(batch, refusals!),
        sights: sightsOf(batch, sights!.values()),
        tightened: tightenedOf(batch, tightened!.values())
      }
    case 1:
      return { _tag: "Lapsed", now: now! }
    case 2:
      return { _tag: "Forgotten", now: now! }
    default:
      return "Uncovered"
  }
}

type Reply = readonly [
  tag: 0 | 1 | 2 | 3,
  now?: number,
  refusals?: ReadonlyArray<number>,
  sights?: ReadonlyArray<number>,
  tightened?: ReadonlyArray<number>
]

/** Whoever is not refused was admitted. */
const verdictsOf = ({ operations }: Batch, refusals: ReadonlyArray<number>): ReadonlyArray<Verdict> => {
  const verdicts: Array<Verdict> = []
  for (const { _tag } of operations) if (_tag === "Reserve") verdicts.push(undefined)
  for (let from = 0; from < refusals.length; from += REFUSAL_LENGTH) {
    verdicts[refusals[from]!] = refusedOf(refusals.slice(from + 1, from + REFUSAL_LENGTH))
  }
  return verdicts
}

const REFUSAL_LENGTH = 7

const refusedOf = ([index, ready, askAgain, used, reserved, ticket]: ReadonlyArray<number>): Refused => ({
  index: index!,
  readyInMillis: ready! < 0 ? NEVER : ready!,
  askAgainInMillis: askAgain!,
  used: used!,
  reserved: reserved!,
  ticket: ticket === 0 ? undefined : ticket
})

const sightsOf = ({ operations }: Batch, numbers: Iterator<number>): ReadonlyArray<Sight> => {
  const next = (): number => numbers.next().value
  const sights: Array<Sight> = []
  for (const operation of operations) {
    if (operation._tag !== "Look") continue
    const { limits } = operation.budget
    sights.push({
      used: limits.map(next),
      reserved: limits.map(next),
      open: next(),
      spent: spentOf(Usage.fields.map(next)),
      pausedMillis: next(),
      resumesInMillis: next()
    })
  }
  return sights
}

const spentOf = (amounts: ReadonlyArray<number>): Usage.Usage => {
  const spent: { -readonly [Field in keyof Usage.Usage]: number } = { ...Usage.zero }
  for (const [index, field] of Usage.fields.entries()) spent[field] = amounts[index]!
  return spent
}

const tightenedOf = ({ operations }: Batch, numbers: Iterator<number>): ReadonlyArray<ReadonlyArray<number>> => {
  const next = (): number => numbers.next().value
  return operations.flatMap((operation) => (operation._tag === "Tighten" ? [operation.indices.map(next)] : []))
}
