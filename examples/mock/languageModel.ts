/**
 * A provider of `effect/ai` that asks the mock provider through the official `openai` client: as much of one as the
 * example needs. A real program has a layer such as `OpenAiLanguageModel.layer({ model: "gpt-5.4-mini" })`.
 */
import { Effect, Layer, Stream } from "effect"
import { AiError, LanguageModel, type Prompt, type Response, Tool } from "effect/ai"
import { OpenAI } from "openai"

export const languageModel = (url: string, model: string, maxOutputTokens: number) => {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "the mock provider asks for none" })
  return Layer.effect(
    LanguageModel.LanguageModel,
    LanguageModel.make({
      generateText: ({ prompt, tools }) =>
        Effect.tryPromise({
          try: (signal) =>
            client.chat.completions.create(
              {
                model,
                messages: prompt.content.map(messageOf),
                ...(tools.length === 0 ? {} : { tools: tools.map(toolOf) }),
                max_completion_tokens: maxOutputTokens
              },
              { signal }
            ),
          catch: (cause) =>
            AiError.make({
              module: "Mock",
              method: "generateText",
              reason: new AiError.UnknownError({ description: String(cause) })
            })
        }).pipe(Effect.map(partsOf)),
      streamText: () => Stream.empty
    })
  )
}

/** The mock provider looks at the last text only. */
const messageOf = ({ content }: Prompt.Message): OpenAI.ChatCompletionMessageParam => ({
  role: "user",
  content:
    typeof content === "string"
      ? content
      : content
          .map((part) =>
            part.type === "text" ? part.text : part.type === "tool-result" ? JSON.stringify(part.result) : ""
          )
          .join("")
})

const toolOf = (tool: Tool.Any): OpenAI.ChatCompletionTool => ({
  type: "function",
  function: { name: tool.name, parameters: { ...Tool.getJsonSchema(tool) } }
})

const partsOf = ({ choices, usage }: OpenAI.ChatCompletion): Array<Response.PartEncoded> => {
  const { content, tool_calls: calls = [] } = choices[0]!.message
  return [
    ...(content === null || content === "" ? [] : [{ type: "text" as const, text: content }]),
    ...calls.flatMap((call) =>
      call.type === "function"
        ? [
            {
              type: "tool-call" as const,
              id: call.id,
              name: call.function.name,
              params: JSON.parse(call.function.arguments)
            }
          ]
        : []
    ),
    {
      type: "finish",
      reason: calls.length > 0 ? "tool-calls" : "stop",
      usage: {
        inputTokens: { uncached: undefined, total: usage?.prompt_tokens, cacheRead: undefined, cacheWrite: undefined },
        outputTokens: { total: usage?.completion_tokens, text: undefined, reasoning: undefined }
      },
      response: undefined
    }
  ]
}
