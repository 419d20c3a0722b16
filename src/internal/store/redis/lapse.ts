/** What becomes of what members hold whose lease is over. A call settles a bounded part of it, the next one goes on. */
export const lapse = `
modules.lapse = function()
  local HELD_PER_CALL = 64

  -- Whether what a limit has counted comes back with time alone, whatever becomes of the reservation.
  local function isDatedBack(state)
    return state.limit[TAG] == 'TokenBucket' or state.limit[CHARGE_AT] == 'reserve'
  end

  local function holdsSomething(budget, held)
    if held[1] > 0 then return true end
    for _, state in ipairs(budget.all) do
      if amountHeld(held, state) > 0 then return true end
    end
    return false
  end

  local function settle(budget, held, policy)
    for _, state in ipairs(budget.all) do
      local amount = amountHeld(held, state)
      local actual = (policy == 'charge' or isDatedBack(state)) and amount or 0
      charge(state, state.kind.settle(state, amount, actual, now))
    end
    budget.open = max(0, budget.open - held[1])
    touch(budget)
  end

  -- A budget may have heads at limits that it does not have any more.
  local function leave(budget, other)
    for field, text in pairs(budget.stored) do
      local limit = string.match(field, '^waiting/(.*)$')
      if limit and not budget.heads[limit] then budget.heads[limit] = cjson.decode(text) end
    end
    for _, heads in pairs(budget.heads) do
      if heads[1] and use('waiting').removeMember(heads, other) then touch(budget) end
    end
  end

  return function(other)
    local id = base .. 'member:' .. other
    local policy = call('HGET', id, 'lapse')
    local cursor, settled = '0', {}
    repeat
      local found = call('HSCAN', id, cursor, 'MATCH', 'held/*', 'COUNT', '256')
      cursor = found[1]
      for index = 1, #found[2], 2 do
        local budget, held = budgetOf(sub(found[2][index], 6)), cjson.decode(found[2][index + 1])
        if holdsSomething(budget, held) then settle(budget, held, policy) end
        leave(budget, other)
        settled[#settled + 1] = found[2][index]
      end
    until cursor == '0' or #settled >= HELD_PER_CALL
    if settled[1] then inChunks('HDEL', id, settled) end
    if policy then call('HSET', id, 'lapsed', '1') end
    if cursor ~= '0' then return end
    call('ZREM', members, other)
    call('PEXPIRE', id, written(REMEMBER_LAPSED_MILLIS))
  end
end

local LAPSED_PER_CALL = 4
for _, other in ipairs(call('ZRANGEBYSCORE', members, '-inf', written(now), 'LIMIT', '0', LAPSED_PER_CALL)) do
  use('lapse')(other)
end
`
