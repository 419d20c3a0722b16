/**
 * What stands in for the model: it answers with the first sentences of the document, counted in real tokens.
 *
 * The provider counts for itself, with js-tiktoken and the overheads that OpenAI publishes. Nothing in here comes from
 * effect-budget, so a budget that counted wrongly would be found out.
 */
import { Tiktoken } from "js-tiktoken/lite"
import o200k_base from "js-tiktoken/ranks/o200k_base"

export interface Message {
  readonly role: string
  readonly content: string
}

export interface Answer {
  readonly text: string
  readonly promptTokens: number
  readonly completionTokens: number
  readonly finishReason: "stop" | "length"
}

const sentencesPerSummary = 3
/** Shorter paragraphs are captions and titles. */
const wordsPerProseMin = 4
/** OpenAI's own counting for chat: each message is framed by three tokens, and three more prime the reply. */
const tokensPerMessage = 3
const tokensPerReply = 3

const encoder = new Tiktoken(o200k_base)

/** Answers a chat; the last message is the document. */
export const answer = (messages: ReadonlyArray<Message>, maxTokens: number): Answer => {
  const sentences = firstSentences(messages.at(-1)?.content ?? "")
  const full = sentences === "" ? "The document has no sentences." : sentences
  const tokens = encode(full)
  const cut = tokens.length > maxTokens
  return {
    text: cut ? encoder.decode(tokens.slice(0, maxTokens)) : full,
    promptTokens: countMessages(messages),
    completionTokens: Math.min(tokens.length, maxTokens),
    finishReason: cut ? "length" : "stop"
  }
}

export const countMessages = (messages: ReadonlyArray<Message>): number =>
  messages.reduce(
    (total, message) => total + tokensPerMessage + encode(message.role).length + encode(message.content).length,
    tokensPerReply
  )

// Several agents send the same document; it is counted once.
const encoded = new Map<string, ReadonlyArray<number>>()

const encode = (text: string): ReadonlyArray<number> => {
  const known = encoded.get(text)
  if (known !== undefined) return known
  const tokens = encoder.encode(text, [], [])
  encoded.set(text, tokens)
  return tokens
}

const firstSentences = (markdown: string): string => {
  const prose = markdown
    .replaceAll(/```[\s\S]*?(```|$)/g, "")
    .replaceAll(/<!--[\s\S]*?-->|<[^>]*>/g, "")
    .replaceAll(/!\[[^\]]*\](\([^)]*\)|\[[^\]]*\])/g, "")
    .replaceAll(/\[([^\]]*)\](\([^)]*\)|\[[^\]]*\])/g, "$1")
    .replaceAll(/^\s*(#|>|\||[-*+]\s|\d+\.|[-=]{3,}).*$/gm, "\n")
    .replaceAll(/[*`]/g, "")
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.replaceAll(/\s+/g, " ").trim())
    .filter(isProse)
    .join(" ")
  const sentences = prose.match(/.+?(?:[.!?](?=\s|$)|[。！？])/g) ?? [prose]
  return sentences
    .slice(0, sentencesPerSummary)
    .map((sentence) => sentence.trim())
    .join(" ")
}

const isProse = (paragraph: string): boolean =>
  /^[\p{L}\p{N}"]/u.test(paragraph) && (paragraph.split(" ").length >= wordsPerProseMin || /[。！？]/.test(paragraph))
