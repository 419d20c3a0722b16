import { layoutOf } from "./numbers.ts"

/**
 * A window of the calendar. Only clients have a calendar: each batch brings the resets of its windows around the time at
 * which it was sent, of which the script makes sure that they are those around the time of the store.
 */
export const fixedWindow = `
modules.FixedWindow = function()
  -- What a dead process held is charged also when no resets are known. The end of that window is found out later.
  local UNKNOWN = MOST

  -- The first reset after an instant.
  local function resetAfter(resets, instant)
    for index = 1, #resets do
      if resets[index] > instant then return resets[index] end
    end
  end

  local function roll(state)
    local variant = state.budget.variant
    local resets = variant and variant.resets[state.limit[NAME]]
    if state.endsAt == UNKNOWN and resets then
      state.endsAt = state.startedAt >= resets[1] and resetAfter(resets, state.startedAt) or 0
    end
    if now < state.endsAt then return end
    state.endsAt = resets and resetAfter(resets, now) or UNKNOWN
    state.startedAt = now
    state.counted = 0
  end

  local function used(state)
    roll(state)
    return state.limit[CHARGE_AT] == 'settle' and plus(state.counted, state.reserved) or state.counted
  end

  local function charge(state, amount)
    roll(state)
    state.counted = plus(state.counted, amount)
  end

  return {
    ${layoutOf(["number", "reserved", "counted", "startedAt", "endsAt"])},
    readyAt = function(state, amount, beside)
      if amount > state.limit[MAX] then return NEVER end
      if used(state) + beside + amount <= state.limit[MAX] then return now end
      local kept = state.limit[CHARGE_AT] == 'settle' and state.reserved + beside or 0
      return kept + amount <= state.limit[MAX] and state.endsAt or AFTER_SETTLEMENT
    end,
    take = function(state, amount)
      state.reserved = plus(state.reserved, amount)
      if state.limit[CHARGE_AT] == 'reserve' then charge(state, amount) end
    end,
    settle = function(state, estimate, actual, takenAt)
      state.reserved = max(0, state.reserved - estimate)
      if state.limit[CHARGE_AT] == 'settle' then return actual end
      if actual < estimate and takenAt >= state.startedAt then
        state.counted = max(0, state.counted - (estimate - actual))
      end
      return max(0, actual - estimate)
    end,
    charge = charge,
    used = used,
    lasts = function(state)
      return state.endsAt == UNKNOWN and KEPT_MILLIS or max(0, state.endsAt - now)
    end
  }
end
`
