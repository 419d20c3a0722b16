/**
 * The least that a reservation in Redis can be: a script that takes and a script that gives back, on one hash. What it
 * lacks is what a store is for: a process that dies keeps its place for ever, what is sent twice counts twice, nobody
 * waits, and its window is a fixed one.
 */
import { Effect } from "effect"
import { actualTokens, estimateTokens } from "../amounts.ts"
import { connect } from "./client.ts"
import { inFlight } from "./inFlight.ts"
import { capTokensMax, openMax, WINDOW_MILLIS, windowTokensMax } from "./limits.ts"
import type { Peer, Place } from "./peer.ts"

export const BARE = "bare EVALSHA pair"

/** Answers in which window it has taken, or nothing where there is no room. */
const RESERVE = `
local tokens = tonumber(ARGV[1])
local time = redis.call("TIME")
local window = math.floor(time[1] * 1000 / tonumber(ARGV[4]))
local held = redis.call("HMGET", KEYS[1], "cap", "window", "used", "open")
local cap, open = tonumber(held[1] or 0), tonumber(held[4] or 0)
local used = tonumber(held[2] or 0) == window and tonumber(held[3]) or 0
if cap + tokens > tonumber(ARGV[2]) or used + tokens > tonumber(ARGV[3]) or open >= tonumber(ARGV[5]) then
  return false
end
redis.call("HSET", KEYS[1], "cap", cap + tokens, "window", window, "used", used + tokens, "open", open + 1)
return window`

const SETTLE = `
local change = tonumber(ARGV[1])
redis.call("HINCRBY", KEYS[1], "cap", change)
redis.call("HINCRBY", KEYS[1], "open", -1)
if redis.call("HGET", KEYS[1], "window") == ARGV[2] then
  redis.call("HINCRBY", KEYS[1], "used", change)
end
return 1`

const scripts = Effect.fnUntraced(function* ({ prefix, server }: Place) {
  const client = yield* connect(server.url)
  const reserveSha = yield* Effect.promise(() => client.scriptLoad(RESERVE))
  const settleSha = yield* Effect.promise(() => client.scriptLoad(SETTLE))
  const limits = [capTokensMax, windowTokensMax, WINDOW_MILLIS, openMax].map(String)
  return {
    reserve: (budget: string) =>
      client.evalSha(reserveSha, { keys: [prefix + budget], arguments: [String(estimateTokens), ...limits] }),
    settle: (budget: string, window: unknown) =>
      client.evalSha(settleSha, {
        keys: [prefix + budget],
        arguments: [String(actualTokens - estimateTokens), String(window)]
      })
  }
})

export const barePair: Peer = {
  library: BARE,
  remark: `${BARE}: a script of 12 lines and one of 6; the three limits; no leases, no replies to repeat, no waiting; a fixed window`,
  contender: (place, lanes) =>
    Effect.map(scripts(place), ({ reserve, settle }) =>
      inFlight(BARE, lanes, async () => {
        const window = await reserve("budget")
        return window !== null && (await settle("budget", window)) === 1
      })
    ),
  keep: (place) =>
    Effect.map(scripts(place), ({ reserve, settle }) => ({
      pass: (budget) => Effect.promise(async () => void (await settle(budget, await reserve(budget)))),
      leaveOpen: (budget) => Effect.promise(async () => void (await reserve(budget)))
    }))
}
