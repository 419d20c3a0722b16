/** Limits that are tried out report what they would have done. */
import * as Duration from "effect/Duration"
import type { BudgetEvent } from "../../../src/BudgetEvent.ts"
import type { Check } from "./checks.ts"
import { NEVER, type Ready, SETTLEMENT } from "./naiveLimit.ts"
import { isExact } from "./program.ts"

/**
 * Told is who was admitted though a shadow limit, or a pause, of its path had no room just before, and nobody else: with
 * the instant at which the last of them would have had room.
 *
 * Where somebody waits, nobody outside knows in which order those are admitted who go at one instant, and a bucket that
 * gets something back is known only between bounds; then it is not checked.
 */
export const shadowsAreTold: Check = (replay, log, complain) => {
  const { budgets, heard } = log.program
  const expected = new Map(heard.map((budget) => [budget, [] as Array<string>]))
  let isKnown = isExact(log.program) && !log.entries.some(({ is }) => is === "woken" || is === "interrupted")
  return {
    admitted: (state, at) => {
      const readiness = replay.readiness(state, at, replay.shadows(state.path))
      if (readiness.some(({ limit }) => limit !== "pause" && limit.isVague)) isKnown = false
      const ready = readiness.map((one) => one.ready).reduce((a, b) => (rank(b) > rank(a) ? b : a), at.now)
      if (ready === at.now) return
      const line = `${budgets[state.call.budget]!.name} ${typeof ready === "number" ? ready - at.now : "unknown"}`
      for (const [budget, told] of expected) if (state.path.has(budget)) told.push(line)
    },
    entry: (_entry, index) => {
      if (index < log.entries.length - 1 || !isKnown) return
      for (const [budget, told] of expected) {
        const heard = (log.events.get(budget) ?? []).flatMap(lineOf)
        if (told.join("; ") !== heard.join("; ")) {
          complain(`${budgets[budget]!.name} was told ${heard.join("; ")}, expected ${told.join("; ")}`)
        }
      }
    }
  }
}

const lineOf = (event: BudgetEvent): ReadonlyArray<string> => {
  if (event._tag !== "Shadowed") return []
  const { reason } = event
  const retryAfter = "retryAfter" in reason ? reason.retryAfter : undefined
  return [`${event.budget} ${retryAfter === undefined ? "unknown" : Duration.toMillis(retryAfter)}`]
}

const rank = (ready: Ready): number =>
  ready === NEVER ? Number.POSITIVE_INFINITY : ready === SETTLEMENT ? Number.MAX_SAFE_INTEGER : ready
