/**
 * Who waits at the limits, as `waitingHeads.ts` says. A head is an array, and those of a limit are one field of its
 * budget's hash.
 */
export const waiting = `
local PASSED_MAX, LATE_MAX_MILLIS, HEADS_MAX, WAKE_AGAIN_MILLIS = 8, 1000, 64, 20
local MEMBER, TICKET, AMOUNT, ASKS_AT, PASSED, WOKEN_AT = 1, 2, 3, 4, 5, 6

local function readHeads(text)
  local heads = text and cjson.decode(text) or {}
  heads.isPruned = #heads == 0
  return heads
end

local function writtenHeads(heads)
  local texts = {}
  for index, head in ipairs(heads) do
    texts[index] = '[' .. cjson.encode(head[MEMBER]) .. ',' .. written(head[TICKET]) .. ',' .. written(head[AMOUNT])
      .. ',' .. written(head[ASKS_AT]) .. ',' .. written(head[PASSED]) .. ',' .. written(head[WOKEN_AT]) .. ']'
  end
  return '[' .. concat(texts, ',') .. ']'
end

-- Removes the heads that a test says true of.
local function removeHeads(heads, isGone)
  local kept = 0
  for index = 1, #heads do
    local head = heads[index]
    heads[index] = nil
    if isGone(head) then
      heads.isChanged = true
    else
      kept = kept + 1
      heads[kept] = head
    end
  end
end

local function removeHead(heads, member, ticket)
  if not heads[1] then return end
  removeHeads(heads, function(head) return head[MEMBER] == member and head[TICKET] == ticket end)
end

local function addHead(heads, head)
  heads.isChanged = true
  for index, known in ipairs(heads) do
    if known[MEMBER] == head[MEMBER] then
      if known[TICKET] == head[TICKET] then known[ASKS_AT] = head[ASKS_AT] end
      if known[TICKET] <= head[TICKET] then return end
      table.remove(heads, index)
      break
    end
  end
  if #heads == HEADS_MAX then return end
  local place = #heads + 1
  while place > 1 and heads[place - 1][TICKET] > head[TICKET] do place = place - 1 end
  table.insert(heads, place, head)
end

-- Who has waited longest, of those who have waited longer than a request. Who does not come any more is forgotten.
local function firstHead(heads, ticket)
  if not heads.isPruned then
    removeHeads(heads, function(head) return head[ASKS_AT] + LATE_MAX_MILLIS < now end)
    heads.isPruned = true
  end
  local head = heads[1]
  if head and head[TICKET] < ticket then return head end
end

-- Whether a request may move the start of a head that it goes before.
local function delays(state, head, amount)
  local readyAt = state.kind.readyAt(state, head[AMOUNT], 0)
  if readyAt == NEVER then return false end
  local isKnown = readyAt > now and readyAt < AFTER_SETTLEMENT
  return not isKnown or state.kind.readyAt(state, head[AMOUNT], amount) > readyAt
end

-- When a request that there is room for may go before those who have waited longer.
local function passableAt(state, amount, ticket)
  local head = firstHead(state.heads, ticket)
  if not head or head[PASSED] < PASSED_MAX or not delays(state, head, amount) then return now end
  return max(state.kind.readyAt(state, head[AMOUNT], 0), now + 1)
end

local function notePassing(state, amount, ticket)
  local head = firstHead(state.heads, ticket)
  if head and delays(state, head, amount) then
    head[PASSED] = head[PASSED] + 1
    state.heads.isChanged = true
  end
end

-- Tells those who have waited longest, where there is room for them.
local function wake(budgets)
  local told = {}
  for _, budget in ipairs(budgets) do
    for _, state in ipairs(budget.states) do
      local head = firstHead(state.heads, NEVER)
      if head and now - head[WOKEN_AT] >= WAKE_AGAIN_MILLIS and state.kind.readyAt(state, head[AMOUNT], 0) <= now then
        head[WOKEN_AT] = now
        state.heads.isChanged = true
        if not told[head[MEMBER]] then call('PUBLISH', base .. 'wake', head[MEMBER]) end
        told[head[MEMBER]] = true
      end
    end
  end
end
`
