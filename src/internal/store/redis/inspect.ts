import * as Effect from "effect/Effect"
import * as Redis from "effect/persistence/Redis"
import type { InspectedBudget, InspectedLimit, InspectedMember, Inspection } from "../../../RedisBudgetStore.ts"
import { StoreError } from "../../../StoreProtocol.ts"
import { baseOf } from "./keys.ts"

/** Reads what a group has counted, and what of it counts now. It writes nothing. */
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
  now: string,
  budgets: ReadonlyArray<readonly [key: string, fields: Fields, expired: Fields]>,
  members: ReadonlyArray<readonly [name: string, fields: Fields]>
]

// Few enough of both that nobody else waits for it: some milliseconds.
const SHOWN_MAX = 256

const inspectScript = Redis.script((group: string) => [group], {
  numberOfKeys: 1,
  lua: `
local RECORD, PAGE = 32, 64
local base = string.sub(KEYS[1], 1, -#'group' - 1)
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
now = math.max(now, tonumber(redis.call('HGET', KEYS[1], 'now') or 0))

local function recordOf(fields)
  local record = {}
  for index = 1, #fields, 2 do record[fields[index]] = fields[index + 1] end
  return record
end

-- How much of what a sliding window has counted has left it since it was last used.
local function expiredOf(key, name, state, period)
  if state.last < state.first or state.oldest > now - period then return 0 end
  if state.newest <= now - period then return state.counted end
  local escaped = string.gsub(key, '[%%:]', { ['%'] = '%25', [':'] = '%3A' })
  local log, sum, page = base .. 'window:' .. escaped .. ':' .. name, 0, nil
  for index = state.first, state.last - 1 do
    local place = (index - state.first) % PAGE * RECORD
    if place == 0 then
      page = redis.call('GETRANGE', log, string.format('%.0f', index * RECORD), string.format('%.0f', (index + PAGE) * RECORD - 1))
    end
    local instant = tonumber(string.sub(page, place + 1, place + RECORD / 2))
    if not instant or instant > now - period then break end
    sum = sum + tonumber(string.sub(page, place + RECORD / 2 + 1, place + RECORD))
  end
  return sum
end

local function expiredIn(key, fields)
  local stored, expired = recordOf(fields), {}
  for _, limit in ipairs(cjson.decode(stored.limits or '[]')) do
    local text = limit[2] == 'SlidingWindow' and stored['limit/' .. limit[1]]
    if text then
      expired[#expired + 1] = limit[1]
      expired[#expired + 1] = string.format('%.0f', expiredOf(key, limit[1], cjson.decode(text), limit[6]))
    end
  end
  return expired
end

local budgets, members = {}, {}
for index, key in ipairs(redis.call('ZREVRANGE', base .. 'budgets', '0', '${SHOWN_MAX - 1}')) do
  local fields = redis.call('HGETALL', base .. 'budget:' .. key)
  budgets[index] = { key, fields, expiredIn(key, fields) }
end
for index, name in ipairs(redis.call('ZRANGE', base .. 'members', '0', '${SHOWN_MAX - 1}')) do
  members[index] = { name, redis.call('HGETALL', base .. 'member:' .. name) }
end
return { string.format('%.0f', now), budgets, members }
`
}).withReturnType<Reply>()

const inspectionOf = ([now, budgets, members]: Reply): Inspection => ({
  budgets: budgets.flatMap(([key, fields, expired]) => budgetOf(key, recordOf(fields), recordOf(expired), Number(now))),
  members: members.flatMap(([name, fields]) => memberOf(name, recordOf(fields)))
})

const recordOf = (fields: Fields): ReadonlyMap<string, string> => {
  const record = new Map<string, string>()
  for (let index = 0; index < fields.length; index += 2) record.set(fields[index]!, fields[index + 1]!)
  return record
}

type Counters = InspectedLimit["counters"]

/** A limit as `describe` of encode.ts writes it. */
type Description = readonly [
  name: string,
  kind: InspectedLimit["kind"],
  meter: string,
  max: number,
  chargeAt?: string,
  periodOrRefill?: number,
  refillMillis?: number
]

/** What the limits' states of the script would say is used. */
const usedNow = (
  [, kind, , max, chargeAt, refill = 0, refillMillis = 1]: Description,
  { committed = 0, counted = 0, endsAt = 0, filledAt = 0, fraction = 0, level = max, reserved = 0 }: Counters,
  expired: number,
  now: number
): number => {
  const open = chargeAt === "settle" ? reserved : 0
  switch (kind) {
    case "Cap":
      return committed + reserved
    case "Concurrency":
      return reserved
    case "SlidingWindow":
      return counted - expired + open
    case "FixedWindow":
      return (now < endsAt ? counted : 0) + open
    case "TokenBucket": {
      const elapsed = BigInt(Math.max(0, now - filledAt))
      const inflow = (elapsed * BigInt(refill) + BigInt(fraction)) / BigInt(refillMillis)
      return Math.max(0, max - level - Number(inflow))
    }
  }
}

/** Nothing, if it has expired. */
const budgetOf = (
  key: string,
  fields: ReadonlyMap<string, string>,
  expired: ReadonlyMap<string, string>,
  now: number
): ReadonlyArray<InspectedBudget> => {
  const limits = fields.get("limits")
  if (limits === undefined) return []
  const pause = fields.get("pause")
  const descriptions: ReadonlyArray<Description> = JSON.parse(limits)
  return [
    {
      key,
      limits: descriptions.map((described) => {
        const [name, kind, meter, max] = described
        const counters: Counters = JSON.parse(fields.get(`limit/${name}`) ?? "{}")
        const used = usedNow(described, counters, Number(expired.get(name) ?? 0), now)
        return { name, kind, meter, max, used, counters, waiting: waitingOf(fields.get(`waiting/${name}`) ?? "[]") }
      }),
      open: Number(fields.get("open") ?? 0),
      spent: JSON.parse(fields.get("spent") ?? "{}"),
      pausedUntil: pause === undefined ? undefined : (JSON.parse(pause) as { readonly endsAt: number }).endsAt,
      asOf: now,
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
