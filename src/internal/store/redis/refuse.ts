/** What is said to a reservation that is not let in, and its place among those that wait. */
export const refuse = `
-- How many reservations were asked for, and what was refused: their numbers, from zero, and why.
local reserves, refusals = 0, {}

modules.refuse = function()
  local ASK_AGAIN_MILLIS = 5000

  -- When the lease of another member ends next.
  local nextLapseAt
  local function nextLapse()
    if not nextLapseAt then
      local first = call('ZRANGE', members, '0', '1', 'WITHSCORES')
      local at = first[1] == name and first[4] or first[1] ~= name and first[2]
      nextLapseAt = max(tonumber(at or NEVER), now + 1)
    end
    return nextLapseAt
  end

  return function(route, from, ticket, waits, index, readyAt)
    local stop = route.stops[index]
    local asksAt = readyAt
    if readyAt >= AFTER_SETTLEMENT then asksAt = min(now + ASK_AGAIN_MILLIS, nextLapse()) end
    if not ticket and waits then
      tickets = tickets + 1
      ticket = tickets
    end
    if ticket then
      local isHead = stop and waits and readyAt ~= NEVER
      for _, state in ipairs(route.stops) do
        if state.heads[1] and not (isHead and state == stop) then use('waiting').remove(state.heads, ticket) end
      end
      if isHead then use('waiting').add(stop, ticket, operations[from + index], asksAt) end
      for _, variant in ipairs(route.places) do heldOf(variant.budget) end
    end
    refusals[#refusals + 1] = format('%.0f,%.0f,%.0f,%.0f,%.0f,%.0f,%.0f', reserves, index > 0 and index - 1 or index,
      readyAt == NEVER and -1 or readyAt < AFTER_SETTLEMENT and readyAt - now or readyAt, asksAt - now,
      stop and stop.kind.used(stop) or 0, stop and stop.reserved or 0, ticket or 0)
  end
end
`
