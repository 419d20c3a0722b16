/** Plain TypeScript: the official client of OpenAI within a budget, and nothing of Effect. */
import assert from "node:assert/strict"
import { LLMock } from "@copilotkit/aimock"
import { Limit, makeBudget } from "effect-budget"
import { OpenAI, RateLimitError } from "openai"

const provider = new LLMock({ port: 0, host: "127.0.0.1" })
provider.on(
  { predicate: () => true },
  { content: "A bucket of tokens.", usage: { prompt_tokens: 12, completion_tokens: 30, total_tokens: 42 } }
)
const url = await provider.start()

const budget = await makeBudget({ name: "session", limits: [Limit.cap("tokens", 400)] })
const client = new OpenAI({ fetch: budget.fetch, baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 })
const ask = (maxTokens: number) =>
  client.chat.completions.create({
    model: "gpt-4o-mini",
    messages: [{ role: "user", content: "What is a token bucket?" }],
    max_completion_tokens: maxTokens
  })

const answer = await ask(200)
assert.equal(answer.choices[0]?.message.content, "A bucket of tokens.")
assert.equal(budget.snapshot().spent.outputTokens, 30)
assert.equal(budget.snapshot().spent.inputTokens, 12)

await assert.rejects(
  () => ask(2_000),
  (error) => error instanceof RateLimitError && error.headers.get("x-effect-budget") === "RequestTooLarge"
)
assert.equal(provider.getRequests().length, 1, "what the budget refuses is not sent")
assert.equal(budget.snapshot().open, 0)

await budget.close()
await provider.stop()
console.log("One answer of 42 tokens, and one refusal that cost nothing.")
