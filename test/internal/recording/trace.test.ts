import { describe, expect, it } from "vitest"
import { Trace } from "../../../src/internal/recording/trace.ts"
import * as Usage from "../../../src/Usage.ts"

const callAt = (admittedAt: number) => ({ tenant: 0, admittedAt, waitMillis: 0, estimate: Usage.make({}) })

describe("a trace", () => {
  it("keeps the youngest of the calls that run, where more of them run than it can keep", () => {
    const trace = new Trace(10)
    for (let call = 0; call < 100_001; call++) trace.admit(call, callAt(call))
    for (const call of [0, 1, 100_000]) trace.settle(call, Usage.make({}), 100_000)
    expect(trace.toArray().map(({ at }) => at)).toEqual([1, 100_000])
  })

  it("keeps room for others where calls are given up", () => {
    const trace = new Trace(10)
    trace.admit(0, callAt(0))
    for (let call = 1; call <= 100_000; call++) {
      trace.admit(call, callAt(call))
      trace.forget(call)
    }
    for (const call of [0, 1]) trace.settle(call, Usage.make({}), 100_000)
    expect(trace.toArray().map(({ at }) => at)).toEqual([0])
  })
})
