import { layoutOf } from "./numbers.ts"

/**
 * The state machines of limits, as those of `internal/limit`: what one of them says, the other must say, too. A kind has
 * the names of the numbers that it keeps. A state has these numbers, its budget, its kind, its limit as it is described, and
 * the heads that wait there: together few enough that reading it makes one table, which does not grow.
 */
export const limits = `
local function charge(state, amount)
  if amount > 0 then state.kind.charge(state, amount) end
end

modules.Cap = function()
  return {
    ${layoutOf(["number", "reserved", "committed"])},
    readyAt = function(state, amount, beside)
      local committed = state.committed
      if committed + amount > state.limit[MAX] then return NEVER end
      if committed + state.reserved + beside + amount <= state.limit[MAX] then return now end
      return AFTER_SETTLEMENT
    end,
    take = function(state, amount)
      state.reserved = plus(state.reserved, amount)
    end,
    settle = function(state, estimate, actual)
      state.reserved = max(0, state.reserved - estimate)
      state.committed = plus(state.committed, actual)
      return 0
    end,
    charge = function(state, amount)
      state.committed = plus(state.committed, amount)
    end,
    used = function(state)
      return plus(state.committed, state.reserved)
    end,
    lasts = function()
      return KEPT_MILLIS
    end
  }
end

modules.Concurrency = function()
  return {
    ${layoutOf(["number", "reserved"])},
    readyAt = function(state, amount, beside)
      if amount > state.limit[MAX] then return NEVER end
      if state.reserved + beside + amount <= state.limit[MAX] then return now end
      return AFTER_SETTLEMENT
    end,
    take = function(state, amount)
      state.reserved = plus(state.reserved, amount)
    end,
    settle = function(state, estimate)
      state.reserved = max(0, state.reserved - estimate)
      return 0
    end,
    charge = function() end,
    used = function(state)
      return state.reserved
    end,
    lasts = function()
      return 0
    end
  }
end
`
