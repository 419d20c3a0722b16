import { budgets } from "./budgets.ts"
import { limits } from "./limits.ts"
import { members } from "./members.ts"
import { numbers } from "./numbers.ts"
import { operations } from "./operations.ts"
import { pause } from "./pause.ts"
import { waiting } from "./waiting.ts"

/** What a batch is, and when it happens. */
const batch = `
local call = redis.call
local batch = cjson.decode(ARGV[1])
local name, sequence, answeredUpTo, leaseMillis, policy = batch[1], batch[2], batch[3], batch[4], batch[5]
local variants, routes, operations = batch[6], batch[7], batch[8]

-- All keys of a group begin alike, and lie in the same slot of a cluster.
local base = sub(KEYS[1], 1, -#'group' - 1)
local group = call('HMGET', KEYS[1], 'now', 'tickets', 'expiresAt', 'states')
local tickets, stateCount = tonumber(group[2] or 0), tonumber(group[4] or 0)

local function clock()
  if ARGV[2] then return tonumber(ARGV[2]) end
  local time = call('TIME')
  return tonumber(time[1]) * 1000 + floor(tonumber(time[2]) / 1000)
end

local time = clock()
local now = max(time, tonumber(group[1]) or 0)

local APPLIED, LAPSED, FORGOTTEN, UNCOVERED = '0', '1', '2', '3'
local HOUR_MILLIS, DAY_MILLIS = 3600000, 86400000
-- How long budgets with a cap are kept after their last use. What belongs to a whole group is kept for longer.
local KEPT_MILLIS, GROUP_KEPT_MILLIS, GROUP_SPARE_MILLIS = 30 * DAY_MILLIS, 40 * DAY_MILLIS, 4 * DAY_MILLIS

-- What a limit is described by.
local NAME, TAG, METER, MAX, CHARGE_AT, PERIOD, REFILL_MILLIS = 1, 2, 3, 4, 5, 6, 7

-- Budgets as the batch describes them. Several may be of one key, where limits were changed.
local variantOf = {}
for index, variant in ipairs(variants) do
  local key, text, windows, resets = variant[1], variant[3], variant[4], {}
  for _, window in ipairs(windows or {}) do
    local instants = window[2]
    if now < instants[1] or now >= instants[#instants] then return { written(time), '[' .. UNCOVERED .. ']' } end
    resets[window[1]] = instants
  end
  variantOf[key] = { key = key, isShadow = variant[2] == 1, text = text, limits = cjson.decode(text), resets = resets }
  variants[index] = variantOf[key]
end

local function storedIn(state, field)
  return not state.isNew and state.budget.stored[state.name .. '/' .. field]
end

local escapes = { ['%'] = '%25', [':'] = '%3A' }
local function logKey(state)
  return base .. 'window:' .. string.gsub(state.budget.key, '[%%:]', escapes) .. ':' .. state.name
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
local function isKeptUntil(expiresAt)
  return tonumber(expiresAt or 0) >= now + GROUP_KEPT_MILLIS - GROUP_SPARE_MILLIS
end

local known = {}
local puts, gone = {}, {}

local function put(field, number)
  puts[#puts + 1] = field
  puts[#puts + 1] = written(number)
end

-- The highest sequence of which the member has the answer. Older answers go.
local function noteAnswered(latest)
  local before = tonumber(known[3] or 0)
  local answered = max(before, answeredUpTo)
  for old = before + 1, min(answered, latest) do gone[#gone + 1] = 'answer/' .. written(old) end
  if answered > before or not known[3] then put('answered', answered) end
  return answered
end

local function answer()
  local id = 'answer/' .. written(sequence)
  known = call('HMGET', member, 'leaseEnd', 'lapsed', 'answered', 'latest', 'expiresAt', id)
  local leaseEnd = tonumber(known[1] or nil)
  if leaseEnd and leaseEnd + REMEMBER_LAPSED_MILLIS <= now and not call('ZSCORE', members, name) then
    call('DEL', member)
    known, leaseEnd = {}, nil
  end
  if not leaseEnd and answeredUpTo > 0 then return '[' .. FORGOTTEN .. ',' .. written(now) .. ']' end
  if known[6] then return known[6] end
  if leaseEnd and leaseEnd <= now then return '[' .. LAPSED .. ',' .. written(now) .. ']' end
  local latest = tonumber(known[4] or 0)
  local answered = noteAnswered(latest)
  if sequence <= answered or answered > latest then return '[' .. FORGOTTEN .. ',' .. written(now) .. ']' end
  put('leaseEnd', now + leaseMillis)
  if sequence > latest then put('latest', sequence) end
  puts[#puts + 1] = 'lapse'
  puts[#puts + 1] = policy
  call('ZADD', members, written(now + leaseMillis), name)
  local reply = doAll()
  puts[#puts + 1] = id
  puts[#puts + 1] = reply
  return reply
end

lapseAll()
local reply = answer()
wake(touched)
for _, budget in ipairs(loaded) do
  if budget.limits then save(budget) end
  saveHeld(budget, puts, gone)
end
local isMemberKept = not puts[1] or isKeptUntil(known[5])
if not isMemberKept then put('expiresAt', now + GROUP_KEPT_MILLIS) end
if gone[1] then inChunks('HDEL', member, gone) end
if puts[1] then inChunks('HSET', member, puts) end
local isGroupKept = isKeptUntil(group[3])
call('HSET', KEYS[1], 'now', written(now), 'tickets', written(tickets), 'states', written(stateCount),
  'expiresAt', isGroupKept and group[3] or written(now + GROUP_KEPT_MILLIS))
if not isMemberKept then call('PEXPIRE', member, written(GROUP_KEPT_MILLIS)) end
if not isGroupKept then call('PEXPIRE', KEYS[1], written(GROUP_KEPT_MILLIS)) end
if not isMemberKept or not isGroupKept then call('PEXPIRE', members, written(GROUP_KEPT_MILLIS)) end
return { written(time), reply }
`

/**
 * Does a batch: one call, in which nothing else happens. It makes a constant number of calls itself, plus a few per
 * budget and window; what reservations cost beyond that is arithmetic.
 */
export const lua = [numbers, batch, limits, pause, waiting, budgets, members, operations, once].join("")
