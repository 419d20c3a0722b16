/** What a batch asks for. Operations are one array of numbers, of which `at` is the next that is read. */
export const operations = `
local ASK_AGAIN_MILLIS = 5000
local at, reserves = 1, 0
local refusals, sights, tightened = {}, {}, {}

-- The limits of a route, as they are now.
local function along(number)
  local route = routes[number]
  for _, place in ipairs(route) do
    local variant = variants[place]
    variant.budget = variant.budget or budgetOf(variant.key)
    touch(variant.budget)
    follow(variant.budget, variant)
  end
  if route.changes == changes then return route end
  local stops, shadows, places = {}, {}, {}
  for index, place in ipairs(route) do
    places[index] = variants[place]
    for _, state in ipairs(variants[place].budget.states) do
      stops[#stops + 1] = state
      shadows[#stops] = variants[place].isShadow
    end
  end
  route.stops, route.shadows, route.places, route.changes = stops, shadows, places, changes
  return route
end

local function budgetNow(place)
  local variant = variants[place]
  variant.budget = variant.budget or budgetOf(variant.key)
  touch(variant.budget)
  follow(variant.budget, variant)
  return variant.budget
end

-- Adds an amount per limit, which begin after a place of the operations.
local function take(route, from, count)
  for _, variant in ipairs(route.places) do
    local budget = variant.budget
    if budget.pause then takeSlot(budget.pause) end
    budget.open = plus(budget.open, count)
    local held = heldOf(budget)
    held[1] = held[1] + count
  end
  for index, state in ipairs(route.stops) do
    local amount = operations[from + index]
    if amount > 0 then
      state.kind.take(state, amount)
      hold(state.budget.held, state, amount)
    end
  end
end

local function refuse(route, from, ticket, waits, index, readyAt)
  local asksAt = readyAt
  if readyAt >= AFTER_SETTLEMENT then asksAt = min(now + ASK_AGAIN_MILLIS, nextLapse()) end
  if not ticket and waits then
    tickets = tickets + 1
    ticket = tickets
  end
  local stop = route.stops[index]
  if ticket then
    for _, state in ipairs(route.stops) do
      if state ~= stop then removeHead(state.heads, name, ticket) end
    end
    if stop and waits and readyAt ~= NEVER then
      addHead(stop.heads, { name, ticket, operations[from + index], asksAt, 0, 0 })
    elseif stop then
      removeHead(stop.heads, name, ticket)
    end
    for _, variant in ipairs(route.places) do heldOf(variant.budget) end
  end
  local ready = readyAt == NEVER and '-1' or written(readyAt < AFTER_SETTLEMENT and readyAt - now or readyAt)
  refusals[#refusals + 1] = concat({
    written(reserves), written(index > 0 and index - 1 or index), ready, written(asksAt - now),
    stop and written(stop.kind.used(stop)) or '0', stop and written(stop.reserved) or '0', written(ticket or 0)
  }, ',')
end

local function reserve(route, from, ticket, waits)
  local stops, shadows = route.stops, route.shadows
  local turn = ticket or NEVER
  local worst, worstAt = nil, now
  for index, variant in ipairs(route.places) do
    local pause = variant.budget.pause
    if pause and not variant.isShadow and pause.nextAt > worstAt then worst, worstAt = -index, pause.nextAt end
  end
  for index = 1, #stops do
    local amount = operations[from + index]
    if amount > 0 and not shadows[index] then
      local state = stops[index]
      local readyAt = state.kind.readyAt(state, amount, 0)
      if readyAt <= now and state.heads[1] then readyAt = passableAt(state, amount, turn) end
      if readyAt > worstAt then worst, worstAt = index, readyAt end
    end
  end
  if worst then return refuse(route, from, ticket, waits, worst, worstAt) end
  for index = 1, #stops do
    local state = stops[index]
    if state.heads[1] then
      local amount = operations[from + index]
      if amount > 0 and not shadows[index] then notePassing(state, amount, turn) end
      if ticket then removeHead(state.heads, name, ticket) end
    end
  end
  take(route, from, 1)
end

local function spend(route, from)
  for _, variant in ipairs(route.places) do
    local spent = spentOf(variant.budget)
    for index = 1, #SPENT do spent[index] = plus(spent[index], operations[from + index]) end
    variant.budget.isCharged = true
  end
end

local function reserveMany()
  local route, count, waits = along(operations[at + 1]), operations[at + 2], operations[at + 3] == 1
  local from, width = at + 3, #route.stops
  for _ = 1, count do
    reserve(route, from, nil, waits)
    reserves = reserves + 1
    from = from + width
  end
  at = from + 1
end

local function reserveInTurn()
  local route = along(operations[at + 1])
  reserve(route, at + 3, operations[at + 2], operations[at + 3] == 1)
  reserves = reserves + 1
  at = at + 4 + #route.stops
end

-- Ends reservations of one instant: what they held, what was used, and what each of them did not use, by limit.
local function settle()
  local route, takenAt, count = along(operations[at + 1]), operations[at + 2], operations[at + 3]
  local width = #route.stops
  local from = at + 3
  for _, variant in ipairs(route.places) do
    local budget = variant.budget
    local held = heldOf(budget)
    local known = min(count, held[1])
    held[1] = held[1] - known
    budget.open = max(0, budget.open - known)
  end
  for index, state in ipairs(route.stops) do
    local estimate = operations[from + index]
    local actual = operations[from + width + index]
    -- A limit that does not know the reservation, because it is new, is charged with what was used.
    local known = min(estimate, amountHeld(state.budget.held, state))
    local used = min(estimate - operations[from + 2 * width + index], known)
    if known > 0 then hold(state.budget.held, state, -known) end
    local owed = state.kind.settle(state, known, used, takenAt)
    charge(state, owed + actual - used)
  end
  spend(route, from + 3 * width)
  at = from + 3 * width + #SPENT + 1
end

local function chargeAll()
  local route = along(operations[at + 1])
  local width = #route.stops
  for index, state in ipairs(route.stops) do charge(state, operations[at + 1 + index]) end
  spend(route, at + 1 + width)
  at = at + 2 + width + #SPENT
end

local function assert()
  local route = along(operations[at + 1])
  take(route, at + 2, operations[at + 2])
  at = at + 3 + #route.stops
end

local function withdraw()
  local route = along(operations[at + 1])
  for _, state in ipairs(route.stops) do removeHead(state.heads, name, operations[at + 2]) end
  for _, variant in ipairs(route.places) do heldOf(variant.budget) end
  at = at + 3
end

local function pauseBudget()
  pauseUntil(budgetNow(operations[at + 1]), now + operations[at + 2], operations[at + 3])
  at = at + 4
end

local function tighten()
  local budget, remaining, count = budgetNow(operations[at + 1]), operations[at + 2], operations[at + 3]
  for index = at + 4, at + 3 + count do
    local state = budget.states[operations[index]]
    local by = max(0, state.max - state.kind.used(state) - remaining)
    charge(state, by)
    tightened[#tightened + 1] = written(by)
  end
  at = at + 4 + count
end

local function look()
  local budget = budgetNow(operations[at + 1])
  for _, state in ipairs(budget.states) do sights[#sights + 1] = written(state.kind.used(state)) end
  for _, state in ipairs(budget.states) do sights[#sights + 1] = written(state.reserved) end
  sights[#sights + 1] = written(budget.open)
  for _, amount in ipairs(spentOf(budget)) do sights[#sights + 1] = written(amount) end
  sights[#sights + 1] = written(budget.pause and max(0, budget.pause.endsAt - now) or 0)
  at = at + 2
end

local function doAll()
  local doers = { reserveMany, reserveInTurn, settle, chargeAll, assert, withdraw, pauseBudget, tighten, look }
  while at <= #operations do doers[operations[at]]() end
  return '[' .. APPLIED .. ',' .. written(now) .. ',[' .. concat(refusals, ',') .. '],[' .. concat(sights, ',') .. '],['
    .. concat(tightened, ',') .. ']]'
end
`
