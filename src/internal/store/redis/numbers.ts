/**
 * Whole numbers up to 2^53 - 1, which Lua's doubles hold exactly. Sums stay at that bound, so that no counter becomes
 * inexact, and numbers are written with all their digits: Lua by itself writes fourteen.
 */
export const numbers = `
local MOST = ${Number.MAX_SAFE_INTEGER}
local AFTER_SETTLEMENT, NEVER = MOST, math.huge
local floor, ceil, min, max = math.floor, math.ceil, math.min, math.max
local format, sub, concat = string.format, string.sub, table.concat

local function written(number)
  return format('%.0f', number)
end

local function plus(a, b)
  local sum = a + b
  return sum > MOST and MOST or sum
end
`

/**
 * How numbers are kept in one field of a hash: as JSON, which is read fast and which a person can read, too. These are
 * the Lua expressions of what is read where there is nothing yet, and of what writes the numbers of a table. It names
 * each of them: a loop over their names took three times as long.
 */
export const layoutOf = (names: ReadonlyArray<string>): string =>
  [
    `zeros = '{${names.map((name) => `"${name}":0`).join(",")}}'`,
    `written = function(of)
      return format('{${names.map((name) => `"${name}":%.0f`).join(",")}}', ${names.map((name) => `of.${name}`).join(", ")})
    end`
  ].join(",\n    ")
