/**
 * What a call of a language model asks for, as far as its consumption goes.
 */
import type { ProviderOptions } from "effect/ai/LanguageModel"
import type * as Prompt from "effect/ai/Prompt"
import * as Tool from "effect/ai/Tool"
import type * as Schema from "effect/Schema"
import type * as Dialect from "../../Dialect.ts"
import * as TokenCounter from "../../TokenCounter.ts"
import { jsonText } from "./jsonText.ts"

/** What is not in the options of the call itself. */
export interface Asked {
  readonly model: string
  readonly maxOutputTokens: number | undefined
  readonly isStreamed: boolean
}

type Content = Pick<ProviderOptions, "prompt" | "tools" | "responseFormat">

/**
 * Counts messages as `TokenCounter.countMessages` does and tools as OpenAI's cookbook: the JSON of their definitions,
 * 7 tokens for each and 12 once. A file counts `TokenCounter.tokensPerOtherPart`, and a schema its JSON.
 */
export const callOf = ({ prompt, responseFormat, tools }: Content, asked: Asked): Dialect.Call => {
  const texts: Array<string> = []
  let otherInputTokens = TokenCounter.tokensPerReply
  for (const message of prompt.content) {
    texts.push(message.role)
    otherInputTokens += TokenCounter.tokensPerMessage
    if (message.role === "system") texts.push(message.content)
    else for (const part of message.content) otherInputTokens += readPart(part, texts)
  }
  if (tools.length > 0) otherInputTokens += TOKENS_FOR_TOOLS + TOKENS_PER_TOOL * tools.length
  for (const tool of tools) texts.push(definitionOf(tool))
  if (responseFormat.type === "json") texts.push(responseFormat.objectName, schemaText(responseFormat.schema))
  return { ...asked, operation: "chat", texts, otherInputTokens, answers: 1 }
}

type Part = Exclude<Prompt.Message["content"], string>[number]

/** Adds the texts of a part. Says what it counts besides them. */
const readPart = (part: Part, texts: Array<string>): number => {
  switch (part.type) {
    case "text":
    case "reasoning":
      texts.push(part.text)
      return 0
    case "file":
      return TokenCounter.tokensPerOtherPart
    case "tool-call":
      texts.push(part.name, jsonText(part.params))
      return TokenCounter.tokensPerToolCall
    case "tool-result": {
      if (part.modelOutput === undefined) {
        texts.push(jsonText(part.result))
        return TokenCounter.tokensPerMessage
      }
      let tokens = TokenCounter.tokensPerMessage
      for (const output of part.modelOutput) tokens += readPart(output, texts)
      return tokens
    }
    default:
      return 0
  }
}

// Making the JSON of a schema takes longer than counting it, and the same tools come with every call.
const remembering = <Key extends object>(make: (key: Key) => string): ((key: Key) => string) => {
  const made = new WeakMap<Key, string>()
  return (key) => {
    const known = made.get(key)
    if (known !== undefined) return known
    const text = make(key)
    made.set(key, text)
    return text
  }
}

const definitionOf = remembering((tool: Tool.Any): string =>
  jsonText({
    name: tool.name,
    description: Tool.getDescription(tool),
    parameters: Tool.isProviderDefined(tool) ? tool.args : unlessThrown(() => Tool.getJsonSchema(tool))
  })
)

const schemaText = remembering((schema: Schema.Top): string =>
  jsonText(unlessThrown(() => Tool.getJsonSchemaFromSchema(schema)))
)

/** A schema without a JSON schema is the provider's to complain about. */
const unlessThrown = <A>(make: () => A): A | undefined => {
  try {
    return make()
  } catch {
    return undefined
  }
}

const TOKENS_PER_TOOL = 7
const TOKENS_FOR_TOOLS = 12
