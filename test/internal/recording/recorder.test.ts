import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Budget from "../../../src/Budget.ts"
import { anatomyOf } from "../../../src/internal/budget.ts"
import { Recorder } from "../../../src/internal/recording/recorder.ts"
import * as Usage from "../../../src/Usage.ts"

describe("a recorder", () => {
  it.effect("does not trace a call whose lease has expired, whether it settles or not", () =>
    Effect.gen(function* () {
      const key = yield* Budget.make({ name: "key", limits: [] })
      const budgets = [anatomyOf(key).node]
      const recorder = new Recorder({ title: "", startedAt: 0, budgets, now: () => 0, traceMax: 10 })
      const estimate = Usage.make({ inputTokens: 1 })
      const of = { budget: "key", estimate }
      for (const call of [1, 2, 3]) {
        recorder.hear({ ...of, _tag: "Admitted", call, waitedMillis: 0, waitedFor: undefined })
      }
      recorder.hear({ ...of, _tag: "LeaseExpired", call: 1 })
      recorder.hear({ ...of, _tag: "LeaseExpired", call: 2 })
      for (const call of [2, 3]) recorder.hear({ ...of, _tag: "Settled", call, actual: estimate })
      expect(recorder.recording().trace.length).toBe(1)
    })
  )
})
