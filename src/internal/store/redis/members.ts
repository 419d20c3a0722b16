/**
 * The members of a group: what each has been answered, when its lease ends, and what it holds.
 *
 * What it holds of a budget is one field of its hash: how many reservations, and how much at each limit, with the
 * number of the limit's state: a limit that was replaced by another of its name, or was lost, is not the one that it
 * holds something of. The field is there as long as the member holds something, or waits there.
 */
export const members = `
local REMEMBER_LAPSED_MILLIS = 86400000
local members, member = base .. 'members', base .. 'member:' .. name

-- How much of what is held is held of a state.
local function amountHeld(held, state)
  local entry = held[2][state.limit[NAME]]
  return entry and entry[1] == state.number and entry[2] or 0
end

local heldOf, hold, saveHeld = (function()
  local function heldOf(budget)
    if not budget.held then
      budget.heldText = call('HGET', member, 'held/' .. budget.key)
      budget.held = budget.heldText and cjson.decode(budget.heldText) or { 0, {} }
      budget.isHeldChanged = true
    end
    return budget.held
  end

  local function hold(held, state, amount)
    local entry = held[2][state.limit[NAME]]
    if not entry or entry[1] ~= state.number then
      entry = { state.number, 0 }
      held[2][state.limit[NAME]] = entry
    end
    entry[2] = plus(entry[2], amount)
  end

  local function waitsAt(budget)
    for _, heads in pairs(budget.heads) do
      if heads[1] and use('waiting').isAt(heads) then return true end
    end
    return false
  end

  -- What is held of each limit. Nothing where nothing is.
  local function entriesOf(budget, held)
    local texts = {}
    for _, state in ipairs(budget.all) do
      local amount = amountHeld(held, state)
      if amount > 0 then
        texts[#texts + 1] = cjson.encode(state.limit[NAME]) .. format(':[%.0f,%.0f]', state.number, amount)
      end
    end
    return concat(texts, ',')
  end

  -- Adds to a list what has changed in what this member holds, and to another what it does not hold any more.
  local function saveHeld(budget, puts, gone)
    if not budget.isHeldChanged then return end
    local field, count, entries = 'held/' .. budget.key, budget.held[1], entriesOf(budget, budget.held)
    if count > 0 or entries ~= '' or waitsAt(budget) then
      local text = '[' .. written(count) .. ',{' .. entries .. '}]'
      if text == budget.heldText then return end
      puts[#puts + 1] = field
      puts[#puts + 1] = text
    elseif budget.heldText then
      gone[#gone + 1] = field
    end
  end

  return heldOf, hold, saveHeld
end)()
`
