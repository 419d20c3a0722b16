/** What batches ask for more rarely. */
export const errands = `
modules.errands = function()
  local sights, tightened = {}, {}

  local function make(along, budgetAt, take)
    local function chargeAll(at)
      local stops = along(operations[at + 1]).stops
      for index, state in ipairs(stops) do charge(state, operations[at + 1 + index]) end
      return at + 2 + #stops
    end

    local function assert(at)
      local route = along(operations[at + 1])
      take(route, operations, at + 2, operations[at + 2])
      return at + 3 + #route.stops
    end

    local function withdraw(at)
      local route = along(operations[at + 1])
      for _, state in ipairs(route.stops) do
        if state.heads[1] then use('waiting').remove(state.heads, operations[at + 2]) end
      end
      for _, variant in ipairs(route.places) do heldOf(variant.budget) end
      return at + 3
    end

    local function pause(at)
      use('pause').start(budgetAt(operations[at + 1]), now + operations[at + 2], operations[at + 3])
      return at + 4
    end

    local function tighten(at)
      local budget, remaining, count = budgetAt(operations[at + 1]), operations[at + 2], operations[at + 3]
      for index = at + 4, at + 3 + count do
        local state = budget.states[operations[index]]
        local by = max(0, state.limit[MAX] - state.kind.used(state) - remaining)
        charge(state, by)
        tightened[#tightened + 1] = written(by)
      end
      return at + 4 + count
    end

    local function look(at)
      local budget = budgetAt(operations[at + 1])
      local spent = spentOf(budget)
      for _, state in ipairs(budget.states) do sights[#sights + 1] = written(state.kind.used(state)) end
      for _, state in ipairs(budget.states) do sights[#sights + 1] = written(state.reserved) end
      sights[#sights + 1] = written(budget.open)
      for _, field in ipairs(SPENT_FIELDS) do sights[#sights + 1] = written(spent[field]) end
      sights[#sights + 1] = written(budget.pause and max(0, budget.pause.endsAt - now) or 0)
      sights[#sights + 1] = written(budget.pause and max(0, budget.pause.nextAt - now) or 0)
      return at + 2
    end

    local doers = {
      [5] = chargeAll, [6] = assert, [7] = withdraw, [8] = pause, [9] = tighten, [10] = look
    }
    return {
      sights = sights,
      tightened = tightened,
      doNext = function(at) return doers[operations[at]](at) end
    }
  end
  return make
end
`
