/**
 * Who waits at the limits, as `waitingHeads.ts` says. A head is an array, and those of a limit are one field of its
 * budget's hash.
 */
export const waiting = `
-- The heads of a limit at which nobody waits.
local NOBODY = {}

modules.waiting = function()
  local PASSED_MAX, LATE_MAX_MILLIS, HEADS_MAX, WAKE_AGAIN_MILLIS = 8, 1000, 64, 20
  local MEMBER, TICKET, AMOUNT, ASKS_AT, PASSED, WOKEN_AT = 1, 2, 3, 4, 5, 6
  local told = {}

  -- Removes the heads of which a test says that they are gone, and says whether there were any.
  local function removeAll(heads, isGone)
    local count, kept = #heads, 0
    for index = 1, count do
      local head = heads[index]
      heads[index] = nil
      if not isGone(head) then
        kept = kept + 1
        heads[kept] = head
      end
    end
    heads.isChanged = heads.isChanged or kept < count
    return kept < count
  end

  -- Who has waited longest. Who does not come any more is forgotten.
  local function first(heads)
    if not heads.isPruned then
      removeAll(heads, function(head) return head[ASKS_AT] + LATE_MAX_MILLIS < now end)
      heads.isPruned = true
    end
    return heads[1]
  end

  -- Who has waited longest, if longer than a request: of the same member, too, as it may ask for several at once.
  local function ahead(heads, ticket)
    local head = first(heads)
    if head and head[TICKET] < ticket then return head end
  end

  local function headsToChange(state)
    if state.heads == NOBODY then
      state.heads = { isPruned = true }
      state.budget.heads[state.limit[NAME]] = state.heads
    end
    state.heads.isChanged = true
    return state.heads
  end

  -- Whether a request may move the start of a head that it goes before.
  local function delays(state, head, amount)
    local readyAt = state.kind.readyAt(state, head[AMOUNT], 0)
    if readyAt == NEVER then return false end
    local isKnown = readyAt > now and readyAt < AFTER_SETTLEMENT
    return not isKnown or state.kind.readyAt(state, head[AMOUNT], amount) > readyAt
  end

  return {
    written = function(heads)
      local texts = {}
      for index, head in ipairs(heads) do
        texts[index] = '[' .. cjson.encode(head[MEMBER]) .. ',' .. written(head[TICKET]) .. ','
          .. written(head[AMOUNT]) .. ',' .. written(head[ASKS_AT]) .. ',' .. written(head[PASSED]) .. ','
          .. written(head[WOKEN_AT]) .. ']'
      end
      return '[' .. concat(texts, ',') .. ']'
    end,

    add = function(state, ticket, amount, asksAt)
      local heads = headsToChange(state)
      for index, known in ipairs(heads) do
        if known[MEMBER] == name then
          if known[TICKET] == ticket then known[ASKS_AT], known[WOKEN_AT] = asksAt, 0 end
          if known[TICKET] <= ticket then return end
          table.remove(heads, index)
          break
        end
      end
      if #heads == HEADS_MAX then return end
      local place = #heads + 1
      while place > 1 and heads[place - 1][TICKET] > ticket do place = place - 1 end
      table.insert(heads, place, { name, ticket, amount, asksAt, 0, 0 })
    end,

    remove = function(heads, ticket)
      return removeAll(heads, function(head) return head[MEMBER] == name and head[TICKET] == ticket end)
    end,

    removeMember = function(heads, member)
      return removeAll(heads, function(head) return head[MEMBER] == member end)
    end,

    isAt = function(heads)
      for _, head in ipairs(heads) do
        if head[MEMBER] == name then return true end
      end
      return false
    end,

    -- When what is taken ahead may go: where nobody waits.
    emptyAt = function(state)
      return first(state.heads) and AFTER_SETTLEMENT or now
    end,

    -- When a request that there is room for may go before those who have waited longer.
    passableAt = function(state, amount, ticket)
      local head = ahead(state.heads, ticket)
      if not head or head[PASSED] < PASSED_MAX or not delays(state, head, amount) then return now end
      local readyAt = state.kind.readyAt(state, head[AMOUNT], 0)
      return readyAt > now and readyAt or AFTER_SETTLEMENT
    end,

    -- Notes that a request goes before those who have waited longer.
    notePassing = function(state, amount, ticket)
      local head = ahead(state.heads, ticket)
      if not head or not delays(state, head, amount) then return end
      head[PASSED] = head[PASSED] + 1
      state.heads.isChanged = true
    end,

    -- Tells who has waited longest, if there is room for it. A member is told once in a call.
    wake = function(state)
      local head = first(state.heads)
      if not head or state.kind.readyAt(state, head[AMOUNT], 0) > now then return end
      if now - head[WOKEN_AT] < WAKE_AGAIN_MILLIS then return end
      head[WOKEN_AT] = now
      state.heads.isChanged = true
      local member = head[MEMBER]
      if not told[member] then call('PUBLISH', string.match(base, '^[^{]*') .. 'wake', base .. member) end
      told[member] = true
    end
  }
end
`
