import { describe, expect, it } from "vitest"
import * as Limit from "../../../src/Limit.ts"
import { ConcurrencyState } from "../../../src/internal/limit/concurrency.ts"
import { AFTER_SETTLEMENT, NEVER } from "../../../src/internal/limit/state.ts"
import { runHistory } from "../../support/limitHistory.ts"
import { ConcurrencyModel } from "../../support/limitModel.ts"
import { forEachSeed } from "../../support/random.ts"

describe("concurrency", () => {
  it("admits as many as may be open, and another when one has ended", () => {
    const state = new ConcurrencyState(Limit.concurrency(2))
    state.take(1)
    state.take(1)
    expect(state.readyAt(1, 0)).toBe(AFTER_SETTLEMENT)
    state.settle(1)
    expect(state.readyAt(1, 0)).toBe(0)
  })

  it("counts what is open, whatever it used in the end", () => {
    const state = new ConcurrencyState(Limit.concurrency(2))
    state.take(1)
    state.charge()
    expect(state.used()).toBe(1)
  })

  it("answers as the model does after every step of random histories", () =>
    forEachSeed({ name: "concurrency", runs: 3_000 }, (random) => {
      const changed = () => Limit.concurrency(random.int(0, 12))
      const limit = changed()
      runHistory(random, {
        state: new ConcurrencyState(limit),
        model: new ConcurrencyModel(limit),
        from: 0,
        stepsMax: 40,
        amount: () => (random.chance(0.7) ? 1 : random.int(1, 13)),
        millis: () => random.int(0, 1_000),
        changed,
        horizonMillis: 1e9
      })
    }))
})

describe("failures of other libraries that a bound on concurrency does not have", () => {
  it("a request larger than the limit waits for ever, or is let through", () => {
    expect(new ConcurrencyState(Limit.concurrency(2)).readyAt(3, 0)).toBe(NEVER)
    expect(new ConcurrencyState(Limit.concurrency(0)).readyAt(1, 0)).toBe(NEVER)
  })
})
