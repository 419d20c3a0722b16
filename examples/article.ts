/**
 * The example of the article "Self-Impose Rate Limits on Your Agent Before Your Provider Does" (Mukunda Rao Katta,
 * DEV Community), line by line in this library, and what it does better: `npm run example:article`
 *
 * The lines of the article stand above those that take their place. A minute lasts half a second here, so that one sees
 * several of them.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Data, Effect, Fiber } from "effect"
import { Budget, BudgetError, Limit, TokenCounter, Usage } from "effect-budget"

const minute = "500 millis"

// session_budget = TokenBudget(max_tokens=50_000)
// window_budget = SlidingWindowBudget(max_tokens=8_000, window_seconds=60)
class Session extends Budget.Service<Session>()("Session", {
  limits: [Limit.cap("tokens", 50_000), Limit.slidingWindow("tokens", 8_000, minute)]
}) {}

class CallFailed extends Data.TaggedError("CallFailed")<{ readonly message: string }> {}

/** Stands in for `your_llm_client`: it answers with a little less than it may. */
const yourLlmClient = (prompt: string, maxTokens: number) =>
  Effect.as(Effect.sleep("20 millis"), { content: `About ${prompt}: …`, totalTokens: maxTokens - 20 })

// async def call_llm(prompt: str, expected_output_tokens: int = 500) -> str:
const callLlm = Effect.fn("callLlm")(function* (prompt: string, expectedOutputTokens = 500) {
  const counter = yield* TokenCounter.TokenCounter
  //     input_tokens = len(prompt.split()) * 1.3  # rough estimate
  //     total_estimated = int(input_tokens) + expected_output_tokens
  const estimate = Usage.make({ inputTokens: yield* counter.count(prompt), outputTokens: expectedOutputTokens })

  //     session_budget.reserve(total_estimated)
  //     await window_budget.acquire(total_estimated, timeout=30.0)
  //     result = await your_llm_client(prompt)
  //     actual_tokens = result.usage.total_tokens
  //     session_budget.commit(total_estimated, actual_tokens)
  //     window_budget.commit(total_estimated, actual_tokens)
  //     except Exception: session_budget.release(…); window_budget.release(…); raise
  const result = yield* yourLlmClient(prompt, estimate.inputTokens + expectedOutputTokens).pipe(
    Session.spend({
      estimate,
      actual: ({ totalTokens }) => Usage.make({ outputTokens: totalTokens }),
      maxWait: "30 seconds"
    })
  )
  //     return result.content
  return result.content
})

// async def run_agent(tasks: list[str]) -> list[str]:
//     except RuntimeError as e: print(f"Skipped task: {e}"); results.append(None)
const runAgent = (tasks: ReadonlyArray<string>) => {
  let isTold = false // one line for all of them
  return Effect.forEach(tasks, (task) =>
    callLlm(task).pipe(
      Effect.catchTag("BudgetError", (error) => {
        const first = isTold ? Effect.void : Console.log(`  skipped: ${error.message}`)
        isTold = true
        return Effect.as(first, undefined)
      })
    )
  )
}

const spent = Effect.map(Session.snapshot, ({ limits, spent }) => ({
  tokens: spent.inputTokens + spent.outputTokens,
  reserved: limits[0]?.reserved ?? 0
}))
const show = (tokens: number) => tokens.toLocaleString("en-US")

// async def main():
const main = Effect.gen(function* () {
  yield* Console.log("The article: 100 documents, 50,000 tokens in all, 8,000 in any minute")
  const tasks = Array.from({ length: 100 }, (_, index) => `Summarize document #${index}`)
  const results = yield* runAgent(tasks)
  const completed = results.filter((result) => result !== undefined).length
  const { tokens } = yield* spent
  yield* Console.log(`  completed ${completed} of ${tasks.length} within budget, ${show(tokens)} tokens used`)
}).pipe(Effect.provide(Session.fresh))

/** `except Exception` does not see a cancellation: the article's task would keep what it has reserved for ever. */
const interruption = Effect.gen(function* () {
  yield* Console.log("\nInterrupted, in line or under way: nothing stays reserved")
  const estimate = Usage.make({ outputTokens: 8_000 })
  const underWay = yield* Effect.forkChild(Effect.never.pipe(Session.spend({ estimate })), { startImmediately: true })
  const inLine = yield* Effect.forkChild(callLlm("Summarize"), { startImmediately: true })
  yield* Console.log(`  reserved while they are there: ${show((yield* spent).reserved)} tokens`)
  yield* Fiber.interruptAll([inLine, underWay])
  yield* Console.log(`  reserved after that: ${show((yield* spent).reserved)} tokens`)
}).pipe(Effect.provide(Session.fresh))

/** The article's `commit` raises when more was used than the cap has left, and then records nothing at all. */
const overrun = Effect.gen(function* () {
  yield* Console.log("\nUsed more than was reserved: it is recorded, and paid by waiting or refused")
  yield* Effect.succeed(51_000).pipe(
    Session.spend({
      estimate: Usage.make({ outputTokens: 500 }),
      actual: (outputTokens) => Usage.make({ outputTokens })
    })
  )
  const refused = yield* Effect.flip(callLlm("Summarize"))
  yield* Console.log(`  recorded: ${show((yield* spent).tokens)} tokens`)
  yield* Console.log(`  the next call: ${refused instanceof BudgetError.BudgetError ? refused.message : refused}`)
}).pipe(Effect.provide(Session.fresh))

/** The article commits inside of its `try`: when that fails, a call that was paid for is released. */
const failingCommit = Effect.gen(function* () {
  yield* Console.log("\nA commit that fails: the call was paid for, its estimate is charged and its result kept")
  const result = yield* Effect.succeed("an answer").pipe(
    Session.spend({
      estimate: Usage.make({ outputTokens: 500 }),
      actual: () => {
        throw new Error("the usage cannot be read")
      }
    })
  )
  yield* Console.log(`  the result: ${result}`)
  yield* Console.log(`  charged: ${show((yield* spent).tokens)} tokens`)
}).pipe(Effect.provide(Session.fresh))

const failingCall = Effect.gen(function* () {
  yield* Console.log("\nA call that fails: it is not charged, in no limit")
  yield* new CallFailed({ message: "no" }).pipe(
    Session.spend({ estimate: Usage.make({ outputTokens: 500 }) }),
    Effect.catchTag("CallFailed", () => Effect.void)
  )
  yield* Console.log(`  charged: ${show((yield* spent).tokens)} tokens`)
}).pipe(Effect.provide(Session.fresh))

Effect.all([main, interruption, overrun, failingCommit, failingCall], { discard: true }).pipe(
  Effect.provide(TokenCounter.layerHeuristic),
  NodeRuntime.runMain
)
