/**
 * What a batch asks for. Operations are one array of numbers, in which `at` is the place of the next one.
 *
 * Reservations of one route come in runs. Where all of them fit, they are one for the limits: what is asked of each of
 * them grows with the amount, so that the sum fits only if they fit one after the other.
 */
export const operations = `
modules.operations = function()
  local at, others = 1, nil

  local function budgetAt(place)
    local variant = variants[place]
    local budget = variant.budget
    if not budget then
      budget = budgetOf(variant.key)
      variant.budget = budget
    end
    touch(budget)
    if budget.variant ~= variant then follow(budget, variant) end
    return budget
  end

  -- The limits of a route, as they are now.
  local function along(number)
    local route = routes[number]
    for index = 1, #route do budgetAt(route[index]) end
    if route.changes == changes then return route end
    route.places, route.stops, route.shadows, route.changes = {}, {}, {}, changes
    for index, place in ipairs(route) do
      local variant = variants[place]
      route.places[index] = variant
      for _, state in ipairs(variant.budget.states) do
        route.stops[#route.stops + 1] = state
        route.shadows[#route.stops] = variant.isShadow
      end
    end
    return route
  end

  -- Takes an amount per limit. They come after a place in a list.
  local function take(route, amounts, from, count)
    for _, variant in ipairs(route.places) do
      local budget = variant.budget
      local held = heldOf(budget)
      if budget.pause then use('pause').takeSlot(budget.pause) end
      budget.open = plus(budget.open, count)
      held[1] = plus(held[1], count)
    end
    for index, state in ipairs(route.stops) do
      local amount = amounts[from + index]
      if amount > 0 then
        state.kind.take(state, amount)
        hold(state.budget.held, state, amount)
      end
    end
  end

  local function reserve(route, from, ticket, waits, isAhead)
    local stops, shadows = route.stops, route.shadows
    local turn = ticket or NEVER
    local worst, worstAt = nil, now
    for index, variant in ipairs(route.places) do
      local pause = variant.budget.pause
      if pause and not variant.isShadow then
        if pause.nextAt > worstAt then worst, worstAt = -index, pause.nextAt end
        if isAhead and now < pause.endsAt + GRADUAL_MILLIS and worstAt < AFTER_SETTLEMENT then
          worst, worstAt = -index, AFTER_SETTLEMENT
        end
      end
    end
    for index = 1, #stops do
      local amount = operations[from + index]
      if amount > 0 and not shadows[index] then
        local state = stops[index]
        local readyAt = state.kind.readyAt(state, amount, 0)
        if readyAt <= now and state.heads[1] then
          readyAt = isAhead and use('waiting').emptyAt(state) or use('waiting').passableAt(state, amount, turn)
        end
        if readyAt > worstAt then worst, worstAt = index, readyAt end
      end
    end
    if worst then return use('refuse')(route, from, ticket, waits, worst, worstAt) end
    for index = 1, #stops do
      local state, amount = stops[index], operations[from + index]
      if state.heads[1] then
        if amount > 0 and not shadows[index] then use('waiting').notePassing(state, amount, turn) end
        if ticket then use('waiting').remove(state.heads, ticket) end
      end
    end
    take(route, operations, from, isAhead and 0 or 1)
  end

  -- Whether nothing but amounts decides about reservations on a route.
  local function isPlain(route)
    for _, variant in ipairs(route.places) do
      local pause = variant.budget.pause
      if pause and now < pause.endsAt + GRADUAL_MILLIS then return false end
    end
    for _, state in ipairs(route.stops) do
      if state.heads[1] then return false end
    end
    return true
  end

  -- Takes so many reservations at once, if they all fit.
  local function takeRun(route, from, count)
    local stops, sums = route.stops, {}
    local width = #stops
    for index = 1, width do
      local sum = 0
      for place = from + index, from + (count - 1) * width + index, width do sum = sum + operations[place] end
      local state = stops[index]
      if sum > 0 and route.shadows[index] then
        if sum > MOST then return false end
      elseif sum > 0 and (sum > state.limit[MAX] or state.kind.used(state) + sum > state.limit[MAX]) then
        return false
      end
      sums[index] = sum
    end
    take(route, sums, 0, count)
    return true
  end

  local function reserveRun()
    local route, count, waits = along(operations[at + 1]), operations[at + 2], operations[at + 3] == 1
    local from, width, run = at + 3, #route.stops, count
    at = from + count * width + 1
    while count > 0 do
      run = min(run, count)
      if run > 1 and isPlain(route) and takeRun(route, from, run) then
        reserves, count, from, run = reserves + run, count - run, from + run * width, run * 2
      elseif run > 1 then
        run = floor(run / 2)
      else
        local refused = #refusals
        reserve(route, from, nil, waits)
        reserves, count, from = reserves + 1, count - 1, from + width
        if #refusals == refused then run = 2 end
      end
    end
  end

  local function reserveInTurn()
    local route = along(operations[at + 1])
    reserve(route, at + 3, operations[at + 2], operations[at + 3] == 1)
    reserves = reserves + 1
    at = at + 4 + #route.stops
  end

  -- Takes for calls that are yet to come.
  local function reserveAhead()
    local route = along(operations[at + 1])
    ahead = operations[at + 2]
    reserve(route, at + 2, nil, false, true)
    ahead = 0
    reserves = reserves + 1
    at = at + 3 + #route.stops
  end

  -- Ends reservations of one instant: what they held, what was used, and what each of them did not use, by limit.
  local function settle()
    local route, takenAt, count = along(operations[at + 1]), operations[at + 2], operations[at + 3]
    local countedAt = takenAt + operations[at + 4]
    local from, width = at + 4, #route.stops
    for _, variant in ipairs(route.places) do
      local budget = variant.budget
      local held = heldOf(budget)
      local known = min(count, held[1])
      held[1] = held[1] - known
      budget.open = max(0, budget.open - known)
    end
    for index, state in ipairs(route.stops) do
      local estimate, actual = operations[from + index], operations[from + width + index]
      -- A limit that does not know the reservation, because it is new, is charged with what was used.
      local known = min(estimate, amountHeld(state.budget.held, state))
      local used = min(estimate - operations[from + 2 * width + index], known)
      if known > 0 then hold(state.budget.held, state, -known) end
      local instant = state.limit[TAG] == 'SlidingWindow' and countedAt or takenAt
      charge(state, state.kind.settle(state, known, used, instant) + actual - used)
    end
    at = from + 3 * width + 1
  end

  -- Notes what was used along a route.
  local function spend()
    local route = along(operations[at + 1])
    for _, variant in ipairs(route.places) do
      local spent = spentOf(variant.budget)
      for index, field in ipairs(SPENT_FIELDS) do
        local amount = operations[at + 1 + index]
        if amount > 0 then spent[field] = plus(spent[field], amount) end
      end
    end
    at = at + 2 + #SPENT_FIELDS
  end

  local doers = { reserveRun, reserveInTurn, settle, spend, [11] = reserveAhead }
  while at <= #operations do
    local doer = doers[operations[at]]
    if doer then
      doer()
    else
      others = others or use('errands')(along, budgetAt, take)
      at = others.doNext(at)
    end
  end
  local sights, tightened = '', ''
  if others then sights, tightened = concat(others.sights, ','), concat(others.tightened, ',') end
  return '[' .. APPLIED .. ',' .. written(now) .. ',[' .. concat(refusals, ',') .. '],[' .. sights .. '],['
    .. tightened .. ']]'
end
`
