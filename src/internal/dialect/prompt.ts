/**
 * What a model reads, gathered from the nested parts of a request.
 */
import * as Json from "./json.ts"

/**
 * Where the parts of a provider's messages keep what the model reads. Fields that are named nowhere are passed over:
 * ids, signatures, encodings of images.
 */
export interface Grammar {
  /** Fields that are read as text: strings as they are, anything else as its JSON. */
  readonly texts: ReadonlyArray<string>
  /** Fields that hold a text, a part, or a list of parts. */
  readonly parts: ReadonlyArray<string>
  /**
   * Adds what a part counts besides the texts in its fields. Says whether that is all of it, as with an image: then its
   * fields are not read.
   */
  addOther(part: Json.JsonObject, prompt: Prompt): boolean
  /** What a part counts in which no known field is found. */
  readonly tokensPerUnknownPart: number
}

// Deeper than any provider nests, and shallow enough for the stack.
const DEPTH_MAX = 32

export class Prompt {
  readonly texts: Array<string> = []
  tokens = 0
  readonly #grammar: Grammar

  constructor(grammar: Grammar) {
    this.#grammar = grammar
  }

  addText(value: unknown): void {
    if (!Json.isPresent(value)) return
    const text = typeof value === "string" ? value : Json.jsonText(value)
    if (text !== "") this.texts.push(text)
  }

  addTokens(tokens: number): void {
    this.tokens += tokens
  }

  /** Adds a text, a part with everything in it, or a list of them. */
  addContent(content: unknown, depth = 0): void {
    if (typeof content === "string") return this.addText(content)
    if (depth > DEPTH_MAX) return
    if (Array.isArray(content)) for (const part of content) this.addContent(part, depth + 1)
    else if (Json.isObject(content)) this.#addPart(content, depth)
  }

  #addPart(part: Json.JsonObject, depth: number): void {
    const grammar = this.#grammar
    if (grammar.addOther(part, this)) return
    let isKnown = false
    for (const name of grammar.texts) {
      if (!Json.isPresent(part[name])) continue
      isKnown = true
      this.addText(part[name])
    }
    for (const name of grammar.parts) {
      if (!Json.isPresent(part[name])) continue
      isKnown = true
      this.addContent(part[name], depth + 1)
    }
    if (!isKnown) this.addTokens(grammar.tokensPerUnknownPart)
  }
}
