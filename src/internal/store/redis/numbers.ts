/**
 * Arithmetic on whole numbers up to 2^53 - 1, which Lua's doubles hold exactly. Sums stay at that bound, so that no
 * counter becomes inexact, and numbers are written with all their digits: Lua by itself writes fourteen.
 */
export const numbers = `
local MOST = 9007199254740991
local AFTER_SETTLEMENT, NEVER = MOST, math.huge
local floor, ceil, fmod, min, max = math.floor, math.ceil, math.fmod, math.min, math.max
local format, sub, concat = string.format, string.sub, table.concat

local function written(number)
  return format('%.0f', number)
end

local function plus(a, b)
  return min(a + b, MOST)
end

-- Quotient and remainder of (a * b + c) / divisor, exact also where the product exceeds 2^53: bit by bit then.
local function divide(a, b, c, divisor)
  local dividend = a * b + c
  if a * b <= MOST and dividend <= MOST then
    local rest = fmod(dividend, divisor)
    return (dividend - rest) / divisor, rest
  end
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
  local part = fmod(b, divisor)
  local whole = (b - part) / divisor
  local bit = 4503599627370496
  while bit >= 1 do
    quotient = quotient * 2
    add(0, rest)
    if a >= bit then
      a = a - bit
      add(whole, part)
    end
    bit = bit / 2
  end
  part = fmod(c, divisor)
  if part < 0 then part = part + divisor end
  add((c - part) / divisor, part)
  return min(quotient, MOST), rest
end
`
