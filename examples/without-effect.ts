/**
 * A budget in a program that does not use Effect: `npm run example:without-effect`
 */
import { setImmediate } from "node:timers/promises"
import { Limit, makeBudget } from "effect-budget"
import { OpenAI, RateLimitError } from "openai"
import { message, printEvent, printTotals, quote } from "./mock/account.ts"
import { startProvider } from "./mock/provider.ts"

const provider = await startProvider() // stands in for api.openai.com

const budget = await makeBudget({
  name: "budget",
  limits: [Limit.cap("usd", 0.0012), Limit.slidingWindow("requests", 1, "1 second")]
})
budget.onEvent(printEvent)

const client = new OpenAI({
  fetch: budget.fetch,
  baseURL: `${provider.url}/v1`,
  apiKey: "the mock provider asks for none"
})

const ask = async (content: string): Promise<string> => {
  const answer = await client.chat.completions.create({
    model: "gpt-5.4-mini",
    messages: [{ role: "user", content }],
    max_completion_tokens: 200
  })
  return answer.choices[0]?.message.content ?? ""
}

try {
  console.log("Two calls at once, where one request is allowed in any second")
  const answers = await Promise.all([ask("What is a token bucket?"), ask("How does a sliding window differ?")])
  await setImmediate()
  for (const answer of answers) console.log(quote(answer))

  console.log("\nA third one, which could cost more than is left")
  const refused: unknown = await ask("Which of them do providers use?").catch((error: unknown) => error)
  await setImmediate()
  if (!(refused instanceof RateLimitError)) throw refused
  console.log(message(refused.message))

  printTotals(budget.snapshot(), provider.served)
} finally {
  await budget.close()
  await provider.stop()
}
