import { assert, describe, it } from "@effect/vitest"
import { BudgetStoreContract } from "effect-budget"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { TestClock } from "effect/testing"
import { makeMemory } from "../src/internal/store/memory.ts"
import type { Break } from "./support/store/breaking.ts"
import { brokenStores } from "./support/store/brokenStores.ts"

const { cases } = BudgetStoreContract

/** The cases that a store fails which is broken in a way. */
const violatedBy = Effect.fnUntraced(function* (breakIt: Break) {
  const violated: Array<string> = []
  for (const { name, run } of cases) {
    const trial = Effect.flatMap(makeMemory, (store) => run({ store: breakIt(store), pass: TestClock.adjust }))
    const exit = yield* Effect.exit(Effect.provide(trial, TestClock.layer()))
    if (Exit.isSuccess(exit)) continue
    const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
    assert.strictEqual(error?._tag, "ContractViolation", Cause.pretty(exit.cause))
    assert.include(error?.message ?? "", name)
    violated.push(name)
  }
  return violated
})

describe("the contract of stores notices one that", () => {
  const noticed = new Set<string>()
  let tried = 0

  for (const [what, breakIt] of Object.entries(brokenStores)) {
    it.effect(what, () =>
      Effect.gen(function* () {
        const violated = yield* violatedBy(breakIt)
        assert.isNotEmpty(violated)
        // What is wrong everywhere says nothing of any case.
        if (violated.length < cases.length) for (const name of violated) noticed.add(name)
        tried++
      })
    )
  }

  it("violates any of its sentences", ({ skip }) => {
    skip(tried < Object.keys(brokenStores).length, "not all of them were tried")
    const never = cases.map(({ name }) => name).filter((name) => !noticed.has(name))
    assert.deepStrictEqual(never, [])
  })
})
