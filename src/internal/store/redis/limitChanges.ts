/** What becomes of what a budget has counted when a batch names other limits than the one before. */
export const limitChanges = `
modules.limitChanges = function()
  -- Whether the counters of one rule make sense for the other. Its maximum and its period may differ.
  local function isSameRule(one, other)
    return one[TAG] == other[TAG] and one[METER] == other[METER] and one[CHARGE_AT] == other[CHARGE_AT]
  end

  local function abandon(budget, state)
    local gone = budget.gone
    gone[#gone + 1] = 'limit/' .. state.limit[NAME]
    gone[#gone + 1] = 'peaks/' .. state.limit[NAME]
    if state.kind.abandon then state.kind.abandon(state) end
  end

  local function limitText(limit)
    local texts = { cjson.encode(limit[NAME]), cjson.encode(limit[TAG]), cjson.encode(limit[METER]), written(limit[MAX]) }
    if limit[TAG] == 'TokenBucket' then
      texts[5], texts[6], texts[7] = '""', written(limit[REFILL]), written(limit[REFILL_MILLIS])
    elseif limit[CHARGE_AT] then
      texts[5] = cjson.encode(limit[CHARGE_AT])
      if limit[TAG] == 'SlidingWindow' then texts[6] = written(limit[PERIOD]) end
    end
    return '[' .. concat(texts, ',') .. ']'
  end

  -- One with a known name keeps its counters, a new one starts unused. What is not named keeps its counters, too.
  return function(budget, limits)
    local known, states, all, others = {}, {}, {}, {}
    for _, state in ipairs(budget.all) do known[state.limit[NAME]] = state end
    for index, limit in ipairs(limits) do
      local state = known[limit[NAME]]
      if state and isSameRule(state.limit, limit) then
        if state.kind.update then state.kind.update(state, limit) end
        state.limit = limit
      else
        if state then abandon(budget, state) end
        state = stateOf(budget, limit, true)
      end
      known[state.limit[NAME]] = nil
      states[index], all[index] = state, state
    end
    for _, state in ipairs(budget.all) do
      if known[state.limit[NAME]] == state then
        all[#all + 1] = state
        others[#others + 1] = limitText(state.limit)
      end
    end
    budget.states, budget.all = states, all
    budget.others = '[' .. concat(others, ',') .. ']'
  end
end
`
