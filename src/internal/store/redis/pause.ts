/** The pause of a budget, and its gradual end: one reservation per slot, of which each second has twice as many. */
export const pause = `
local GRADUAL_MILLIS = 10000

modules.pause = function()
  local LAYOUT = '{"endsAt":%.0f,"isGradual":%.0f,"nextAt":%.0f}'
  local SECOND = 1000

  -- The begin of the slot after the one that an instant lies in. Both are millis since the end of the pause.
  local function nextSlot(elapsed)
    local second = floor(elapsed / SECOND)
    local slots = 2 ^ second
    local slot = floor((elapsed - second * SECOND) * slots / SECOND)
    return second * SECOND + ceil((slot + 1) * SECOND / slots)
  end

  return {
    written = function(pause)
      return format(LAYOUT, pause.endsAt, pause.isGradual, pause.nextAt)
    end,
    -- Pauses, or ends the pause with an instant that is over. One that ends earlier than that which is on is ignored.
    start = function(budget, instant, isGradual)
      local known = budget.pause
      if known and instant > now and instant < known.endsAt then return end
      budget.pause = { endsAt = instant, isGradual = isGradual, nextAt = instant }
    end,
    -- What is admitted all the same, before the pause is over or in a slot that is taken, takes no slot.
    takeSlot = function(pause)
      if now < pause.nextAt or pause.isGradual == 0 then return end
      local elapsed = now - pause.endsAt
      if elapsed >= GRADUAL_MILLIS then return end
      pause.nextAt = pause.endsAt + nextSlot(elapsed)
    end
  }
end
`
