import * as Effect from "effect/Effect"
import * as Redis from "effect/persistence/Redis"
import type { InspectedBudget, InspectedLimit, InspectedMember, Inspection } from "../../../RedisBudgetStore.ts"
import { StoreError } from "../../../StoreProtocol.ts"
import { baseOf } from "./keys.ts"

/** Reads what a group has counted, as it was when each budget was last used. */
export const inspectGroup = Effect.fnUntraced(function* (
  prefix: string,
  group: string
): Effect.fn.Return<Inspection, StoreError, Redis.Redis> {
  const redis = yield* Redis.Redis
  const reply = yield* Effect.mapError(
    redis.eval(inspectScript)(`${baseOf(prefix, group)}group`),
    ({ cause }) => new StoreError({ cause })
  )
  return yield* Effect.try({ try: () => inspectionOf(reply), catch: (cause) => new StoreError({ cause }) })
})

/** The hash of a budget or a member as Redis tells it: fields and values, one after the other. */
type Fields = ReadonlyArray<string>

type Reply = readonly [
  budgets: ReadonlyArray<readonly [key: string, fields: Fields]>,
  members: ReadonlyArray<readonly [name: string, fields: Fields]>
]

// Few enough of both that nobody else waits for it: some milliseconds.
const SHOWN_MAX = 256

const inspectScript = Redis.script((group: string) => [group], {
  numberOfKeys: 1,
  lua: `
local base = string.sub(KEYS[1], 1, -#'group' - 1)
local function read(kind, names)
  local read = {}
  for index, name in ipairs(names) do read[index] = { name, redis.call('HGETALL', base .. kind .. name) } end
  return read
end
return {
  read('budget:', redis.call('ZREVRANGE', base .. 'budgets', '0', '${SHOWN_MAX - 1}')),
  read('member:', redis.call('ZRANGE', base .. 'members', '0', '${SHOWN_MAX - 1}'))
}
`
}).withReturnType<Reply>()

const inspectionOf = ([budgets, members]: Reply): Inspection => ({
  budgets: budgets.flatMap(([key, fields]) => budgetOf(key, recordOf(fields))),
  members: members.flatMap(([name, fields]) => memberOf(name, recordOf(fields)))
})

const recordOf = (fields: Fields): ReadonlyMap<string, string> => {
  const record = new Map<string, string>()
  for (let index = 0; index < fields.length; index += 2) record.set(fields[index]!, fields[index + 1]!)
  return record
}

/** Nothing, if it has expired. */
const budgetOf = (key: string, fields: ReadonlyMap<string, string>): ReadonlyArray<InspectedBudget> => {
  const limits = fields.get("limits")
  if (limits === undefined) return []
  const pause = fields.get("pause")
  const descriptions: ReadonlyArray<readonly [name: string, kind: InspectedLimit["kind"], meter: string, max: number]> =
    JSON.parse(limits)
  return [
    {
      key,
      limits: descriptions.map(([name, kind, meter, max]) => ({
        name,
        kind,
        meter,
        max,
        counters: JSON.parse(fields.get(`limit/${name}`) ?? "{}"),
        waiting: waitingOf(fields.get(`waiting/${name}`) ?? "[]")
      })),
      open: Number(fields.get("open") ?? 0),
      spent: JSON.parse(fields.get("spent") ?? "{}"),
      pausedUntil: pause === undefined ? undefined : (JSON.parse(pause) as { readonly endsAt: number }).endsAt,
      expiresAt: Number(fields.get("expiresAt"))
    }
  ]
}

const waitingOf = (text: string): InspectedLimit["waiting"] => {
  const heads: ReadonlyArray<readonly [member: string, ticket: number, amount: number, asksAt: number]> =
    JSON.parse(text)
  return heads.map(([member, ticket, amount, asksAt]) => ({ member, ticket, amount, asksAt }))
}

const memberOf = (name: string, fields: ReadonlyMap<string, string>): ReadonlyArray<InspectedMember> => {
  const leaseEnd = fields.get("leaseEnd")
  if (leaseEnd === undefined) return []
  const held = [...fields].flatMap(([field, text]) => {
    if (!field.startsWith(HELD)) return []
    const [open, amounts] = JSON.parse(text) as readonly [number, Record<string, readonly [number, number]>]
    const byLimit = Object.entries(amounts).map(([limit, [, amount]]) => [limit, amount] as const)
    return [{ budget: field.slice(HELD.length), open, amounts: Object.fromEntries(byLimit) }]
  })
  return [{ name, leaseEnd: Number(leaseEnd), held: held.filter(({ open }) => open > 0) }]
}

const HELD = "held/"
