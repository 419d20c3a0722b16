import { describe, expect, it } from "vitest"
import * as Limit from "../../../src/Limit.ts"
import { PerCallState } from "../../../src/internal/limit/perCall.ts"
import { NEVER } from "../../../src/internal/limit/state.ts"
import { runHistory } from "../../support/limitHistory.ts"
import { PerCallModel } from "../../support/limitModel.ts"
import { forEachSeed } from "../../support/random.ts"

describe("a ceiling per call", () => {
  it("admits up to its maximum at once, and never more", () => {
    const state = new PerCallState(Limit.perCall("tokens", 10))
    expect(state.readyAt(10, 5)).toBe(5)
    expect(state.readyAt(11, 5)).toBe(NEVER)
  })

  it("answers as the model does after every step of random histories", () =>
    forEachSeed({ name: "perCall", runs: 1_000 }, (random) => {
      const changed = () => Limit.perCall("tokens", random.int(0, 12))
      const limit = changed()
      runHistory(random, {
        state: new PerCallState(limit),
        model: new PerCallModel(limit),
        from: 0,
        stepsMax: 40,
        amount: () => random.int(1, 13),
        millis: () => random.int(0, 1_000),
        changed,
        horizonMillis: 1e9
      })
    }))
})
