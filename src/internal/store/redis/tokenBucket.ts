import { layoutOf } from "./numbers.ts"

/**
 * A bucket: a level of whole units and the exact fraction that has flowed in since. Its peaks are the highest levels
 * since older instants, which bound what a refund is still worth: pairs of an instant and a level.
 */
export const tokenBucket = `
modules.TokenBucket = function()
  local PEAKS_MAX = 64

  -- Quotient and remainder of (a * b + c) / divisor, where the product exceeds 2^53: bit by bit.
  local function divideLong(a, b, c, divisor)
    local quotient, rest = 0, 0
    local function add(whole, part)
      quotient = quotient + whole
      if rest >= divisor - part then
        rest = rest - (divisor - part)
        quotient = quotient + 1
      else
        rest = rest + part
      end
    end
    local part = math.fmod(b, divisor)
    local whole = (b - part) / divisor
    local bit = ${2 ** 52}
    while bit >= 1 do
      quotient = quotient * 2
      add(0, rest)
      if a >= bit then
        a = a - bit
        add(whole, part)
      end
      bit = bit / 2
    end
    part = math.fmod(c, divisor)
    if part < 0 then part = part + divisor end
    add((c - part) / divisor, part)
    return min(quotient, MOST), rest
  end

  local function divide(a, b, c, divisor)
    local dividend = a * b + c
    if a * b > MOST or dividend > MOST then return divideLong(a, b, c, divisor) end
    local rest = math.fmod(dividend, divisor)
    return (dividend - rest) / divisor, rest
  end

  local function millisToGain(state, units)
    local whole, rest = divide(units, state.limit[REFILL_MILLIS], -state.fraction, state.limit[REFILL])
    return rest > 0 and whole + 1 or whole
  end

  local function fill(state)
    local elapsed = now - state.filledAt
    if elapsed <= 0 then return end
    if state.level >= state.limit[MAX] or elapsed >= millisToGain(state, state.limit[MAX] - state.level) then
      state.level, state.fraction, state.filledAt = state.limit[MAX], 0, now
      return
    end
    local gained, fraction = divide(elapsed, state.limit[REFILL], state.fraction, state.limit[REFILL_MILLIS])
    state.level, state.fraction, state.filledAt = state.level + gained, fraction, now
  end

  local function ceilingOf(state)
    return state.fraction > 0 and state.level + 1 or state.level
  end

  local function peaksOf(state)
    if not state.peaks then
      state.peaks = cjson.decode(not state.isNew and state.budget.stored['peaks/' .. state.limit[NAME]] or '[]')
    end
    return state.peaks
  end

  local function note(state, level)
    local peaks = peaksOf(state)
    while #peaks > 0 and peaks[#peaks][2] <= level do peaks[#peaks] = nil end
    if #peaks > 0 and peaks[#peaks][1] == now then return end
    if #peaks == PEAKS_MAX then
      -- Neighbours become the later instant with the higher level, which can only make a refund smaller.
      for index = 1, PEAKS_MAX / 2 do peaks[index] = { peaks[2 * index][1], peaks[2 * index - 1][2] } end
      for index = PEAKS_MAX / 2 + 1, PEAKS_MAX do peaks[index] = nil end
    end
    peaks[#peaks + 1] = { now, level }
    state.hasNewPeaks = true
  end

  local function firstAfter(peaks, instant)
    for index = 1, #peaks do
      if peaks[index][1] > instant then return index end
    end
    return #peaks + 1
  end

  local function raise(state, amount, instant)
    local peaks = peaksOf(state)
    local first = firstAfter(peaks, instant)
    if first > #peaks then return end
    for index = first, #peaks do peaks[index][2] = peaks[index][2] + amount end
    local exceeded = first
    while exceeded > 1 and peaks[exceeded - 1][2] <= peaks[first][2] do exceeded = exceeded - 1 end
    for _ = exceeded, first - 1 do table.remove(peaks, exceeded) end
    state.hasNewPeaks = true
  end

  local function giveBack(state, amount, takenAt)
    local peaks = peaksOf(state)
    local peak = ceilingOf(state)
    local first = peaks[firstAfter(peaks, takenAt)]
    if first then peak = max(peak, first[2]) end
    local worth = max(0, min(amount, state.limit[MAX] - peak))
    state.level = state.level + worth
    raise(state, worth, takenAt)
  end

  local function charge(state, amount)
    fill(state)
    if state.reserved > 0 then note(state, ceilingOf(state)) end
    state.level = max(-MOST, state.level - amount)
  end

  return {
    ${layoutOf(["number", "reserved", "level", "fraction", "filledAt"])},
    start = function(state)
      state.level = state.limit[MAX]
    end,
    readyAt = function(state, amount, beside)
      if amount + beside > state.limit[MAX] then return NEVER end
      fill(state)
      local missing = amount + beside - state.level
      return missing <= 0 and now or plus(state.filledAt, millisToGain(state, missing))
    end,
    take = function(state, amount)
      charge(state, amount)
      state.reserved = plus(state.reserved, amount)
    end,
    settle = function(state, estimate, actual, takenAt)
      state.reserved = max(0, state.reserved - estimate)
      if actual < estimate then giveBack(state, estimate - actual, takenAt) end
      if state.reserved == 0 and #peaksOf(state) > 0 then
        state.peaks, state.hasNewPeaks = {}, true
      end
      return max(0, actual - estimate)
    end,
    charge = charge,
    used = function(state)
      fill(state)
      return min(state.limit[MAX] - state.level, MOST)
    end,
    -- What was used stays used: a bucket that grows does not become fuller than its inflow makes it.
    update = function(state, limit)
      local former = state.limit
      local isSameRate = limit[REFILL] == former[REFILL] and limit[REFILL_MILLIS] == former[REFILL_MILLIS]
      if limit[MAX] == former[MAX] and isSameRate then return end
      fill(state)
      if limit[REFILL_MILLIS] ~= former[REFILL_MILLIS] then state.fraction = 0 end
      local grown = limit[MAX] - former[MAX]
      state.level = state.level + grown
      raise(state, grown, -1)
    end,
    lasts = function(state)
      return state.level >= state.limit[MAX] and 0 or millisToGain(state, state.limit[MAX] - state.level)
    end,
    save = function(state, _, put)
      if not state.hasNewPeaks then return end
      local texts = {}
      for index, peak in ipairs(state.peaks) do
        texts[index] = '[' .. written(peak[1]) .. ',' .. written(peak[2]) .. ']'
      end
      put('peaks/' .. state.limit[NAME], '[' .. concat(texts, ',') .. ']')
    end
  }
end
`
