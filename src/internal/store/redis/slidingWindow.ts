import { layoutOf } from "./numbers.ts"

/**
 * A rolling window. What was taken when is in a log, of which the window knows the total and both ends, and the instant
 * before the newest: taking an amount reads nothing, and writes one record. So does giving back what was taken just now.
 *
 * While many instants are live, new ones are put off to the end of their quantum, a thousandth of the window, and share
 * one record.
 */
export const slidingWindow = `
modules.SlidingWindow = function()
  local EXACT_INSTANTS = 1024

  -- Lets go of what has left the window.
  local function update(state)
    local instant = now - state.limit[PERIOD]
    if instant <= state.leftUntil then return end
    state.leftUntil = instant
    if state.last >= state.first and state.oldest <= instant then use('log').drop(state, instant) end
  end

  -- The newest record is about to be followed by another.
  local function fix(state)
    if state.log then return use('log').fix(state) end
    overwrite(logKey(state), state.last, state.newest, state.newestAmount)
  end

  local function add(state, amount)
    state.counted = plus(state.counted, amount)
    local at = now + ahead
    local length = state.last - state.first + 1
    if length - state.emptied >= EXACT_INSTANTS then
      local quantum = max(1, floor(state.limit[PERIOD] / 1000))
      at = ceil(at / quantum) * quantum
    end
    if length == 0 then
      state.first, state.last, state.emptied, state.oldest, state.before = 0, 0, 0, at, 0
      state.isRewritten = true
    elseif state.newest >= at then
      state.newestAmount = plus(state.newestAmount, amount)
      state.isNewestChanged = true
      return
    elseif state.newestAmount == 0 then
      -- A newest record that was corrected to nothing is used again, so that such records do not pile up.
      if length == 1 then state.oldest = at end
    else
      if state.isNewestChanged then fix(state) end
      state.last, state.before = state.last + 1, state.newest
    end
    state.newest, state.newestAmount, state.isNewestChanged = at, amount, true
  end

  -- Gives back to the record at or after an instant. Nearly always it is the newest, which is not read.
  local function giveBack(state, amount, at)
    if at <= state.before then return use('log').giveBack(state, amount, at) end
    local part = min(amount, state.newestAmount)
    state.newestAmount, state.isNewestChanged = state.newestAmount - part, true
    state.counted = state.counted - part
  end

  local function used(state)
    update(state)
    return state.limit[CHARGE_AT] == 'settle' and plus(state.counted, state.reserved) or state.counted
  end

  local function charge(state, amount)
    update(state)
    add(state, amount)
  end

  return {
    ${layoutOf([
      "number",
      "reserved",
      "counted",
      "oldest",
      "newest",
      "newestAmount",
      "before",
      "first",
      "last",
      "emptied",
      "leftUntil"
    ])},
    start = function(state)
      state.last = -1
    end,
    readyAt = function(state, amount, beside)
      if amount + beside > state.limit[MAX] then return NEVER end
      local excess = used(state) + beside + amount - state.limit[MAX]
      if excess <= 0 then return now end
      if excess > state.counted then return AFTER_SETTLEMENT end
      return use('log').whenFreed(state, excess) + state.limit[PERIOD]
    end,
    take = function(state, amount)
      state.reserved = plus(state.reserved, amount)
      if state.limit[CHARGE_AT] == 'reserve' then charge(state, amount) end
    end,
    settle = function(state, estimate, actual, takenAt)
      state.reserved = max(0, state.reserved - estimate)
      if state.limit[CHARGE_AT] == 'settle' then return actual end
      if actual < estimate and takenAt > state.leftUntil and state.last >= state.first then
        giveBack(state, estimate - actual, takenAt)
      end
      return max(0, actual - estimate)
    end,
    charge = charge,
    used = used,
    lasts = function(state)
      return state.limit[PERIOD]
    end,
    save = function(state, millis)
      if state.log or state.isRewritten then
        use('log').save(state, millis)
      elseif state.isNewestChanged then
        overwrite(logKey(state), state.last, state.newest, state.newestAmount)
      end
    end,
    -- Its log is kept for as long as the budget, and goes with the limit.
    keep = function(state, millis)
      if state.last >= state.first then call('PEXPIRE', logKey(state), written(millis)) end
    end,
    abandon = function(state)
      call('DEL', logKey(state))
    end
  }
end
`
