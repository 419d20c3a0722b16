import { consecutive } from "effect/persistence/CircuitBreaker"
import { describe, expect, it } from "vitest"
import { BudgetError, Limit, makeBudget, OutputHistory, Pricing, Usage } from "effect-budget"

const url = "https://api.openai.com/v1/chat/completions"

const ask = (fetch: typeof globalThis.fetch, more: object = {}) =>
  fetch(url, {
    method: "POST",
    body: JSON.stringify({
      model: "gpt-4o-mini",
      messages: [{ role: "user", content: "Hi" }],
      max_tokens: 500,
      ...more
    })
  })

const provider = async () => Response.json({ usage: { prompt_tokens: 9, completion_tokens: 20, total_tokens: 29 } })

const tokens = (inputTokens: number) => Usage.make({ inputTokens })

describe("makeBudget", () => {
  it("counts what a fetch spends, also in the budget around it", async () => {
    const key = await makeBudget({ name: "key", limits: [Limit.cap("tokens", 10_000)] })
    const run = await makeBudget({ limits: [Limit.cap("usd", 1)], within: [key], fetch: provider })
    await (await ask(run.fetch)).json()
    expect(run.snapshot().spent).toEqual(Usage.make({ inputTokens: 9, outputTokens: 20, costUsd: 0.000_013_35 }))
    expect(key.snapshot().limits[0]).toMatchObject({ used: 29, reserved: 0 })
    await run.close()
    await key.close()
  })

  it("answers as the provider would, or throws, when the budget says no", async () => {
    const polite = await makeBudget({ limits: [Limit.perCall("tokens", 100)], fetch: provider })
    expect((await ask(polite.fetch)).status).toBe(429)
    const frank = await makeBudget({ limits: [Limit.perCall("tokens", 100)], fetch: provider, onRefusal: "throw" })
    await expect(ask(frank.fetch)).rejects.toBeInstanceOf(BudgetError.BudgetError)
    await Promise.all([polite.close(), frank.close()])
  })

  it("keeps requests from a provider that fails, with a circuit for each model", async () => {
    let asked = 0
    const failing = async () => {
      asked++
      return new Response("{}", { status: 500 })
    }
    const plain = await makeBudget({ limits: [], fetch: failing })
    const usual = await makeBudget({ limits: [], fetch: failing, breaker: true })
    const strict = await makeBudget({ limits: [], fetch: failing, breaker: { tripPolicy: consecutive(1) } })
    const asks: Array<number> = []
    for (const budget of [plain, usual, strict]) {
      asked = 0
      for (let call = 0; call < 20; call++) await ask(budget.fetch)
      asks.push(asked)
      await budget.close()
    }
    expect(asks).toEqual([20, 10, 1])
    const open = await makeBudget({
      limits: [],
      fetch: failing,
      breaker: { tripPolicy: consecutive(1) },
      onRefusal: "throw"
    })
    await ask(open.fetch)
    await expect(ask(open.fetch)).rejects.toMatchObject({ reason: { _tag: "CircuitOpen" } })
    expect((await ask(open.fetch, { model: "gpt-4o" })).status).toBe(500)
    expect(open.snapshot()).toMatchObject({ open: 0, spent: { requests: 2 } })
    await open.close()
  })

  it("prices, counts and learns as it is told", async () => {
    const learn = OutputHistory.make()
    const budget = await makeBudget({
      limits: [Limit.cap("usd", 1)],
      fetch: provider,
      pricing: Pricing.make({ models: { "our-llama": { input: 1, output: 2 } } }),
      countExactly: true,
      learn
    })
    await (await ask(budget.fetch, { model: "our-llama" })).json()
    expect(budget.snapshot().spent.costNanoUsd).toBe(49_000)
    expect(learn.snapshot()).toMatchObject([{ kind: { model: "our-llama", operation: "chat" }, samples: 1 }])
    await budget.close()
  })

  it("spends within the budget what has no fetch, and tells the call's own error", async () => {
    const budget = await makeBudget({ limits: [Limit.cap("tokens", 100)] })
    const options = { estimate: tokens(60), actual: (used: number) => tokens(used) }
    expect(await budget.spend(async () => 40, options)).toBe(40)
    expect(budget.snapshot().spent.inputTokens).toBe(40)

    const failure = new Error("the call's own")
    await expect(budget.spend(() => Promise.reject(failure), options)).rejects.toBe(failure)
    await expect(budget.spend(async () => 1, { estimate: tokens(200) })).rejects.toBeInstanceOf(BudgetError.BudgetError)
    expect(budget.snapshot()).toMatchObject({ open: 0, spent: { inputTokens: 40 } })
    await budget.close()
  })

  it("begins nothing for a signal that was aborted, and stops a call whose signal is", async () => {
    const budget = await makeBudget({ limits: [Limit.cap("tokens", 100)] })
    let begun = 0
    const call = (signal: AbortSignal) =>
      new Promise<never>((_, reject) => {
        begun++
        signal.addEventListener("abort", () => reject(signal.reason))
      })
    const aborted = AbortSignal.abort("before")
    await expect(budget.spend(call, { estimate: tokens(60), signal: aborted })).rejects.toBe("before")
    expect(begun).toBe(0)

    const controller = new AbortController()
    const running = budget.spend(call, { estimate: tokens(60), signal: controller.signal })
    controller.abort("meanwhile")
    await expect(running).rejects.toBe("meanwhile")
    expect(budget.snapshot()).toMatchObject({ open: 0, spent: { inputTokens: 0 } })
    await budget.close()
  })

  it("says what happens to whoever listens, until they do not any more", async () => {
    const budget = await makeBudget({ limits: [Limit.cap("tokens", 100)] })
    const heard: Array<string> = []
    const stop = budget.onEvent(({ _tag }) => heard.push(_tag))
    await budget.spend(async () => {}, { estimate: tokens(1) })
    await new Promise((resolve) => setImmediate(resolve))
    stop()
    await budget.spend(async () => {}, { estimate: tokens(1) })
    await new Promise((resolve) => setImmediate(resolve))
    expect(heard).toEqual(["Admitted", "Settled"])
    await budget.close()
  })

  it("is closed: who waits is refused, what was sent is charged, and nothing begins any more", async () => {
    const budget = await makeBudget({ limits: [Limit.concurrency(1), Limit.cap("tokens", 1_000)], fetch: provider })
    const unread = await ask(budget.fetch)
    const waiting = ask(budget.fetch)
    const refused = expect(waiting).rejects.toThrow("closed")
    const { reserved } = budget.snapshot().limits[1]!
    await budget.close()
    await refused
    await unread.json()
    expect(budget.snapshot().limits[1]).toMatchObject({ used: reserved, reserved: 0 })
    await expect(ask(budget.fetch)).rejects.toThrow("closed")
    await expect(budget.spend(async () => 1, { estimate: tokens(1) })).rejects.toThrow("closed")
  })

  it("rejects what makes no sense", async () => {
    await expect(makeBudget({ limits: [], outputTokens: -1 })).rejects.toThrow("outputTokens")
    // A provider refuses to answer with nothing.
    await expect(makeBudget({ limits: [], leastOutputTokens: 0 })).rejects.toThrow("leastOutputTokens")
  })
})
