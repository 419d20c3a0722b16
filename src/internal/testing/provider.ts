import * as Duration from "effect/Duration"
import type * as BudgetTesting from "../../BudgetTesting.ts"
import * as Usage from "../../Usage.ts"

/** What is to happen to a request instead of its answer, or before it. */
type Cue =
  | { readonly _tag: "Refuse"; readonly status: number; readonly retryAfterSeconds: number | undefined }
  | { readonly _tag: "Lose" }
  | { readonly _tag: "Hold"; readonly until: Promise<void> }

type Answer = (request: BudgetTesting.ProviderRequest) => BudgetTesting.ProviderAnswer

export class ScriptedProvider implements BudgetTesting.Provider {
  readonly requests: Array<BudgetTesting.ProviderRequest> = []
  served = Usage.zero
  readonly #answer: Answer
  readonly #cues: Array<Cue> = []

  constructor(answer: Answer) {
    this.#answer = answer
  }

  readonly fetch: typeof globalThis.fetch = async (input, init) => {
    const asked = new Request(input, init)
    const cue = this.#cues.shift()
    const index = this.requests.length
    this.requests.push({ url: asked.url, body: undefined, status: 0 })
    const request = { url: asked.url, body: parse(await asked.text()), status: 0 }
    this.requests[index] = request

    if (cue?._tag === "Lose") throw new TypeError("fetch failed: the provider has lost the connection")
    if (cue?._tag === "Hold") await orAborted(cue.until, asked.signal)
    const response = cue?._tag === "Refuse" ? refused(request.url, cue) : this.#answered(request)
    this.requests[index] = { ...request, status: response.status }
    return response
  }

  refuseNext({ retryAfter, status = 429, times = 1 }: BudgetTesting.ProviderRefusal = {}): void {
    const retryAfterSeconds = retryAfter === undefined ? undefined : Math.ceil(Duration.toSeconds(retryAfter))
    for (let time = 0; time < times; time++) this.#cues.push({ _tag: "Refuse", status, retryAfterSeconds })
  }

  loseNext(): void {
    this.#cues.push({ _tag: "Lose" })
  }

  holdNext(): () => void {
    let release = (): void => {}
    this.#cues.push({ _tag: "Hold", until: new Promise((resolve) => (release = resolve)) })
    return () => release()
  }

  #answered(request: BudgetTesting.ProviderRequest): Response {
    const { inputTokens = 10, outputTokens = 20, text = "an answer" } = this.#answer(request)
    this.served = Usage.add(this.served, Usage.make({ inputTokens, outputTokens }))
    return Response.json(bodyOf(request, text, inputTokens, outputTokens))
  }
}

const bodyOf = (
  { body, url }: BudgetTesting.ProviderRequest,
  text: string,
  inputTokens: number,
  outputTokens: number
): unknown => {
  const model = typeof body === "object" && body !== null && "model" in body ? body.model : "a-model"
  const usage = { input_tokens: inputTokens, output_tokens: outputTokens }
  if (isOf("messages", url)) {
    const content = [{ type: "text", text }]
    return { id: "msg_1", type: "message", role: "assistant", model, content, stop_reason: "end_turn", usage }
  }
  if (isOf("responses", url)) {
    const content = [{ type: "output_text", text, annotations: [] }]
    const output = [{ id: "msg_1", type: "message", role: "assistant", status: "completed", content }]
    const total_tokens = inputTokens + outputTokens
    return { id: "resp_1", object: "response", model, status: "completed", output, usage: { ...usage, total_tokens } }
  }
  return {
    id: "chatcmpl-1",
    object: "chat.completion",
    created: 0,
    model,
    choices: [{ index: 0, message: { role: "assistant", content: text, refusal: null }, finish_reason: "stop" }],
    usage: { prompt_tokens: inputTokens, completion_tokens: outputTokens, total_tokens: inputTokens + outputTokens }
  }
}

const refused = (
  url: string,
  { retryAfterSeconds, status }: { readonly status: number; readonly retryAfterSeconds: number | undefined }
): Response => {
  const error = { type: status === 429 ? "rate_limit_error" : "api_error", message: "The provider refuses on cue." }
  return Response.json(isOf("messages", url) ? { type: "error", error } : { error }, {
    status,
    headers: retryAfterSeconds === undefined ? {} : { "retry-after": String(retryAfterSeconds) }
  })
}

const isOf = (resource: string, url: string): boolean => new URL(url).pathname.endsWith(`/${resource}`)

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

const orAborted = (until: Promise<void>, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    if (signal.aborted) return abort()
    signal.addEventListener("abort", abort, { once: true })
    void until.then(resolve)
  })
