/** What becomes of what a budget has counted when a batch names other limits than the one before. */
export const limitChanges = `
modules.limitChanges = function()
  -- Whether the counters of one rule make sense for the other. Its maximum and its period may differ.
  local function isSameRule(state, limit)
    return state.tag == limit[TAG] and state.meter == limit[METER] and state.chargeAt == limit[CHARGE_AT]
  end

  local function abandon(budget, state)
    local gone = budget.gone
    gone[#gone + 1] = 'limit/' .. state.name
    gone[#gone + 1] = 'peaks/' .. state.name
    if state.kind.abandon then state.kind.abandon(state) end
  end

  local function limitText(state)
    local texts = { cjson.encode(state.name), cjson.encode(state.tag), cjson.encode(state.meter), written(state.max) }
    if state.tag == 'TokenBucket' then
      texts[5], texts[6], texts[7] = '""', written(state.refill), written(state.refillMillis)
    elseif state.chargeAt then
      texts[5] = cjson.encode(state.chargeAt)
      if state.tag == 'SlidingWindow' then texts[6] = written(state.period) end
    end
    return '[' .. concat(texts, ',') .. ']'
  end

  -- One with a known name keeps its counters, a new one starts unused. What is not named keeps its counters, too.
  return function(budget, limits)
    local known, states, all, others = {}, {}, {}, {}
    for _, state in ipairs(budget.all) do known[state.name] = state end
    for index, limit in ipairs(limits) do
      local state = known[limit[NAME]]
      if state and isSameRule(state, limit) then
        if state.kind.update then state.kind.update(state, limit) end
        adopt(state, limit)
      else
        if state then abandon(budget, state) end
        state = stateOf(budget, limit, true)
      end
      known[state.name] = nil
      states[index], all[index] = state, state
    end
    for _, state in ipairs(budget.all) do
      if known[state.name] == state then
        all[#all + 1] = state
        others[#others + 1] = limitText(state)
      end
    end
    budget.states, budget.all = states, all
    budget.others = '[' .. concat(others, ',') .. ']'
  end
end
`
