import { Limit, Usage } from "effect-budget"
import { starting } from "../../src/internal/limit/start.ts"
import { describe, expect, it } from "vitest"
import { BudgetNode } from "../../src/internal/admission/node.ts"
import { Ledger } from "../../src/internal/ledger.ts"
import { Retention } from "../../src/internal/retention.ts"

const limits = [Limit.slidingWindow("tokens", 100, "1 minute")]

const node = () =>
  new BudgetNode(
    "tenant",
    1,
    [],
    new Ledger(
      limits,
      starting(() => 0)
    )
  )

/** A budget is used at an instant for so many tokens, and left. */
const visit = (retention: Retention, key: string, tokens: number, now: number): void => {
  const visited = retention.find(key) ?? node()
  retention.use(key, visited, now)
  if (tokens > 0) visited.ledger.states[0]?.charge(tokens, now)
  retention.leave(key, visited, now)
}

describe("Retention", () => {
  it("keeps a budget that remembers something", () => {
    const retention = new Retention()
    visit(retention, "a", 10, 0)
    expect(retention.find("a")?.ledger.states[0]?.used(1)).toBe(10)
  })

  it("does not keep a budget that has nothing to remember", () => {
    const retention = new Retention()
    visit(retention, "a", 0, 0)
    expect(retention.size).toBe(0)
  })

  it("keeps a budget with an open reservation, a spent cap or a pause", () => {
    const retention = new Retention()
    const open = node()
    open.ledger.open = 1
    const spent = new BudgetNode(
      "tenant",
      1,
      [],
      new Ledger(
        [Limit.cap("usd", 2)],
        starting(() => 0)
      )
    )
    spent.ledger.states[0]?.charge(1, 0)
    const paused = node()
    paused.ledger.pauseUntil(1_000, false, 0)
    for (const [key, kept] of Object.entries({ open, spent, paused })) {
      retention.use(key, kept, 0)
      retention.leave(key, kept, 0)
    }
    expect(retention.size).toBe(3)
  })

  it("is bounded by the keys with live windows, however many come and go", () => {
    const retention = new Retention()
    const perSecond = 10
    let most = 0
    for (let second = 0; second < 1_000; second++) {
      for (let index = 0; index < perSecond; index++) visit(retention, `${second}/${index}`, 1, second * 1_000)
      most = Math.max(most, retention.size)
    }
    // 60 seconds are live; two are swept for each that comes, so a sweep takes at most as long again.
    expect(most).toBeGreaterThanOrEqual(60 * perSecond)
    expect(most).toBeLessThanOrEqual(2 * 61 * perSecond)
  })

  it("finds a budget that is in use, as while the layer of a key closes and is built anew", () => {
    const retention = new Retention()
    const used = node()
    retention.use("a", used, 0)
    retention.use("a", used, 0)
    used.ledger.states[0]?.charge(10, 0)
    retention.leave("a", used, 0)
    expect(retention.find("a")).toBe(used)
    retention.leave("a", used, 60_000)
    expect(retention.find("a")).toBeUndefined()
  })

  it("does not bring back what was forgotten while it was in use", () => {
    const retention = new Retention()
    const forgotten = node()
    forgotten.ledger.charge(Usage.make({ inputTokens: 10 }))
    forgotten.ledger.states[0]?.charge(10, 0)
    retention.use("a", forgotten, 0)
    retention.forget("a")
    retention.leave("a", forgotten, 0)
    expect(retention.find("a")).toBeUndefined()
  })
})
