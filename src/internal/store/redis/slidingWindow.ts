/**
 * A rolling window. Its log is a string of records of 32 digits: an instant and the amount that was taken then, oldest
 * first. It is read in pages, and only where something expires, is given back, or has to wait; the totals and both ends
 * of it are in the budget's hash, so that taking an amount reads nothing.
 *
 * While many instants are live, new ones are put off to the end of their quantum, a thousandth of the window, and share
 * one record.
 */
export const slidingWindow = `
kinds.SlidingWindow = function()
  local DIGITS, RECORD, PAGE = 16, 32, 64
  local EXACT_INSTANTS, EMPTIED_MAX, FIRST_MAX = 1024, 1024, 1024

  local function forget(state)
    state.pages, state.instants, state.changed, state.changes, state.sums = {}, {}, {}, 0, nil
  end

  local function record(state, index)
    local number = floor(index / PAGE)
    local page = state.pages[number]
    if not page then
      local from = number * PAGE * RECORD
      page = call('GETRANGE', state.log, written(from), written(from + PAGE * RECORD - 1))
      state.pages[number] = page
    end
    return page, index % PAGE * RECORD
  end

  -- What cannot be read was lost: it counts as long gone.
  local function instantOf(state, index)
    if index == state.last then return state.newest end
    local instant = state.instants[index]
    if not instant then
      local page, from = record(state, index)
      instant = tonumber(sub(page, from + 1, from + DIGITS))
      state.isLost = state.isLost or not instant
      instant = instant or 0
      state.instants[index] = instant
    end
    return instant
  end

  local function amountOf(state, index)
    if index == state.last then return state.newestAmount end
    local amount = state.changed[index]
    if amount then return amount end
    local page, from = record(state, index)
    return tonumber(sub(page, from + DIGITS + 1, from + RECORD)) or 0
  end

  local function change(state, index, amount)
    if index == state.last then
      state.newestAmount = amount
      return
    end
    if not state.changed[index] then state.changes = state.changes + 1 end
    state.changed[index] = amount
  end

  local function clear(state)
    state.counted, state.first, state.last, state.emptied = 0, 0, -1, 0
    state.isRewritten = true
    forget(state)
  end

  local function recount(state)
    local counted = 0
    for index = state.first, state.last do counted = plus(counted, amountOf(state, index)) end
    state.counted = counted
    state.isLost, state.isRewritten = false, true
  end

  local function drop(state, instant)
    if instant > state.leftUntil then state.leftUntil = instant end
    if state.last < state.first or state.oldest > instant then return end
    local first, oldest = state.first, nil
    repeat
      local amount = amountOf(state, first)
      state.counted = state.counted - amount
      if first == state.last then return clear(state) end
      if amount == 0 then state.emptied = state.emptied - 1 end
      first = first + 1
      state.first = first
      oldest = instantOf(state, first)
    until oldest > instant
    state.oldest = oldest
    state.sums = nil
    if state.isLost then recount(state) end
  end

  local function add(state, amount)
    state.counted = plus(state.counted, amount)
    local at = now
    if state.last - state.first + 1 - state.emptied >= EXACT_INSTANTS then
      at = ceil(now / state.quantum) * state.quantum
    end
    if state.last >= state.first then
      if state.newest >= at then
        state.newestAmount = plus(state.newestAmount, amount)
        return
      end
      -- A newest record that was corrected to nothing is used again, so that such records do not pile up.
      if state.newestAmount == 0 then
        state.newest, state.newestAmount = at, amount
        if state.last == state.first then state.oldest = at end
        return
      end
      local last = state.last
      local isChanged = state.was.newest ~= state.newest or state.was.newestAmount ~= state.newestAmount
      state.last = last + 1
      state.instants[last] = state.newest
      if isChanged then change(state, last, state.newestAmount) end
    else
      clear(state)
      state.counted, state.last, state.oldest = amount, 0, at
    end
    state.newest, state.newestAmount = at, amount
  end

  -- The first record at or after an instant.
  local function find(state, at)
    local low, high = state.first, state.last
    if state.newest <= at then return high end
    while low < high do
      local middle = floor((low + high) / 2)
      if instantOf(state, middle) < at then low = middle + 1 else high = middle end
    end
    return low
  end

  local function giveBack(state, amount, at)
    if at <= state.leftUntil or state.last < state.first then return end
    local index = find(state, at)
    local held = amountOf(state, index)
    amount = min(amount, held)
    state.counted = state.counted - amount
    change(state, index, held - amount)
    if held > 0 and held == amount and index ~= state.last then state.emptied = state.emptied + 1 end
    state.sums = nil
  end

  -- The instant of the record with which the oldest sum up to an amount. Sums are kept: many may ask in one call.
  local function whenFreed(state, amount)
    local sums = state.sums or { [0] = 0, count = 0 }
    state.sums = sums
    local first, others = state.first, state.last - state.first
    while sums.count < others and sums[sums.count] < amount do
      sums[sums.count + 1] = sums[sums.count] + amountOf(state, first + sums.count)
      sums.count = sums.count + 1
    end
    if sums[sums.count] < amount then return state.newest end
    local low, high = 1, sums.count
    while low < high do
      local middle = floor((low + high) / 2)
      if sums[middle] < amount then low = middle + 1 else high = middle end
    end
    return instantOf(state, first + low - 1)
  end

  local function counted(state)
    drop(state, now - state.period)
    return state.counted
  end

  local function rewrite(state, millis)
    local records = {}
    for index = state.first, state.last do
      local amount = amountOf(state, index)
      if amount > 0 or index == state.last then
        records[#records + 1] = format('%016.0f%016.0f', instantOf(state, index), amount)
      end
    end
    if state.last > state.first then state.oldest = tonumber(sub(records[1], 1, DIGITS)) end
    state.first, state.last, state.emptied = 0, #records - 1, 0
    call('SET', state.log, concat(records), 'PX', written(millis))
  end

  local function overwrite(state, index, instant, amount)
    call('SETRANGE', state.log, written(index * RECORD), format('%016.0f%016.0f', instant, amount))
  end

  local function save(state, millis)
    local length = state.last - state.first + 1
    if length == 0 then
      if state.was.last and state.was.last >= state.was.first then call('DEL', state.log) end
      return
    end
    local isSparse = state.emptied >= EMPTIED_MAX or (state.first >= FIRST_MAX and state.first >= length)
    if state.isRewritten or isSparse or state.changes * 2 > length + PAGE then return rewrite(state, millis) end
    for index, amount in pairs(state.changed) do
      if index >= state.first then overwrite(state, index, instantOf(state, index), amount) end
    end
    local was = state.was
    if was.last ~= state.last or was.newest ~= state.newest or was.newestAmount ~= state.newestAmount then
      overwrite(state, state.last, state.newest, state.newestAmount)
    end
  end

  return {
    fields = {
      'reserved', 'counted', 'oldest', 'newest', 'newestAmount', 'first', 'last', 'emptied', 'leftUntil'
    },
    start = function(state)
      state.last = -1
    end,
    adopt = function(state)
      state.quantum = max(1, floor(state.period / 1000))
      if state.log then return end
      state.log = logKey(state)
      forget(state)
    end,
    readyAt = function(state, amount, beside)
      if amount + beside > state.max then return NEVER end
      local used = counted(state)
      if state.chargeAt == 'settle' then used = used + state.reserved end
      local excess = used + beside + amount - state.max
      if excess <= 0 then return now end
      if excess > state.counted then return AFTER_SETTLEMENT end
      return whenFreed(state, excess) + state.period
    end,
    take = function(state, amount)
      state.reserved = plus(state.reserved, amount)
      if state.chargeAt == 'reserve' then
        drop(state, now - state.period)
        add(state, amount)
      end
    end,
    settle = function(state, estimate, actual, takenAt)
      state.reserved = max(0, state.reserved - estimate)
      if state.chargeAt == 'settle' then return actual end
      if actual < estimate then giveBack(state, estimate - actual, takenAt) end
      return max(0, actual - estimate)
    end,
    charge = function(state, amount)
      drop(state, now - state.period)
      add(state, amount)
    end,
    used = function(state)
      local used = counted(state)
      return state.chargeAt == 'settle' and plus(used, state.reserved) or used
    end,
    lasts = function(state)
      return state.period
    end,
    save = save,
    -- Its log is told to be kept for longer, or is dropped with the limit.
    keep = function(state, millis)
      if state.last >= state.first then call('PEXPIRE', state.log, written(millis)) end
    end,
    drop = function(state)
      call('DEL', state.log)
    end
  }
end
`
