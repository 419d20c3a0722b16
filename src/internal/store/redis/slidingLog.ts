/**
 * The log of a rolling window: a string of records of 32 digits, an instant and the amount that was taken then, oldest
 * first. It is read in pages, and only where something expires, is given back, or has to wait.
 */
export const slidingLog = `
local function logKey(state)
  local key = state.budget.key
  if string.find(key, '[%%:]') then key = string.gsub(key, '[%%:]', { ['%'] = '%25', [':'] = '%3A' }) end
  return base .. 'window:' .. key .. ':' .. state.limit[NAME]
end

local function overwrite(key, index, instant, amount)
  call('SETRANGE', key, written(index * 32), format('%016.0f%016.0f', instant, amount))
end

modules.log = function()
  local DIGITS, RECORD, PAGE = 16, 32, 64
  local EMPTIED_MAX, FIRST_MAX = 1024, 1024

  local function logOf(state)
    local log = state.log
    if not log then
      log = { key = logKey(state), pages = {}, instants = {}, changed = {}, changes = 0 }
      state.log = log
    end
    return log
  end

  local function record(log, index)
    local number = floor(index / PAGE)
    local page = log.pages[number]
    if not page then
      local from = number * PAGE * RECORD
      page = call('GETRANGE', log.key, written(from), written(from + PAGE * RECORD - 1))
      log.pages[number] = page
    end
    return page, index % PAGE * RECORD
  end

  -- What cannot be read was lost: it counts as long gone.
  local function instantOf(state, index)
    if index == state.last then return state.newest end
    local log = logOf(state)
    local instant = log.instants[index]
    if not instant then
      local page, from = record(log, index)
      instant = tonumber(sub(page, from + 1, from + DIGITS))
      log.isLost = log.isLost or not instant
      instant = instant or 0
      log.instants[index] = instant
    end
    return instant
  end

  local function amountOf(state, index)
    if index == state.last then return state.newestAmount end
    local log = logOf(state)
    local amount = log.changed[index]
    if amount then return amount end
    local page, from = record(log, index)
    return tonumber(sub(page, from + DIGITS + 1, from + RECORD)) or 0
  end

  local function change(state, index, amount)
    if index == state.last then
      state.newestAmount, state.isNewestChanged = amount, true
      return
    end
    local log = logOf(state)
    if not log.changed[index] then log.changes = log.changes + 1 end
    log.changed[index] = amount
  end

  -- Pages that were read do not have the newest record as it is, which is about to be followed by another.
  local function fix(state)
    local log = logOf(state)
    log.instants[state.last] = state.newest
    log.changed[state.last] = state.newestAmount
    log.changes = log.changes + 1
  end

  local function drop(state, instant)
    local log = logOf(state)
    local first, oldest = state.first, nil
    repeat
      local amount = amountOf(state, first)
      if first == state.last then
        state.counted, state.first, state.last, state.emptied = 0, 0, -1, 0
        state.log, state.isRewritten = nil, true
        return
      end
      state.counted = state.counted - amount
      if amount == 0 then state.emptied = state.emptied - 1 end
      first = first + 1
      oldest = instantOf(state, first)
    until oldest > instant
    state.first, state.oldest, log.sums = first, oldest, nil
    if not log.isLost then return end
    state.counted, state.isRewritten = 0, true
    for index = first, state.last do state.counted = plus(state.counted, amountOf(state, index)) end
  end

  -- The first record at or after an instant: nearly always one of the newest, which are looked at first.
  local function find(state, at)
    local low, high, step = state.first, state.last, 1
    if state.newest <= at then return high end
    while high - step >= low and instantOf(state, high - step) >= at do
      high = high - step
      step = step * 2
    end
    low = max(low, high - step + 1)
    while low < high do
      local middle = floor((low + high) / 2)
      if instantOf(state, middle) < at then low = middle + 1 else high = middle end
    end
    return low
  end

  -- Where something had been added for a later instant before, what was added is in a later record.
  local function giveBack(state, amount, at)
    local index = find(state, at)
    while amount > 0 and index <= state.last do
      local held = amountOf(state, index)
      local part = min(amount, held)
      if part > 0 then change(state, index, held - part) end
      if part > 0 and part == held and index ~= state.last then state.emptied = state.emptied + 1 end
      state.counted = state.counted - part
      amount = amount - part
      index = index + 1
    end
    logOf(state).sums = nil
  end

  -- The instant of the record with which the oldest sum up to an amount. Sums are kept: many may ask in one call.
  local function whenFreed(state, amount)
    local log = logOf(state)
    local sums = log.sums or { [0] = 0, count = 0 }
    log.sums = sums
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

  local function rewrite(state, key, millis)
    local records = {}
    for index = state.first, state.last do
      local amount = amountOf(state, index)
      if amount > 0 or index == state.last then
        if #records == 0 then state.oldest = instantOf(state, index) end
        records[#records + 1] = format('%016.0f%016.0f', instantOf(state, index), amount)
      end
    end
    state.first, state.last, state.emptied = 0, #records - 1, 0
    call('SET', key, concat(records), 'PX', written(millis))
  end

  local function save(state, millis)
    local length, log = state.last - state.first + 1, state.log
    local key = log and log.key or logKey(state)
    if length == 0 then return call('DEL', key) end
    local isSparse = state.emptied >= EMPTIED_MAX or (state.first >= FIRST_MAX and state.first >= length)
    local changes = log and log.changes or 0
    if state.isRewritten or isSparse or changes * 2 > length + PAGE then return rewrite(state, key, millis) end
    for index, amount in pairs(log.changed) do
      if index >= state.first then overwrite(key, index, instantOf(state, index), amount) end
    end
    if state.isNewestChanged then overwrite(key, state.last, state.newest, state.newestAmount) end
  end

  return { drop = drop, giveBack = giveBack, whenFreed = whenFreed, fix = fix, save = save }
end
`
