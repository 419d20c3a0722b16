import * as Usage from "../../../Usage.ts"

/**
 * The budgets of a call: each is read once, changed in memory, and what has changed is written back once.
 *
 * `states` are those of its limits, in their order, each with a number that no other state of the group has had; `stored`
 * is the hash as it was read.
 */
export const budgets = `
local SPENT = { ${Usage.fields.map((field) => `'spent/${field}'`).join(", ")} }
local budgets, loaded, touched = {}, {}, {}
-- Counts how often the limits of any budget have changed in this call.
local changes = 0

local function adopt(state, limit)
  state.name, state.meter, state.max, state.chargeAt = limit[NAME], limit[METER], limit[MAX], limit[CHARGE_AT]
  state.tag, state.period, state.refill, state.refillMillis = limit[TAG], limit[PERIOD], limit[PERIOD], limit[REFILL_MILLIS]
  if state.kind.adopt then state.kind.adopt(state) end
end

local function stateOf(budget, limit, isNew)
  local kind = kindOf(limit[TAG])
  local name, stored, was = limit[NAME], budget.stored, {}
  local state = { budget = budget, kind = kind, was = was, isNew = isNew }
  was.number = not isNew and tonumber(stored[name .. '/number']) or nil
  if not was.number then stateCount = stateCount + 1 end
  state.number = was.number or stateCount
  for _, field in ipairs(kind.fields) do state[field] = 0 end
  adopt(state, limit)
  kind.start(state)
  if not isNew then
    for _, field in ipairs(kind.fields) do
      local number = tonumber(stored[name .. '/' .. field])
      if number then
        state[field] = number
        was[field] = number
      end
    end
  end
  local heads = budget.heads[name]
  if not heads then
    heads = readHeads(stored[name .. '/waiting'])
    budget.heads[name] = heads
  end
  state.heads = heads
  return state
end

local function readPause(stored)
  local endsAt = tonumber(stored['pause/until'])
  if not endsAt then return nil end
  return { endsAt = endsAt, isGradual = tonumber(stored['pause/gradual']), nextAt = tonumber(stored['pause/next']) }
end

local function budgetOf(key)
  local budget = budgets[key]
  if budget then return budget end
  local id = base .. 'budget:' .. key
  local fields, stored = call('HGETALL', id), {}
  for index = 1, #fields, 2 do stored[fields[index]] = fields[index + 1] end
  budget = { key = key, id = id, stored = stored, states = {}, heads = {}, gone = {}, limits = stored.limits }
  budget.open = tonumber(stored.open) or 0
  budget.pause = readPause(stored)
  if stored.limits then
    local variant = variantOf[key]
    if variant and variant.text == stored.limits then budget.variant = variant end
    local limits = budget.variant and variant.limits or cjson.decode(stored.limits)
    for index, limit in ipairs(limits) do budget.states[index] = stateOf(budget, limit, false) end
  end
  budgets[key] = budget
  loaded[#loaded + 1] = budget
  return budget
end

local function touch(budget)
  if budget.isTouched then return end
  budget.isTouched = true
  touched[#touched + 1] = budget
end

-- Whether the counters of one rule make sense for the other. Its maximum and its period may differ.
local function isSameRule(state, limit)
  return state.tag == limit[TAG] and state.meter == limit[METER] and state.chargeAt == limit[CHARGE_AT]
end

local function abandon(budget, state)
  for _, field in ipairs(state.kind.fields) do budget.gone[#budget.gone + 1] = state.name .. '/' .. field end
  budget.gone[#budget.gone + 1] = state.name .. '/number'
  if state.tag == 'TokenBucket' then budget.gone[#budget.gone + 1] = state.name .. '/peaks' end
  if state.kind.drop then state.kind.drop(state) end
end

-- Puts the limits of a batch in place. One with a known name keeps its counters, a new one starts unused.
local function follow(budget, variant)
  if budget.limits == variant.text then
    budget.variant = variant
    return
  end
  local known, states = {}, {}
  for _, state in ipairs(budget.states) do known[state.name] = state end
  for _, limit in ipairs(variant.limits) do
    local state = known[limit[NAME]]
    if state and not isSameRule(state, limit) then abandon(budget, state) end
    if state and isSameRule(state, limit) then
      if state.kind.update then state.kind.update(state, limit) end
      adopt(state, limit)
    else
      state = stateOf(budget, limit, true)
    end
    known[limit[NAME]] = nil
    states[#states + 1] = state
  end
  for _, state in pairs(known) do abandon(budget, state) end
  budget.states = states
  budget.limits, budget.variant = variant.text, variant
  changes = changes + 1
end

local function spentOf(budget)
  if not budget.spent then
    budget.spent = {}
    for index, field in ipairs(SPENT) do budget.spent[index] = tonumber(budget.stored[field]) or 0 end
  end
  return budget.spent
end

-- For how long what a budget has counted still matters.
local function lasts(budget)
  local longest = budget.open > 0 and KEPT_MILLIS or 0
  if budget.pause then longest = max(longest, budget.pause.endsAt + GRADUAL_MILLIS - now) end
  for _, state in ipairs(budget.states) do longest = max(longest, state.kind.lasts(state)) end
  return min(longest, KEPT_MILLIS)
end

-- When a budget expires: some time after it stops to matter, so that this need not be said in each call.
local function expire(budget, put)
  local needed = now + lasts(budget)
  local spare = max(HOUR_MILLIS, floor((needed - now) / 10))
  local expiresAt = tonumber(budget.stored.expiresAt)
  if expiresAt and expiresAt >= needed and expiresAt <= needed + 2 * spare then return expiresAt - now end
  put('expiresAt', written(needed + spare))
  budget.isKept = true
  return needed + spare - now
end

local function save(budget)
  local puts = {}
  local function put(field, text)
    puts[#puts + 1] = field
    puts[#puts + 1] = text
  end
  local stored, gone = budget.stored, budget.gone
  if budget.limits ~= stored.limits then put('limits', budget.limits) end
  local millis = expire(budget, put)
  for _, state in ipairs(budget.states) do
    local name, was = state.name, state.was
    if state.kind.save then state.kind.save(state, millis) end
    if state.number ~= was.number then put(name .. '/number', written(state.number)) end
    for _, field in ipairs(state.kind.fields) do
      if state[field] ~= was[field] then put(name .. '/' .. field, written(state[field])) end
    end
    if state.kind.extras then
      state.kind.extras(state, function(field, text) put(name .. '/' .. field, text) end)
    end
  end
  for name, heads in pairs(budget.heads) do
    if heads.isChanged and heads[1] then
      put(name .. '/waiting', writtenHeads(heads))
    elseif heads.isChanged then
      gone[#gone + 1] = name .. '/waiting'
    end
  end
  local open = written(budget.open)
  if open ~= stored.open then put('open', open) end
  if budget.pause and budget.pause.isChanged then
    put('pause/until', written(budget.pause.endsAt))
    put('pause/gradual', written(budget.pause.isGradual))
    put('pause/next', written(budget.pause.nextAt))
  end
  if budget.isCharged then
    for index, field in ipairs(SPENT) do
      local text = written(budget.spent[index])
      if text ~= (stored[field] or '0') then put(field, text) end
    end
  end
  if gone[1] then inChunks('HDEL', budget.id, gone) end
  if puts[1] then inChunks('HSET', budget.id, puts) end
  if budget.isKept then
    call('PEXPIRE', budget.id, written(millis))
    call('ZADD', base .. 'budgets', written(now + millis), budget.key)
    call('ZREMRANGEBYSCORE', base .. 'budgets', '-inf', written(now))
    call('PEXPIRE', base .. 'budgets', written(GROUP_KEPT_MILLIS))
    for _, state in ipairs(budget.states) do
      if state.kind.keep then state.kind.keep(state, millis) end
    end
  end
end
`
