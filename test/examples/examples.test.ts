import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { readFileSync } from "node:fs"

const { scripts }: { scripts: Record<string, string> } = JSON.parse(readFileSync("package.json", "utf8"))

interface Ended {
  readonly code: number | string | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs the command of `npm run example:…`, with the Node that runs the tests, and waits for its end. */
const run = (example: string): Promise<Ended> => {
  const [command, ...args] = scripts[`example:${example}`]!.split(" ")
  assert.strictEqual(command, "node")
  return new Promise((resolve) => {
    const child = execFile(process.execPath, args, { timeout: 100_000 }, (_error, stdout, stderr) =>
      resolve({ code: child.exitCode, stdout, stderr })
    )
  })
}

/** The output of an example that has ended well: readable, at rest, and in agreement with its provider. */
const outputOf = async (example: string): Promise<string> => {
  const { code, stderr, stdout } = await run(example)
  assert.strictEqual(stderr, "")
  assert.strictEqual(code, 0)
  for (const line of stdout.split("\n")) assert.isAtMost(line.length, 100, line)
  const [spent, served] = ["spent", "served"].map((what) => tokensIn(lineWith(stdout, `  ${what} `)))
  assert.isAbove(spent![0]! + spent![1]!, 0)
  assert.deepStrictEqual(spent, served)
  assert.include(stdout, "nothing is reserved and nobody waits")
  return stdout
}

const linesWith = (output: string, text: string): ReadonlyArray<string> =>
  output.split("\n").filter((line) => line.includes(text))
const lineWith = (output: string, text: string): string => linesWith(output, text)[0] ?? ""
const tokensIn = (line: string): ReadonlyArray<number> =>
  [...line.matchAll(/(\d[\d,]*) (?:in|out)\b/g)].map(([, digits]) => amountIn(digits!))
const amountIn = (text: string): number => Number(text.replaceAll(",", ""))
const numbersIn = (line: string): ReadonlyArray<number> => line.split(/\s+/).slice(-2).map(Number)

describe("the examples", () => {
  it("openai-sdk: a session that is used up makes the client throw its own RateLimitError", async () => {
    const output = await outputOf("openai-sdk")
    assert.include(output, "by Session: BudgetExceeded")
    assert.include(output, "429 Session: cap(tokens) has too little left")
    assert.include(output, "by the provider, in 2 requests")
  })

  it("anthropic-sdk: one 429 of the provider makes everybody wait, and is the only one", async () => {
    const output = await outputOf("anthropic-sdk")
    assert.include(output, "answered with 429: 1 of 6 requests")
    // The one that was rejected and came again, and two that waited in the budget.
    assert.strictEqual(linesWith(output, "waited").length, 3)
  })

  it("effect-ai: the handler of a tool asks the same model, and does not wait for its own call", async () => {
    const output = await outputOf("effect-ai")
    assert.include(output, "The Atlantic off Lisbon has 17.5 °C today")
    assert.include(output, "an AiError for QuotaExhaustedError")
    assert.include(output, "by the provider, in 4 requests")
  })

  it("vercel-ai: each step of a call with tools is a reservation of its own", async () => {
    const output = await outputOf("vercel-ai")
    assert.include(output, "steps: 2")
    assert.strictEqual(linesWith(output, "reserved  ").length, 3)
  })

  it("tenants: premium gets its share, free waits or is refused, and the provider never says 429", async () => {
    const output = await outputOf("tenants")
    assert.include(output, "answered with 429 by the provider: 0")
    assert.deepStrictEqual(numbersIn(lineWith(output, "sent after 1 s")), [6, 2])
    const [acmeRefused, hobbyRefused] = numbersIn(lineWith(output, "refused, at no cost"))
    assert.strictEqual(acmeRefused, 0)
    assert.isAbove(hobbyRefused!, 0)
  })

  it("interactive: a shorter answer, then a sentence of one's own, and never an error", async () => {
    const output = await outputOf("interactive")
    assert.include(output, "the provider was asked for at most 100 tokens")
    assert.include(output, "the provider was asked for at most 36 tokens")
    assert.match(output, /Ask me again in \d+ seconds/)
    assert.include(output, "the provider was not asked")
  })

  it("without-effect: waits and refuses the same, and imports nothing of Effect's", async () => {
    const output = await outputOf("without-effect")
    assert.strictEqual(linesWith(output, "waited").length, 1)
    assert.include(output, "429 budget: cap(usd) has too little left")
    assert.notMatch(readFileSync("examples/without-effect.ts", "utf8"), /from "(effect|@effect)\b(?!-budget)/)
  })

  it("article: all documents, and what the article's libraries lose", async () => {
    const { code, stderr, stdout } = await run("article")
    assert.strictEqual(stderr, "")
    assert.strictEqual(code, 0)
    assert.include(stdout, "completed 100 of 100 within budget, 48,600 tokens used")
    assert.include(stdout, "reserved while they are there: 8,000 tokens\n  reserved after that: 0 tokens")
    assert.include(stdout, "recorded: 51,000 tokens")
    assert.include(stdout, "51,000 tokens used and 0 tokens reserved of 50,000 tokens")
    assert.include(stdout, "the result: an answer\n  charged: 500 tokens")
    assert.include(stdout, "A call that fails: it is not charged, in no limit\n  charged: 0 tokens")
  })

  it("otel: spans with the call beneath the reservation, a log of the refusal, and metrics", async () => {
    const { code, stderr, stdout } = await run("otel")
    assert.strictEqual(stderr, "")
    assert.strictEqual(code, 0)
    const [call, reservation] = stdout.split("\n}\n").filter((block) => block.includes("  kind: "))
    const [, parent] = /parentSpanContext: \{[^}]*spanId: '(\w+)'/.exec(call!) ?? []
    assert.include(call, "name: 'chat gpt-5.4-mini'")
    assert.include(reservation, `id: '${parent}'`)
    assert.include(reservation, "'gen_ai.usage.output_tokens': 150")
    assert.include(stdout, "name: 'effect_budget.overran'")
    assert.include(stdout, "body: 'refused: ProviderKey: tokens per minute has no room for 1,000 tokens")
    assert.include(
      stdout,
      "effect_budget_refused_total in {request}\n  reason=WindowExceeded  by=ProviderKey  limit=tokens per minute  1"
    )
  })

  it("prometheus: a page with the counters and gauges of budgets, of which all but two are one", async () => {
    const { code, stderr, stdout } = await run("prometheus")
    assert.strictEqual(stderr, "")
    assert.strictEqual(code, 0)
    const lines = stdout.split("\n")
    assert.include(lines, "GET /metrics: 200")
    assert.include(lines, "# TYPE effect_budget_refused_total counter")
    for (const tenant of ["Tenant(acme)", "Tenant(hobby)", "other"]) {
      assert.include(lines, `effect_budget_admitted_total{budget="${tenant}"} 2`)
      assert.include(
        lines,
        `effect_budget_refused_total{budget="${tenant}",reason="BudgetExceeded",by="${tenant}",limit="plan"} 2`
      )
      assert.include(lines, `effect_budget_utilisation_ratio{budget="${tenant}",limit="plan"} 0.68`)
    }
    assert.include(
      lines,
      'effect_budget_limit_used{budget="ProviderKey",limit="tokens per minute",meter="tokens"} 5100'
    )
    assert.notInclude(stdout, "newcomer")
  })

  it("fleet-redis: a process is killed, the store settles what it had reserved, and the others go on", async () => {
    const { code, stderr, stdout } = await run("fleet-redis")
    assert.strictEqual(stderr, "")
    assert.strictEqual(code, 0)
    for (const line of stdout.split("\n")) assert.isAtMost(line.length, 100, line)
    assert.match(stdout, /through (redis-server|Valkey in WebAssembly|the Redis at REDIS_URL): 9,000 tokens/)

    // The key is never used beyond what it allows, as the store counts it.
    const seconds = linesWith(stdout, " s  ").filter((line) => /^ +\d+ s /.test(line))
    assert.isAtLeast(seconds.length, 8)
    for (const line of seconds) {
      const [used, reserved, open] = line.split(/\s+/).slice(-3).map(amountIn)
      assert.isAtMost(used!, 9_000)
      assert.isAtMost(open!, 8)
      assert.strictEqual(reserved, open! * 500)
    }

    const [, places] = /(\d+) places are free, their tokens charged/.exec(stdout) ?? []
    assert.isAtLeast(Number(places), 2)
    const [inAll, settled, charged] = [...lineWith(stdout, "tokens in all").matchAll(/\d[\d,]*/g)].map(([text]) =>
      amountIn(text)
    )
    assert.strictEqual(charged, Number(places) * 500)
    assert.strictEqual(inAll, settled! + charged!)
    assert.isAbove(Number(/(\d+) of them after the death of b/.exec(stdout)?.[1]), 0)
    assert.include(stdout, "nothing is reserved, and nothing is open")
  })
})
