import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Agent from "../src/Agent.ts"
import * as Budget from "../src/Budget.ts"
import { BudgetError } from "../src/BudgetError.ts"
import { expectAtRest } from "../src/BudgetTesting.ts"
import * as Limit from "../src/Limit.ts"
import * as Meter from "../src/Meter.ts"
import * as Usage from "../src/Usage.ts"
import { interruptAtEveryOperation } from "./support/interruptAtEveryOperation.ts"

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
      const broken = Meter.make("broken", () => Number.NaN)
      assert.include(
        yield* problemOf({ name: "run", limits: [Limit.cap(broken, 9)], lastAnswer: estimate }),
        "lastAnswer makes no sense: cap(broken) measures NaN"
      )
      assert.include(
        yield* problemOf({ name: "run", lastAnswer: Usage.make({ inputTokens: -1 }) }),
        "lastAnswer makes no sense: inputTokens"
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

  it.effect("does not begin for a limit that only looks like one of the run's own, or is no cap", () =>
    Effect.gen(function* () {
      const shared = Limit.cap("tokens", 250)
      const key = yield* Budget.make({ name: "key", limits: [shared] })
      yield* key.charge(Usage.make({ inputTokens: 151 }))
      const agent = yield* Agent.make({ name: "run", within: [key], limits: [shared], lastAnswer: estimate })
      const never = agent.orLastAnswer(() => Effect.die("begun"))
      assert.strictEqual(yield* refusal(loop(agent).pipe(never)), "key: cap(tokens)")
      yield* agent.budget.updateLimits([Limit.slidingWindow("tokens", 150, "1 minute")])
      const large = Effect.void.pipe(agent.step({ estimate: Usage.make({ inputTokens: 151, requests: 1 }) }))
      yield* key.updateLimits([])
      assert.include(yield* refusal(large.pipe(never)), "run: slidingWindow")
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

  it.effect("is given for a step that no cap of the run could ever let in", () =>
    Effect.gen(function* () {
      const agent = yield* Agent.make({ name: "run", limits: [Limit.cap("tokens", 350)], lastAnswer: estimate })
      const large = Effect.void.pipe(agent.step({ estimate: Usage.make({ inputTokens: 351 }) }))
      assert.strictEqual(yield* large.pipe(last(agent)), "the end, after cap(tokens)")
    })
  )

  it.effect("is not given for what others of the run have only reserved", () =>
    Effect.gen(function* () {
      const agent = yield* Agent.make({ name: "run", limits: [Limit.cap("tokens", 350)], lastAnswer: estimate })
      const other = yield* agent.budget.reserve(Usage.make({ inputTokens: 200 }))
      const impatient = Effect.void.pipe(agent.step({ estimate, maxWait: 0 }))
      assert.strictEqual(yield* refusal(impatient.pipe(last(agent))), "run: cap(tokens)")
      assert.strictEqual((yield* limitNamed(agent.budget, "cap(tokens)"))?.reserved, 300)
      yield* other.release
      yield* impatient
    })
  )

  it.effect("follows limits that are changed meanwhile, and keeps nothing in those that are new", () =>
    Effect.gen(function* () {
      const agent = yield* Agent.make({ name: "run", limits: [Limit.cap("tokens", 350)], lastAnswer: estimate })
      yield* agent.budget.updateLimits([Limit.cap("tokens", 250), Limit.cap("requests", 9, { name: "new" })])
      yield* agent.budget.charge(Usage.make({ requests: 8 }))
      const other = yield* agent.budget.reserve(Usage.make({ requests: 1 }))
      const impatient = Effect.void.pipe(agent.step({ estimate, maxWait: 0 }))
      assert.strictEqual(yield* refusal(impatient.pipe(last(agent))), "run: new")
      yield* other.release
      assert.strictEqual(
        yield* Effect.andThen(impatient, loop(agent)).pipe(agent.orLastAnswer(() => Effect.succeed("the end"))),
        "the end"
      )
    })
  )

  it.effect("has room in what was carved out, also when the limits of the run are raised above that", () =>
    Effect.gen(function* () {
      const key = yield* Budget.make({ name: "key", limits: [Limit.cap("tokens", 1_000)] })
      const agent = yield* Agent.make({
        name: "run",
        from: key,
        limits: [Limit.cap("tokens", 350)],
        lastAnswer: estimate
      })
      yield* agent.budget.updateLimits([Limit.cap("tokens", 700)])
      assert.strictEqual(yield* loop(agent).pipe(last(agent)), "the end, after cap(tokens)")
      assert.strictEqual((yield* limitNamed(key, "cap(tokens)"))?.used, 350)
      yield* expectAtRest(agent.budget)
    })
  )

  it.effect("competes for its room with a step of the run that is in line for more than is left", () =>
    Effect.gen(function* () {
      const agent = yield* Agent.make({ name: "run", limits: [Limit.cap("tokens", 350)], lastAnswer: estimate })
      yield* agent.budget.reserve(Usage.make({ inputTokens: 150 }))
      const waiting = yield* Effect.forkChild(agent.step({ estimate: Usage.make({ inputTokens: 150 }) })(Effect.void), {
        startImmediately: true
      })
      assert.strictEqual((yield* agent.budget.snapshot).waiting, 1)
      const large = Effect.void.pipe(agent.step({ estimate: Usage.make({ inputTokens: 351 }) }))
      yield* large.pipe(agent.orLastAnswer(() => Fiber.join(waiting)))
    })
  )

  it.effect("keeps its room in the key after an overrun, until it is given back", () =>
    Effect.gen(function* () {
      const key = yield* Budget.make({ name: "key", limits: [Limit.cap("tokens", 1_000)] })
      const agent = yield* Agent.make({
        name: "run",
        from: key,
        limits: [Limit.cap("tokens", 350)],
        lastAnswer: estimate
      })
      yield* agent.budget.charge(Usage.make({ inputTokens: 600 }))
      assert.strictEqual((yield* limitNamed(key, "cap(tokens)"))?.used, 700)
      const waiting = yield* Effect.forkChild(key.spend({ estimate: Usage.make({ inputTokens: 350 }) })(Effect.void), {
        startImmediately: true
      })
      assert.strictEqual((yield* key.snapshot).waiting, 1)
      assert.strictEqual(yield* refusal(loop(agent).pipe(last(agent))), "run: cap(tokens)")
      yield* Fiber.join(waiting)
      assert.strictEqual((yield* limitNamed(key, "cap(tokens)"))?.used, 950)
      yield* expectAtRest(key)
    })
  )

  it.effect("is given to each of two loops that were refused while its room was kept", () =>
    Effect.gen(function* () {
      const agent = yield* Agent.make({ name: "run", limits: [Limit.cap("tokens", 250)], lastAnswer: estimate })
      const refused = yield* Effect.flip(loop(agent))
      assert.strictEqual(yield* loop(agent).pipe(last(agent)), "the end, after cap(tokens)")
      const other = Effect.fail(refused).pipe(agent.orLastAnswer(() => Effect.succeed("that is all")))
      assert.strictEqual(yield* other, "that is all")
    })
  )

  it.effect("is refused, and does not wait, when an overrun has used up its room", () =>
    Effect.gen(function* () {
      const agent = yield* Agent.make({ name: "run", limits: [Limit.cap("tokens", 350)], lastAnswer: estimate })
      const overrunning = Effect.void.pipe(agent.step({ estimate, actual: () => Usage.make({ inputTokens: 251 }) }))
      const answer = Effect.andThen(overrunning, loop(agent)).pipe(last(agent))
      assert.strictEqual(yield* refusal(answer), "run: cap(tokens)")
      yield* expectAtRest(agent.budget)
    })
  )

  it.effect("has its room when steps of the loop ran beside each other: they end before it begins", () =>
    Effect.gen(function* () {
      const agent = yield* Agent.make({ name: "run", limits: [Limit.cap("tokens", 350)], lastAnswer: estimate })
      const steps = Effect.all([loop(agent), loop(agent), loop(agent)], { concurrency: 3 })
      assert.strictEqual(yield* steps.pipe(last(agent)), "the end, after cap(tokens)")
      yield* expectAtRest(agent.budget)
    })
  )

  it.effect("wakes whoever waits for its room when the run gives it back", () =>
    Effect.gen(function* () {
      const agent = yield* Agent.make({ name: "run", steps: 2, lastAnswer: estimate })
      const key = yield* Budget.make({ name: "key", limits: [Limit.cap("tokens", 500)] })
      const scope = yield* Scope.fork(yield* Effect.scope)
      const part = yield* Scope.provide(
        Agent.make({ name: "part", from: key, limits: [Limit.cap("tokens", 400)], lastAnswer: estimate }),
        scope
      )
      const waiting = yield* Effect.forkChild(key.spend({ estimate: Usage.make({ inputTokens: 200 }) })(Effect.void), {
        startImmediately: true
      })
      yield* Scope.close(scope, Exit.void)
      yield* Fiber.join(waiting)
      yield* expectAtRest(key, part.budget)
      assert.strictEqual(yield* loop(agent).pipe(last(agent)), "the end, after steps")
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
      // It sets nothing aside.
      yield* expectAtRest(agent.budget, agent.tools)
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

  it.effect("that cannot be made as a whole leaves nothing set aside", () =>
    Effect.gen(function* () {
      const agent = yield* Agent.make({ name: "run", limits: [Limit.cap("tokens", 500)], toolCalls: 2 })
      const part = agent.subagent({ name: "part", mode: "slice", limits: [Limit.cap("tokens", 300)], toolCalls: 3 })
      assert.strictEqual(yield* refusal(part), "run: toolCalls")
      // The scope is still open: nobody would come to close it.
      yield* expectAtRest(agent.budget, agent.tools)
    })
  )

  it.effect("that has a slice leaves the run its room for a last answer", () =>
    Effect.gen(function* () {
      const agent = yield* Agent.make({
        name: "run",
        limits: [Limit.cap("tokens", 500)],
        steps: 10,
        toolCalls: 4,
        lastAnswer: estimate
      })
      const partOf = (max: number) =>
        agent.subagent({ name: "part", mode: "slice", limits: [Limit.cap("tokens", max)], steps: 2, toolCalls: 1 })
      assert.strictEqual(yield* refusal(Effect.scoped(partOf(401))), "run: cap(tokens)")
      const answer = yield* Effect.scoped(
        Effect.gen(function* () {
          const part = yield* partOf(400)
          yield* part.tool(Effect.void)
          // Of the run's tool calls, the part has one for itself, and no more.
          assert.strictEqual(yield* refusal(part.tool(Effect.void)), "part: toolCalls")
          assert.strictEqual((yield* limitNamed(agent.tools, "toolCalls"))?.used, 1)
          assert.strictEqual(yield* refusal(loop(part)), "part: steps")
          // It has spent more than was its own, so that the rest of the run is less than was kept.
          yield* part.budget.charge(Usage.make({ inputTokens: 150, requests: 0 }))
          return yield* loop(agent)
        })
      ).pipe(agent.orLastAnswer(() => Effect.succeed("the end").pipe(agent.step({ estimate }))))
      assert.strictEqual(answer, "the end")
      assert.strictEqual((yield* limitNamed(agent.budget, "cap(tokens)"))?.used, 450)
      yield* expectAtRest(agent.budget, agent.tools)
    })
  )

  it.effect("that has a slice and no number of tool calls of its own counts in those of the run", () =>
    Effect.gen(function* () {
      const agent = yield* Agent.make({ name: "run", limits: [Limit.cap("tokens", 500)], toolCalls: 1 })
      const part = yield* agent.subagent({ name: "part", mode: "slice", limits: [Limit.cap("tokens", 300)] })
      yield* part.tool(Effect.void)
      assert.strictEqual(yield* refusal(part.tool(Effect.void)), "run: toolCalls")
    })
  )

  it.effect("that has tool calls for itself keeps the run from them, which does not wait for what may come back", () =>
    Effect.gen(function* () {
      const agent = yield* Agent.make({ name: "run", limits: [Limit.cap("tokens", 500)], toolCalls: 2 })
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* agent.subagent({ name: "part", mode: "slice", limits: [Limit.cap("tokens", 300)], toolCalls: 2 })
          const calling = yield* Effect.forkChild(refusal(agent.tool(Effect.void)), { startImmediately: true })
          assert.strictEqual((yield* agent.tools.snapshot).waiting, 0)
          assert.strictEqual(yield* Fiber.join(calling), "run: toolCalls")
        })
      )
      yield* agent.tool(Effect.void)
    })
  )

  it.effect("that is isolated beside a slice spends within what that was carved out of", () =>
    Effect.gen(function* () {
      const key = yield* Budget.make({ name: "key", limits: [Limit.cap("tokens", 1_000)] })
      const agent = yield* Agent.make({ name: "run", from: key, limits: [Limit.cap("tokens", 600)] })
      const part = yield* agent.subagent({
        name: "part",
        mode: "isolate",
        limits: [Limit.cap("tokens", 200)]
      })
      yield* Effect.void.pipe(part.step({ estimate }))
      const { reserved, used } = (yield* limitNamed(key, "cap(tokens)"))!
      assert.deepStrictEqual([used, reserved], [700, 600])
      assert.strictEqual((yield* limitNamed(agent.budget, "cap(tokens)"))?.used, 0)
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

describe("interrupted at any of its operations", () => {
  const onKey = Effect.gen(function* () {
    const key = yield* Budget.make({ name: "key", limits: [Limit.cap("tokens", 1_000)] })
    /** What was spent, once everything that was held has come back. */
    const charged = () =>
      Effect.gen(function* () {
        yield* expectAtRest(key)
        const { limits, spent } = yield* key.snapshot
        assert.strictEqual(limits[0]!.used, spent.inputTokens + spent.outputTokens)
        return limits[0]!.used
      })
    return { key, charged }
  })

  it.effect("a run holds nothing afterwards, whether or not it has come to its last answer", () =>
    interruptAtEveryOperation(
      { operationsMin: 40, phases: ["run", "last answer", "given"], charges: [0, 100, 200, 300] },
      Effect.gen(function* () {
        const { charged, key } = yield* onKey
        let phase = "run"
        const run = Effect.gen(function* () {
          const agent = yield* Agent.make({
            name: "run",
            from: key,
            limits: [Limit.cap("tokens", 320)],
            lastAnswer: estimate
          })
          yield* loop(agent).pipe(
            agent.orLastAnswer(() =>
              Effect.sync(() => (phase = "last answer")).pipe(
                agent.step({ estimate }),
                Effect.andThen(Effect.sync(() => (phase = "given")))
              )
            )
          )
          // Everything is settled before the scope closes, too.
          yield* expectAtRest(agent.budget)
        })
        return { call: Effect.scoped(run), phase: () => phase, charged }
      })
    )
  )

  it.effect("an agent that is being made, in a scope that stays open, is there as a whole or holds nothing", () =>
    interruptAtEveryOperation(
      { operationsMin: 15, phases: ["making"], charges: [0, 1] },
      Effect.gen(function* () {
        const { key } = yield* onKey
        const tools = yield* Agent.make({ name: "run", from: key, limits: [Limit.cap("tokens", 500)], toolCalls: 5 })
        const part = tools.subagent({
          name: "part",
          mode: "slice",
          limits: [Limit.cap("tokens", 320)],
          toolCalls: 2,
          lastAnswer: estimate
        })
        const scope = yield* Scope.fork(yield* Effect.scope)
        return {
          call: Scope.provide(part, scope),
          phase: () => "making",
          charged: () =>
            Effect.gen(function* () {
              const reserved = [
                (yield* limitNamed(tools.budget, "cap(tokens)"))?.reserved,
                (yield* limitNamed(tools.tools, "toolCalls"))?.reserved
              ]
              yield* Scope.close(scope, Exit.void)
              yield* expectAtRest(tools.budget, tools.tools)
              if (reserved[0] === 0) assert.deepStrictEqual(reserved, [0, 0])
              else assert.deepStrictEqual(reserved, [320, 2])
              return reserved[0] === 0 ? 0 : 1
            })
        }
      })
    )
  )

  it.effect("a tool call counts from its beginning, or not at all, and is never only reserved", () =>
    interruptAtEveryOperation(
      { operationsMin: 3, phases: ["asking", "counted"], charges: [0, 1] },
      Effect.gen(function* () {
        const agent = yield* Agent.make({ name: "run", toolCalls: 1 })
        let isCalled = false
        return {
          call: agent.tool(
            Effect.andThen(
              Effect.sync(() => (isCalled = true)),
              Effect.yieldNow
            )
          ),
          phase: () => {
            const { limits, open } = Effect.runSync(agent.tools.snapshot)
            if (open > 0) return "open"
            return limits[0]!.used > 0 ? "counted" : "asking"
          },
          charged: () =>
            Effect.gen(function* () {
              yield* expectAtRest(agent.tools)
              const { used } = (yield* limitNamed(agent.tools, "toolCalls"))!
              assert.strictEqual(used, yield* requests(agent.tools))
              if (isCalled) assert.strictEqual(used, 1)
              return used
            })
        }
      })
    )
  )

  for (const mode of ["share", "slice", "isolate"] as const) {
    it.effect(`a subagent of mode ${mode} holds nothing afterwards and has spent each call once or not`, () =>
      interruptAtEveryOperation(
        { operationsMin: 40, phases: ["part", "run"], charges: [0, 100, 200, 300] },
        Effect.gen(function* () {
          const { charged, key } = yield* onKey
          const agent = yield* Agent.make({
            name: "run",
            within: [key],
            limits: [Limit.cap("tokens", 900)],
            lastAnswer: estimate
          })
          let phase = "part"
          const part = Effect.gen(function* () {
            const sub = yield* agent.subagent({
              name: "part",
              mode,
              limits: [Limit.cap("tokens", 250)],
              toolCalls: 1,
              lastAnswer: estimate
            })
            yield* sub.tool(Effect.void)
            yield* loop(sub).pipe(sub.orLastAnswer(() => Effect.void.pipe(sub.step({ estimate }))))
          })
          const call = Effect.andThen(
            Effect.scoped(part),
            Effect.suspend(() => {
              phase = "run"
              return Effect.void.pipe(agent.step({ estimate }))
            })
          )
          return {
            call,
            phase: () => phase,
            charged: () =>
              Effect.gen(function* () {
                const { reserved, used } = (yield* limitNamed(agent.budget, "cap(tokens)"))!
                const { spent } = yield* agent.budget.snapshot
                // What is kept for the run's own last answer is all that it still holds.
                assert.strictEqual(reserved, 100)
                assert.strictEqual(used - reserved, spent.inputTokens + spent.outputTokens)
                return yield* charged()
              })
          }
        })
      )
    )
  }
})
