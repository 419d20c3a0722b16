/** CommonJS, as in many servers: the package is ESM only, and is imported dynamically. */
const assert = require("node:assert/strict")

const main = async () => {
  const { Effect } = await import("effect")
  const { Budget, Limit, Usage } = await import("effect-budget")
  const { expectAtRest } = await import("effect-budget/BudgetTesting")

  const program = Effect.gen(function* () {
    const run = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 1_000)] })
    const answer = yield* Effect.succeed("an answer").pipe(run.spend({ estimate: Usage.make({ outputTokens: 400 }) }))
    yield* expectAtRest(run)
    return [answer, (yield* run.snapshot).limits[0]?.available]
  })
  assert.deepEqual(await Effect.runPromise(Effect.scoped(program)), ["an answer", 600])

  // Node 22 and later can require modules, too.
  const Required = require("effect-budget/Usage")
  assert.equal(Required.make({ outputTokens: 1 }).requests, 1)
  console.log("Imported dynamically, and required.")
}

void main()
