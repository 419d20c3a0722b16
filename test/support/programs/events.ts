/** What listeners are told is what happened. */
import type { BudgetEvent } from "../../../src/BudgetEvent.ts"
import * as Usage from "../../../src/Usage.ts"
import type { Check } from "./checks.ts"
import { pathOf } from "./program.ts"

/** Everything that happened inside a budget was told once, and nothing else was. */
export const listenersAreTold: Check = (_replay, log, complain) => {
  const expected = new Map(log.program.heard.map((budget) => [budget, [] as Array<string>]))
  const expect = (path: ReadonlySet<number>, ...parts: ReadonlyArray<unknown>) => {
    for (const [budget, told] of expected) if (path.has(budget)) told.push(parts.map(String).join(" "))
  }
  const nameOf = (budget: number): string => log.program.budgets[budget]!.name
  return {
    admitted: ({ askedAt, call, path }, at) => {
      // One that is interrupted before it goes on is as if it had never asked.
      const next = log.entries.find((entry) => "call" in entry && entry.call === call.id && entry.is === "started")
      if (next !== undefined) expect(path, "Admitted", nameOf(call.budget), at.now - askedAt)
    },
    refused: ({ call, path }, _at, error) => expect(path, "Refused", nameOf(call.budget), error.reason.message),
    settled: ({ call, held, path }, _at, actual, isUndone) => {
      if (isUndone) return
      expect(path, "Settled", nameOf(call.budget), text(actual ?? Usage.zero))
      for (const { amount, limit } of held) {
        const overrun = actual === undefined ? 0 : limit.rule.meter.measure(actual) - amount
        if (overrun > 0) expect(path, "Overran", nameOf(call.budget), limit.rule.name, overrun)
      }
    },
    invalid: ({ call, path }) => expect(path, "InvalidReport", nameOf(call.budget)),
    settledTwice: ({ call, path }) => expect(path, "SettledAlready", nameOf(call.budget)),
    deed: (deed, isRefused) => {
      if (deed.do !== "charge" || isRefused) return
      expect(pathOf(log.program.budgets, deed.budget), "Charged", nameOf(deed.budget), text(deed.usage))
    },
    entry: (_entry, index) => {
      if (index < log.entries.length - 1) return
      for (const [budget, told] of expected) {
        // What a shadow limit would have done has a check of its own.
        const events = (log.events.get(budget) ?? []).filter(({ _tag }) => _tag !== "Shadowed")
        const actual = events.map(line).sort()
        const missing = less(told, actual)
        const surplus = less(actual, told)
        if (missing.length > 0) complain(`${nameOf(budget)} was not told: ${missing.join("; ")}`)
        if (surplus.length > 0) complain(`${nameOf(budget)} was told: ${surplus.join("; ")}`)
      }
    }
  }
}

const text = (usage: Usage.Usage): string => JSON.stringify(usage)

const less = (some: ReadonlyArray<string>, others: ReadonlyArray<string>): ReadonlyArray<string> => {
  const rest = [...others]
  return some.filter((line) => {
    const index = rest.indexOf(line)
    if (index !== -1) rest.splice(index, 1)
    return index === -1
  })
}

const line = (event: BudgetEvent): string => {
  const parts = [event._tag, event.budget]
  switch (event._tag) {
    case "Admitted":
      return [...parts, event.waitedMillis].join(" ")
    case "Refused":
      return [...parts, event.reason.message].join(" ")
    case "Settled":
      return [...parts, text(event.actual)].join(" ")
    case "Charged":
      return [...parts, text(event.usage)].join(" ")
    case "Tightened":
      return [...parts, event.limit.name, event.by].join(" ")
    case "ThresholdReached":
      return [...parts, event.limit.name, event.threshold, event.used].join(" ")
    case "Overran":
      return [...parts, event.limit.name, event.overrun].join(" ")
    case "Shadowed":
    case "InvalidReport":
    case "SettledAlready":
    case "LeaseExpired":
    case "StoreUnreachable":
    case "StoreReached":
      return parts.join(" ")
  }
}
