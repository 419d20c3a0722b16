import { getEncodingNameForModel } from "js-tiktoken/lite"

/** The encodings of the models that OpenAI still serves. */
export type Encoding = "o200k_base" | "cl100k_base"

/** The encoding of a model, by its own name or by that of its family; `undefined` when nobody has told. */
export const encodingOf = (model: string): Encoding | undefined => {
  const base = baseModel(model)
  return families.find(([prefix]) => base.startsWith(prefix))?.[1] ?? encodingByExactName(base)
}

// `ft:gpt-4o-mini:org::id` is a fine-tuned gpt-4o-mini; gateways write `openai/gpt-4o-mini`.
const baseModel = (model: string): string => {
  const name = model.startsWith("openai/") ? model.slice("openai/".length) : model
  return name.startsWith("ft:") ? (name.split(":")[1] ?? name) : name
}

// tiktoken's own MODEL_PREFIX_TO_ENCODING, which js-tiktoken lacks, and the two base models that js-tiktoken maps to
// the encodings of the models they replaced. They come before the exact names, so that dated names resolve too.
const families: ReadonlyArray<readonly [prefix: string, encoding: Encoding]> = [
  ["o1-", "o200k_base"],
  ["o3-", "o200k_base"],
  ["o4-mini-", "o200k_base"],
  ["gpt-5", "o200k_base"],
  ["gpt-4.5-", "o200k_base"],
  ["gpt-4.1-", "o200k_base"],
  ["chatgpt-4o-", "o200k_base"],
  ["gpt-4o-", "o200k_base"],
  ["gpt-oss-", "o200k_base"],
  ["gpt-4-", "cl100k_base"],
  ["gpt-3.5-turbo-", "cl100k_base"],
  ["gpt-35-turbo-", "cl100k_base"],
  ["davinci-002", "cl100k_base"],
  ["babbage-002", "cl100k_base"]
]

const encodingByExactName = (model: string): Encoding | undefined => {
  try {
    const name = tiktoken.encodingName(model)
    return name === "o200k_base" || name === "cl100k_base" ? name : undefined
  } catch {
    return undefined
  }
}

// js-tiktoken declares only the names that it knows and throws for all others, so any string may be asked for.
const tiktoken: { encodingName(model: string): string } = { encodingName: getEncodingNameForModel }
