import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Agent from "../src/Agent.ts"
import * as Budget from "../src/Budget.ts"
import { BudgetError } from "../src/BudgetError.ts"
import * as Limit from "../src/Limit.ts"
import * as Usage from "../src/Usage.ts"
import { expectAtRest } from "./support/atRest.ts"

const estimate = Usage.make({ inputTokens: 80, outputTokens: 20 })

/** Goes on until the budget says no. */
const loop = (agent: Agent.Agent) => Effect.forever(Effect.yieldNow.pipe(agent.step({ estimate })))

const requests = (budget: Budget.Budget) => Effect.map(budget.snapshot, ({ spent }) => spent.requests)
const limitNamed = (budget: Budget.Budget, name: string) =>
  Effect.map(budget.snapshot, ({ limits }) => limits.find(({ limit }) => limit.name === name))

const refusal = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => {
    if (!(error instanceof BudgetError)) return assert.fail(String(error))
    return `${error.reason.budget}: ${error.limitName}`
  })

describe("an agent", () => {
  it.effect("makes so many model calls, and no more", () =>
    Effect.gen(function* () {
      const agent = yield* Agent.make({ name: "run", steps: 3 })
      assert.strictEqual(yield* refusal(loop(agent)), "run: steps")
      assert.strictEqual(yield* requests(agent.budget), 3)
    })
  )

  it.effect("makes so many tool calls, failed ones included, and never waits for one", () =>
    Effect.gen(function* () {
      const agent = yield* Agent.make({ name: "run", toolCalls: 2 })
      yield* agent.tool(Effect.succeed("found"))
      assert.strictEqual(yield* Effect.flip(agent.tool(Effect.fail("broken"))), "broken")
      let isCalled = false
      assert.strictEqual(yield* refusal(agent.tool(Effect.sync(() => void (isCalled = true)))), "run: toolCalls")
      assert.isFalse(isCalled)
      // Tool calls are no model calls.
      assert.strictEqual(yield* requests(agent.budget), 0)
    })
  )

  it.effect("is bound by what it is within", () =>
    Effect.gen(function* () {
      const key = yield* Budget.make({ name: "key", limits: [Limit.cap("tokens", 250)] })
      const agent = yield* Agent.make({ name: "run", within: [key], steps: 10 })
      assert.strictEqual(yield* refusal(loop(agent)), "key: cap(tokens)")
      assert.strictEqual(yield* requests(key), 2)
    })
  )

  it.effect("that is carved out of a budget gives back what it has not used", () =>
    Effect.gen(function* () {
      const key = yield* Budget.make({ name: "key", limits: [Limit.cap("tokens", 1_000)] })
      const scope = yield* Scope.make()
      const agent = yield* Scope.provide(
        Agent.make({ name: "run", from: key, limits: [Limit.cap("tokens", 600)] }),
        scope
      )
      yield* Effect.void.pipe(agent.step({ estimate }))
      assert.strictEqual((yield* key.snapshot).limits[0]?.available, 400)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* key.snapshot).limits[0]?.available, 900)
    })
  )

  it.effect("refuses numbers of steps that are none, and a last answer that has no room", () =>
    Effect.gen(function* () {
      const problemOf = (options: Agent.Options) =>
        Effect.map(Effect.exit(Agent.make(options)), (exit) => Exit.isFailure(exit) && String(Cause.squash(exit.cause)))
      assert.include(yield* problemOf({ name: "run", steps: -1 }), "steps must be a non-negative safe integer, got -1")
      assert.include(yield* problemOf({ name: "run", toolCalls: Number.NaN }), "toolCalls must be")
      assert.include(
        yield* problemOf({ name: "run", limits: [Limit.cap("tokens", 99)], lastAnswer: estimate }),
        "lastAnswer does not fit into cap(tokens)"
      )
    })
  )
})

describe("one last answer", () => {
  const last = (agent: Agent.Agent) =>
    agent.orLastAnswer(({ limitName }) => Effect.succeed(`the end, after ${limitName}`).pipe(agent.step({ estimate })))

  it.effect("has room when the tokens are used up", () =>
    Effect.gen(function* () {
      const agent = yield* Agent.make({ name: "run", limits: [Limit.cap("tokens", 350)], lastAnswer: estimate })
      assert.strictEqual((yield* limitNamed(agent.budget, "cap(tokens)"))?.reserved, 100)
      assert.strictEqual(yield* loop(agent).pipe(last(agent)), "the end, after cap(tokens)")
      // Two steps, and the last answer: of the 350 tokens, 50 are too few for another one.
      assert.strictEqual(yield* requests(agent.budget), 3)
      yield* expectAtRest(agent.budget)
    })
  )

  it.effect("has room when the steps or the tool calls are used up", () =>
    Effect.gen(function* () {
      const steps = yield* Agent.make({ name: "run", steps: 4, lastAnswer: estimate })
      assert.strictEqual(yield* loop(steps).pipe(last(steps)), "the end, after steps")
      assert.strictEqual(yield* requests(steps.budget), 4)
      const tools = yield* Agent.make({ name: "run", toolCalls: 4, lastAnswer: estimate })
      const calls = Effect.forever(Effect.andThen(Effect.yieldNow, tools.tool(Effect.void)))
      assert.strictEqual(yield* calls.pipe(last(tools)), "the end, after toolCalls")
    })
  )

  it.effect("is not given for a window, another budget's cap, or an error of another kind", () =>
    Effect.gen(function* () {
      const key = yield* Budget.make({ name: "key", limits: [Limit.cap("tokens", 250)] })
      const agent = yield* Agent.make({ name: "run", within: [key], steps: 10, lastAnswer: estimate })
      assert.strictEqual(yield* refusal(loop(agent).pipe(last(agent))), "key: cap(tokens)")
      const slow = yield* Agent.make({
        name: "run",
        limits: [Limit.slidingWindow("tokens", 150, "1 minute")],
        lastAnswer: estimate
      })
      const impatient = Effect.forever(Effect.void.pipe(slow.step({ estimate, maxWait: 0 })))
      assert.include(yield* refusal(impatient.pipe(last(slow))), "run: slidingWindow")
      assert.strictEqual(yield* Effect.flip(Effect.fail("no").pipe(last(slow))), "no")
    })
  )

  it.effect("is not given twice", () =>
    Effect.gen(function* () {
      const agent = yield* Agent.make({ name: "run", steps: 1, lastAnswer: estimate })
      assert.strictEqual(yield* loop(agent).pipe(last(agent)), "the end, after steps")
      assert.strictEqual(yield* refusal(loop(agent).pipe(last(agent))), "run: steps")
    })
  )

  it.effect("fails where nothing was set aside", () =>
    Effect.gen(function* () {
      const agent = yield* Agent.make({ name: "run", steps: 1 })
      assert.strictEqual(yield* refusal(loop(agent).pipe(last(agent))), "run: steps")
    })
  )

  it.effect("needs no budget when it is a sentence of one's own", () =>
    Effect.gen(function* () {
      const agent = yield* Agent.make({ name: "run", steps: 1 })
      const answer = yield* loop(agent).pipe(agent.orLastAnswer(() => Effect.succeed("That is all I know.")))
      assert.strictEqual(answer, "That is all I know.")
    })
  )

  it.effect("leaves nothing held when the run ends without it, or is interrupted", () =>
    Effect.gen(function* () {
      const key = yield* Budget.make({ name: "key", limits: [Limit.cap("tokens", 1_000)] })
      const run = Effect.scoped(
        Effect.gen(function* () {
          const agent = yield* Agent.make({
            name: "run",
            from: key,
            limits: [Limit.cap("tokens", 500)],
            lastAnswer: estimate
          })
          yield* Effect.void.pipe(agent.step({ estimate }))
          return yield* Effect.never
        })
      )
      const fiber = yield* Effect.forkChild(run)
      yield* Effect.yieldNow
      yield* Fiber.interrupt(fiber)
      yield* expectAtRest(key)
      assert.strictEqual((yield* key.snapshot).limits[0]?.used, 100)
    })
  )
})

describe("a subagent", () => {
  it.effect("that shares spends from the run, its steps and tool calls included", () =>
    Effect.gen(function* () {
      const agent = yield* Agent.make({ name: "run", steps: 3, toolCalls: 2 })
      const part = yield* agent.subagent({ name: "part", mode: "share", steps: 2 })
      assert.strictEqual(yield* refusal(loop(part)), "part: steps")
      assert.strictEqual(yield* refusal(loop(agent)), "run: steps")
      yield* part.tool(Effect.void)
      yield* agent.tool(Effect.void)
      assert.strictEqual(yield* refusal(part.tool(Effect.void)), "run: toolCalls")
    })
  )

  it.effect("that has a slice has that for itself, and gives back the rest", () =>
    Effect.gen(function* () {
      const agent = yield* Agent.make({ name: "run", limits: [Limit.cap("tokens", 500)], steps: 10 })
      const rest = yield* Effect.scoped(
        Effect.gen(function* () {
          const part = yield* agent.subagent({ name: "part", mode: "slice", limits: [Limit.cap("tokens", 300)] })
          const impatient = Effect.forever(Effect.void.pipe(agent.step({ estimate, maxWait: 0 })))
          assert.strictEqual(yield* refusal(impatient), "run: cap(tokens)")
          yield* Effect.void.pipe(part.step({ estimate }))
          return yield* requests(agent.budget)
        })
      )
      assert.strictEqual(rest, 3)
      assert.strictEqual((yield* limitNamed(agent.budget, "cap(tokens)"))?.available, 200)
      const tooMuch = agent.subagent({ name: "part", mode: "slice", limits: [Limit.cap("tokens", 201)] })
      assert.strictEqual(yield* refusal(Effect.scoped(tooMuch)), "run: cap(tokens)")
    })
  )

  it.effect("that is isolated spends within the same key, and the run does not pay", () =>
    Effect.gen(function* () {
      const key = yield* Budget.make({ name: "key", limits: [Limit.cap("tokens", 1_000)] })
      const agent = yield* Agent.make({ name: "run", within: [key], steps: 1, toolCalls: 0 })
      const part = yield* agent.subagent({ name: "part", mode: "isolate", steps: 4 })
      assert.strictEqual(yield* refusal(loop(part)), "part: steps")
      yield* part.tool(Effect.void)
      assert.strictEqual(yield* requests(agent.budget), 0)
      assert.strictEqual(yield* requests(key), 4)
    })
  )
})
