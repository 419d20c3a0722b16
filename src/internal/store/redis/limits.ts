import { fixedWindow } from "./fixedWindow.ts"
import { slidingWindow } from "./slidingWindow.ts"
import { tokenBucket } from "./tokenBucket.ts"

/**
 * The state machines of limits, as those of `internal/limit`: what one of them says, the other must say, too. A kind is
 * made when the first limit of it is met, because making functions takes time in every call.
 *
 * `fields` are those of the budget's hash that a kind keeps its counters in. A state has the numbers of these fields,
 * and what its limit is described by.
 */
export const limits = `
local kinds = {}

kinds.Cap = function()
  return {
    fields = { 'reserved', 'committed' },
    start = function() end,
    readyAt = function(state, amount, beside)
      local committed = state.committed
      if committed + amount > state.max then return NEVER end
      if committed + state.reserved + beside + amount <= state.max then return now end
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

kinds.Concurrency = function()
  return {
    fields = { 'reserved' },
    start = function() end,
    readyAt = function(state, amount, beside)
      if amount > state.max then return NEVER end
      if state.reserved + beside + amount <= state.max then return now end
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
${slidingWindow}${fixedWindow}${tokenBucket}
local made = {}

local function kindOf(name)
  local kind = made[name]
  if not kind then
    kind = kinds[name]()
    made[name] = kind
  end
  return kind
end

local function charge(state, amount)
  if amount > 0 then state.kind.charge(state, amount) end
end
`
