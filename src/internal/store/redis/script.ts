import { budgets } from "./budgets.ts"
import { errands } from "./errands.ts"
import { fixedWindow } from "./fixedWindow.ts"
import { lapse } from "./lapse.ts"
import { limitChanges } from "./limitChanges.ts"
import { limits } from "./limits.ts"
import { members } from "./members.ts"
import { modules } from "./modules.ts"
import { numbers } from "./numbers.ts"
import { operations } from "./operations.ts"
import { pause } from "./pause.ts"
import { refuse } from "./refuse.ts"
import { slidingLog } from "./slidingLog.ts"
import { slidingWindow } from "./slidingWindow.ts"
import { tokenBucket } from "./tokenBucket.ts"
import { waiting } from "./waiting.ts"

/** What a batch is, and when it happens. */
const batch = `
local call = redis.call
local batch = cjson.decode(ARGV[1])
local name, sequence, answeredUpTo, leaseMillis, policy = batch[1], batch[2], batch[3], batch[4], batch[5]
local variants, routes, operations = batch[6], batch[7], batch[8]

-- All keys of a group begin alike, and lie in the same slot of a cluster.
local base = sub(KEYS[1], 1, -#'group' - 1)
local group = call('HMGET', KEYS[1], 'now', 'tickets', 'states', 'expiresAt')
local ticketsBefore, statesBefore = tonumber(group[2] or 0), tonumber(group[3] or 0)
local tickets, stateCount = ticketsBefore, statesBefore

local time = tonumber(ARGV[2])
if not time then
  local seconds = call('TIME')
  time = tonumber(seconds[1]) * 1000 + floor(tonumber(seconds[2]) / 1000)
end
-- Time never runs backwards, whatever the clock does.
local now = max(time, tonumber(group[1] or 0))
-- For how long what is being taken is taken ahead.
local ahead = 0

local APPLIED, LAPSED, FORGOTTEN, UNCOVERED = '0', '1', '2', '3'
local HOUR_MILLIS, DAY_MILLIS = 3600000, 86400000
-- How long budgets with a cap are kept after their last use. What belongs to a whole group is kept for longer.
local KEPT_MILLIS, GROUP_KEPT_MILLIS, GROUP_SPARE_MILLIS = 30 * DAY_MILLIS, 40 * DAY_MILLIS, 4 * DAY_MILLIS

-- What a limit is described by.
local NAME, TAG, METER, MAX, CHARGE_AT, PERIOD, REFILL, REFILL_MILLIS = 1, 2, 3, 4, 5, 6, 6, 7

-- Budgets as the batch describes them. Several may be of one key, where limits were changed.
local variantOf = {}
for index, variant in ipairs(variants) do
  local key, text, windows, resets = variant[1], ARGV[2 + index], variant[3], {}
  for _, window in ipairs(windows or {}) do
    local instants = window[2]
    if now < instants[1] or now >= instants[#instants] then return { written(time), '[' .. UNCOVERED .. ']' } end
    resets[window[1]] = instants
  end
  variantOf[key] = { key = key, isShadow = variant[2] == 1, text = text, limits = cjson.decode(text), resets = resets }
  variants[index] = variantOf[key]
end

-- A call takes no more than a few thousand arguments.
local function inChunks(command, key, arguments)
  for first = 1, #arguments, 1000 do
    call(command, key, unpack(arguments, first, min(first + 999, #arguments)))
  end
end
`

/** Does a batch once, and answers it in the same way as often as it is asked. */
const once = `
local known, puts, gone = {}, {}, {}

local function put(field, text)
  puts[#puts + 1] = field
  puts[#puts + 1] = text
end

local function answer()
  local id = 'answer/' .. written(sequence)
  known = call('HMGET', member, 'leaseEnd', 'lost', 'answered', 'latest', 'expiresAt', 'lapse', id)
  local leaseEnd = known[1] and tonumber(known[1])
  if leaseEnd and leaseEnd + REMEMBER_LAPSED_MILLIS <= now and not call('ZSCORE', members, name) then
    call('DEL', member)
    known, leaseEnd = {}, nil
  end
  if not leaseEnd and answeredUpTo > 0 then return '[' .. FORGOTTEN .. ',' .. written(now) .. ']' end
  if known[7] then return known[7] end
  if known[2] then return '[' .. FORGOTTEN .. ',' .. written(now) .. ']' end
  if leaseEnd and leaseEnd <= now then return '[' .. LAPSED .. ',' .. written(now) .. ']' end
  -- The highest sequence of which the member has the answer. Older answers go.
  local latest, before = tonumber(known[4] or 0), tonumber(known[3] or 0)
  local answered = max(before, answeredUpTo)
  for old = before + 1, min(answered, latest) do gone[#gone + 1] = 'answer/' .. written(old) end
  if answered > before or not known[3] then put('answered', written(answered)) end
  if answered > latest then
    -- The member has had answers that were lost. What it holds it will say as somebody else: here it is over.
    put('lost', '1')
    put('lapse', 'release')
    put('leaseEnd', written(now))
    call('ZADD', members, written(now), name)
  end
  if sequence <= answered or answered > latest then return '[' .. FORGOTTEN .. ',' .. written(now) .. ']' end
  local leased = written(now + leaseMillis)
  put('leaseEnd', leased)
  call('ZADD', members, leased, name)
  if sequence > latest then put('latest', written(sequence)) end
  if policy ~= known[6] then put('lapse', policy) end
  local reply = modules.operations()
  put(id, reply)
  return reply
end

local reply = answer()
for _, budget in ipairs(touched) do
  for _, state in ipairs(budget.all) do
    if state.heads[1] then use('waiting').wake(state) end
  end
end
for _, budget in ipairs(loaded) do
  if budget.limits then saveBudget(budget) end
  saveHeld(budget, puts, gone)
end

local keptUntil = now + GROUP_KEPT_MILLIS
local isMemberKept = not puts[1] or tonumber(known[5] or 0) >= keptUntil - GROUP_SPARE_MILLIS
local isGroupKept = tonumber(group[4] or 0) >= keptUntil - GROUP_SPARE_MILLIS
if not isMemberKept then put('expiresAt', written(keptUntil)) end
if gone[1] then inChunks('HDEL', member, gone) end
if puts[1] then inChunks('HSET', member, puts) end
if not isMemberKept then call('PEXPIRE', member, written(GROUP_KEPT_MILLIS)) end
call('HSET', KEYS[1], 'now', written(now))
if tickets ~= ticketsBefore or stateCount ~= statesBefore then
  call('HSET', KEYS[1], 'tickets', written(tickets), 'states', written(stateCount))
end
if not isGroupKept then
  call('HSET', KEYS[1], 'expiresAt', written(keptUntil))
  call('PEXPIRE', KEYS[1], written(GROUP_KEPT_MILLIS))
end
if not isMemberKept or not isGroupKept then call('PEXPIRE', members, written(GROUP_KEPT_MILLIS)) end
return { written(time), reply }
`

/**
 * A part that is followed by others. They are a function within: a function that is made looks for each local that it
 * uses among all those of the running function that others use, but finds at once those of the functions around that.
 */
const around = (part: string, others: ReadonlyArray<string>): string =>
  `${part}\nreturn (function()\n${others.join("")}\nend)()`

/**
 * Does a batch: one call, in which nothing else happens. It makes a constant number of calls itself, plus a few per
 * budget and window; what reservations cost beyond that is arithmetic.
 */
export const lua = around([numbers, modules, batch].join(""), [
  slidingLog,
  limits,
  slidingWindow,
  fixedWindow,
  tokenBucket,
  pause,
  waiting,
  budgets,
  limitChanges,
  members,
  lapse,
  refuse,
  errands,
  operations,
  once
])
