/**
 * The members of a group: what each has been answered, when its lease ends, and what it holds.
 *
 * What it holds of a budget is one field of its hash: how many reservations, and how much at each limit, with the
 * number of the limit's state: a limit that was replaced by another of its name, or was lost, is not the one that it
 * holds something of. The field is there as long as the member holds something, or waits there.
 */
export const members = `
local LAPSED_PER_CALL, HELD_PER_CALL = 4, 64
local REMEMBER_LAPSED_MILLIS = 86400000
local members = base .. 'members'
local member = base .. 'member:' .. name

-- How much of what is held is held of a state.
local function amountHeld(held, state)
  local entry = held[2][state.name]
  return entry and entry[1] == state.number and entry[2] or 0
end

local function holdsSomething(budget, held)
  if held[1] > 0 then return true end
  for _, state in ipairs(budget.states) do
    if amountHeld(held, state) > 0 then return true end
  end
  return false
end

local function heldOf(budget)
  if not budget.held then
    budget.heldText = call('HGET', member, 'held/' .. budget.key)
    budget.held = cjson.decode(budget.heldText or '[0,{}]')
  end
  budget.isHeldChanged = true
  return budget.held
end

local function hold(held, state, amount)
  local entry = held[2][state.name]
  if not entry or entry[1] ~= state.number then
    entry = { state.number, 0 }
    held[2][state.name] = entry
  end
  entry[2] = plus(entry[2], amount)
end

local function waitsAt(budget)
  for _, heads in pairs(budget.heads) do
    for index = 1, #heads do
      if heads[index][MEMBER] == name then return true end
    end
  end
  return false
end

local function writtenHeld(budget, held)
  local texts = {}
  for _, state in ipairs(budget.states) do
    local amount = amountHeld(held, state)
    if amount > 0 then
      texts[#texts + 1] = cjson.encode(state.name) .. ':[' .. written(state.number) .. ',' .. written(amount) .. ']'
    end
  end
  return '[' .. written(held[1]) .. ',{' .. concat(texts, ',') .. '}]'
end

-- Adds to a list what has changed in what this member holds, and to another what it does not hold any more.
local function saveHeld(budget, puts, gone)
  if not budget.isHeldChanged then return end
  local field = 'held/' .. budget.key
  if holdsSomething(budget, budget.held) or waitsAt(budget) then
    puts[#puts + 1] = field
    puts[#puts + 1] = writtenHeld(budget, budget.held)
  elseif budget.heldText then
    gone[#gone + 1] = field
  end
end

-- Whether what a limit has counted comes back with time alone, whatever becomes of the reservation.
local function isDatedBack(state)
  return state.tag == 'TokenBucket' or state.chargeAt == 'reserve'
end

local function settleHeld(budget, held, policy)
  for _, state in ipairs(budget.states) do
    local amount = amountHeld(held, state)
    local actual = (policy == 'charge' or isDatedBack(state)) and amount or 0
    charge(state, state.kind.settle(state, amount, actual, now))
  end
  budget.open = max(0, budget.open - held[1])
  touch(budget)
end

-- A budget may have heads at limits that it does not have any more.
local function removeHeadsOf(budget, other)
  for field, text in pairs(budget.stored) do
    local limit = string.match(field, '^(.*)/waiting$')
    if limit and not budget.heads[limit] then budget.heads[limit] = readHeads(text) end
  end
  for _, heads in pairs(budget.heads) do
    local count = #heads
    removeHeads(heads, function(head) return head[MEMBER] == other end)
    if #heads < count then touch(budget) end
  end
end

-- Settles what a member holds whose lease is over: a bounded part of it, the rest in the next call.
local function lapse(other)
  local id = base .. 'member:' .. other
  local policy = call('HGET', id, 'lapse')
  local cursor, settled = '0', {}
  repeat
    local found = call('HSCAN', id, cursor, 'MATCH', 'held/*', 'COUNT', '256')
    cursor = found[1]
    for index = 1, #found[2], 2 do
      local budget = budgetOf(sub(found[2][index], 6))
      local held = cjson.decode(found[2][index + 1])
      if holdsSomething(budget, held) then settleHeld(budget, held, policy) end
      removeHeadsOf(budget, other)
      settled[#settled + 1] = found[2][index]
    end
  until cursor == '0' or #settled >= HELD_PER_CALL
  if settled[1] then inChunks('HDEL', id, settled) end
  if policy then call('HSET', id, 'lapsed', '1') end
  if cursor ~= '0' then return end
  call('ZREM', members, other)
  call('PEXPIRE', id, written(REMEMBER_LAPSED_MILLIS))
end

local function lapseAll()
  local due = call('ZRANGEBYSCORE', members, '-inf', written(now), 'LIMIT', '0', tostring(LAPSED_PER_CALL))
  for _, other in ipairs(due) do lapse(other) end
end

-- When the lease of another member ends next.
local nextLapseAt
local function nextLapse()
  if not nextLapseAt then
    local first = call('ZRANGE', members, '0', '1', 'WITHSCORES')
    local at = first[1] == name and first[4] or first[1] ~= name and first[2]
    nextLapseAt = max(tonumber(at or NEVER), now + 1)
  end
  return nextLapseAt
end
`
