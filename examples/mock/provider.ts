/**
 * The provider of the examples: `@copilotkit/aimock` on 127.0.0.1, which speaks the APIs of OpenAI and Anthropic.
 *
 * It keeps a list of what it has served, so that an example can hold it against what its budget has counted.
 */
import { type ChatCompletionRequest, type FixtureResponse, LLMock } from "@copilotkit/aimock"
import { type Answer, answers, otherwise } from "./answers.ts"

export interface MockProvider {
  /** Where it listens, without a path. */
  readonly url: string
  /** Every request that reached it, in their order. */
  readonly served: ReadonlyArray<Served>
  /** Answers the next request with 429. */
  readonly throttleNext: (retryAfterSeconds: number) => void
  readonly stop: () => Promise<void>
}

export interface Served {
  readonly atMillis: number
  readonly status: number
  /** The most output tokens that the request allows. */
  readonly maxTokens: number | undefined
  readonly inputTokens: number
  readonly outputTokens: number
}

/** An answer, or each part of a streamed one, takes this long. */
const latencyMillis = 100
const charsPerPart = 60

export const startProvider = async (): Promise<MockProvider> => {
  const served: Array<Served> = []
  let throttled: number | undefined

  const respond = (request: ChatCompletionRequest): FixtureResponse => {
    const maxTokens = maxTokensOf(request)
    const note = (status: number, inputTokens: number, outputTokens: number) =>
      served.push({ atMillis: Date.now(), status, maxTokens, inputTokens, outputTokens })

    if (throttled !== undefined) {
      const retryAfter = throttled
      throttled = undefined
      note(429, 0, 0)
      const message = "This request would exceed your organization's rate limit."
      return { error: { type: "rate_limit_error", message }, status: 429, retryAfter }
    }
    const answer = answers.get(lastText(request)) ?? otherwise
    const outputTokens = Math.min(answer.outputTokens, maxTokens ?? Number.POSITIVE_INFINITY)
    note(200, answer.inputTokens, outputTokens)
    return { ...said(answer, outputTokens), ...usage(answer.inputTokens, outputTokens) }
  }

  const mock = new LLMock({ host: "127.0.0.1", port: 0, latency: latencyMillis, chunkSize: charsPerPart })
  mock.on({ predicate: () => true }, respond)
  const url = await mock.start()
  return {
    url,
    served,
    throttleNext: (retryAfterSeconds) => {
      throttled = retryAfterSeconds
    },
    stop: () => mock.stop()
  }
}

const said = (answer: Answer, outputTokens: number): FixtureResponse => {
  if (answer.toolCall !== undefined) return { toolCalls: [answer.toolCall] }
  if (outputTokens === answer.outputTokens) return { content: answer.text }
  const length = Math.floor((answer.text.length * outputTokens) / answer.outputTokens)
  return { content: answer.text.slice(0, length), finishReason: "length" }
}

/** Both as OpenAI and as Anthropic name it. */
const usage = (inputTokens: number, outputTokens: number) => ({
  usage: {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
    input_tokens: inputTokens,
    output_tokens: outputTokens
  }
})

const maxTokensOf = (request: ChatCompletionRequest): number | undefined => {
  const bound = request["max_completion_tokens"] ?? request.max_tokens
  return typeof bound === "number" ? bound : undefined
}

const lastText = ({ messages }: ChatCompletionRequest): string => {
  const content = messages.at(-1)?.content ?? ""
  return typeof content === "string" ? content : content.map(({ text }) => text ?? "").join("")
}
