import { describe, expect, it } from "vitest"
import * as Limit from "../../../src/Limit.ts"
import * as Usage from "../../../src/Usage.ts"
import { CapState } from "../../../src/internal/limit/cap.ts"
import { AFTER_SETTLEMENT, type LimitState, NEVER } from "../../../src/internal/limit/state.ts"
import { runHistory } from "../../support/limitHistory.ts"
import { CapModel } from "../../support/limitModel.ts"
import { forEachSeed } from "../../support/random.ts"

const capOf = (max: number) => Limit.cap("tokens", max)
const stateOf = (limit: Limit.Cap): LimitState => new CapState(limit)

describe("cap", () => {
  it("admits up to its maximum and holds what is reserved", () => {
    const cap = stateOf(capOf(10))
    cap.take(7, 0)
    expect(cap.readyAt(3, 0)).toBe(0)
    expect(cap.readyAt(4, 0)).toBe(AFTER_SETTLEMENT)
  })

  it("gives back at once what was estimated and not used", () => {
    const cap = stateOf(capOf(10))
    cap.take(10, 0)
    cap.settle(10, 4, 0)
    expect(cap.used(0)).toBe(4)
    expect(cap.readyAt(6, 0)).toBe(0)
  })

  it("never gives back what was used", () => {
    const cap = stateOf(capOf(10))
    cap.take(10, 0)
    cap.settle(10, 4, 0)
    expect(cap.readyAt(7, 1e12)).toBe(NEVER)
  })

  it("lets nobody wait for what is kept, and gives it back", () => {
    const cap = new CapState(capOf(10))
    cap.keep(4)
    cap.take(3)
    expect(cap.readyAt(6, 0)).toBe(AFTER_SETTLEMENT)
    expect(cap.readyAt(7, 0)).toBe(NEVER)
    const copy = cap.clone()
    expect(copy.readyAt(7, 0)).toBe(NEVER)
    cap.giveBack(4)
    expect(cap.readyAt(7, 0)).toBe(0)
    expect(copy.readyAt(7, 0)).toBe(NEVER)
  })

  it("answers as the model does after every step of random histories", () =>
    forEachSeed({ name: "cap", runs: 3_000 }, (random) => {
      const scale = random.pick([1, 1, 1e12])
      const changed = () => capOf(random.int(0, 30) * scale)
      const limit = changed()
      runHistory(random, {
        state: new CapState(limit),
        model: new CapModel(limit),
        from: 0,
        stepsMax: 40,
        amount: () => random.int(1, random.pick([3, 12, 31])) * scale,
        millis: () => random.int(0, 1_000),
        changed,
        horizonMillis: 1e9
      })
    }))
})

describe("failures of other libraries that a cap does not have", () => {
  it("settling above the cap throws and records nothing: the spend vanishes from the ledger", () => {
    const cap = stateOf(capOf(10))
    cap.take(5, 0)
    cap.settle(5, 25, 0)
    expect(cap.used(0)).toBe(25)
    expect(cap.readyAt(1, 0)).toBe(NEVER)
  })

  it("check, call, record: a second call passes the check while the first is in flight", () => {
    const cap = stateOf(capOf(10))
    cap.take(10, 0)
    expect(cap.readyAt(1, 0)).toBe(AFTER_SETTLEMENT)
  })

  it("a request larger than the limit waits for ever, or is let through", () => {
    expect(stateOf(capOf(10)).readyAt(11, 0)).toBe(NEVER)
    expect(stateOf(capOf(0)).readyAt(1, 0)).toBe(NEVER)
  })

  it("floats fail three times $0.10 against $0.30", () => {
    const cap = stateOf(Limit.cap("usd", 0.3))
    const tenCents = Usage.nanoUsd(0.1)
    for (let call = 0; call < 3; call++) {
      expect(cap.readyAt(tenCents, 0)).toBe(0)
      cap.take(tenCents, 0)
      cap.settle(tenCents, tenCents, 0)
    }
    expect(cap.used(0)).toBe(Usage.nanoUsd(0.3))
    expect(cap.readyAt(1, 0)).toBe(NEVER)
  })
})
