import * as Usage from "../../../Usage.ts"
import { layoutOf } from "./numbers.ts"

/**
 * The budgets of a call: each is read once, changed in memory, and what has changed is written back once.
 *
 * `states` are those of the limits that were named last, in their order, each with a number that no other state of the
 * group has had; `all` are these and those of limits that were named before. `stored` is the hash as it was read.
 */
export const budgets = `
local loaded, touched = {}, {}
-- Counts how often the limits of any budget have changed in this call.
local changes = 0

local SPENT_FIELDS = { ${Usage.fields.map((field) => `'${field}'`).join(", ")} }

local budgetOf, stateOf, follow, spentOf, saveBudget = (function()
  local SPENT = { ${layoutOf(Usage.fields)} }
  local budgets = {}

  local function headsOf(budget, name)
    local heads, text = budget.heads[name], budget.stored['waiting/' .. name]
    if not heads and text then
      heads = cjson.decode(text)
      budget.heads[name] = heads
    end
    return heads or NOBODY
  end

  local function stateOf(budget, limit, isNew)
    local name, kind = limit[NAME], use(limit[TAG])
    local text = not isNew and budget.stored['limit/' .. name]
    local state = cjson.decode(text or kind.zeros)
    state.budget, state.kind, state.limit, state.heads = budget, kind, limit, headsOf(budget, name)
    if not text then
      stateCount = stateCount + 1
      state.number, state.isNew = stateCount, true
      if kind.start then kind.start(state) end
    end
    return state
  end

  local function budgetOf(key)
    local budget = budgets[key]
    if budget then return budget end
    local id = base .. 'budget:' .. key
    local fields, stored = call('HGETALL', id), {}
    for index = 1, #fields, 2 do stored[fields[index]] = fields[index + 1] end
    budget = { key = key, id = id, stored = stored, states = {}, all = {}, heads = {}, gone = {}, limits = stored.limits }
    budget.open = tonumber(stored.open or 0)
    budget.pause = stored.pause and cjson.decode(stored.pause)
    if stored.limits then
      local variant = variantOf[key]
      if variant and variant.text == stored.limits then budget.variant = variant end
      local limits = budget.variant and variant.limits or cjson.decode(stored.limits)
      for index, limit in ipairs(limits) do
        local state = stateOf(budget, limit, false)
        budget.states[index], budget.all[index] = state, state
      end
    end
    for _, limit in ipairs(stored.others and cjson.decode(stored.others) or {}) do
      budget.all[#budget.all + 1] = stateOf(budget, limit, false)
    end
    budgets[key] = budget
    loaded[#loaded + 1] = budget
    return budget
  end

  -- Puts the limits of a batch in place.
  local function follow(budget, variant)
    if budget.limits ~= variant.text then
      use('limitChanges')(budget, variant.limits)
      changes = changes + 1
    end
    budget.limits, budget.variant = variant.text, variant
  end

  local function spentOf(budget)
    if not budget.spent then
      budget.spent = cjson.decode(budget.stored.spent or SPENT.zeros)
    end
    return budget.spent
  end

  -- For how long what a budget has counted still matters.
  local function lasts(budget)
    local longest = budget.open > 0 and KEPT_MILLIS or 0
    if budget.pause then longest = max(longest, budget.pause.endsAt + GRADUAL_MILLIS - now) end
    for _, state in ipairs(budget.all) do longest = max(longest, state.kind.lasts(state)) end
    return min(longest, KEPT_MILLIS)
  end

  -- For how long it is kept: for some time after it stops to matter, so that this need not be said in each call.
  local function keep(budget, put)
    local needed = now + lasts(budget)
    local spare = max(HOUR_MILLIS, floor((needed - now) / 10))
    local expiresAt = tonumber(budget.stored.expiresAt)
    if expiresAt and expiresAt >= needed and expiresAt <= needed + 2 * spare then return expiresAt - now, true end
    put('expiresAt', written(needed + spare))
    return needed + spare - now, false
  end

  local function saveBudget(budget)
    local puts, stored, gone = {}, budget.stored, budget.gone
    local function put(field, text)
      if text == stored[field] then return end
      puts[#puts + 1] = field
      puts[#puts + 1] = text
    end
    local millis, isKept = keep(budget, put)
    put('limits', budget.limits)
    local others = budget.others or stored.others
    if others and others ~= '[]' then put('others', others) elseif stored.others then gone[#gone + 1] = 'others' end
    for _, state in ipairs(budget.all) do
      if state.kind.save then state.kind.save(state, millis, put) end
      put('limit/' .. state.limit[NAME], state.kind.written(state))
    end
    for name, heads in pairs(budget.heads) do
      if heads.isChanged and heads[1] then
        put('waiting/' .. name, use('waiting').written(heads))
      elseif heads.isChanged then
        gone[#gone + 1] = 'waiting/' .. name
      end
    end
    put('open', written(budget.open))
    if budget.pause then put('pause', use('pause').written(budget.pause)) end
    if budget.spent then put('spent', SPENT.written(budget.spent)) end
    if gone[1] then inChunks('HDEL', budget.id, gone) end
    if puts[1] then inChunks('HSET', budget.id, puts) end
    if not isKept then use('keepFor')(budget, millis) end
  end

  modules.keepFor = function()
    local all = base .. 'budgets'

    return function(budget, millis)
      call('PEXPIRE', budget.id, written(millis))
      for _, state in ipairs(budget.all) do
        if state.kind.keep then state.kind.keep(state, millis) end
      end
      call('ZADD', all, written(now + millis), budget.key)
      call('ZREMRANGEBYSCORE', all, '-inf', written(now))
      call('PEXPIRE', all, written(GROUP_KEPT_MILLIS))
    end
  end

  return budgetOf, stateOf, follow, spentOf, saveBudget
end)()

local function touch(budget)
  if budget.isTouched then return end
  budget.isTouched = true
  touched[#touched + 1] = budget
end
`
