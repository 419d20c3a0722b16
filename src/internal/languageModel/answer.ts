import type * as Response from "effect/ai/Response"
import type * as Tool from "effect/ai/Tool"
import { jsonText } from "./jsonText.ts"
import { type Counts, countsOf, type Seen } from "./usage.ts"

/** A part of a whole answer. The parameters of tool calls may be anything. */
export type WholePart = Response.Part<Record<string, Tool.Any>, "deferred">

/** A part of a streamed answer. */
export type StreamedPart = Response.StreamPart<Record<string, Tool.Any>, "deferred">

export type AnyPart = WholePart | StreamedPart

/** What is seen of an answer while it comes. */
export class Answer implements Seen {
  counts: Counts = { input: undefined, output: undefined }
  model: string | undefined
  text = ""
  /** Whether any part has come. */
  hasBegun = false
  /** Whether the part has come that says what the answer has used: nothing that costs follows. */
  isFinished = false
  readonly #streamedCalls = new Set<string>()

  see(parts: ReadonlyArray<AnyPart>): void {
    for (const part of parts) this.#seePart(part)
  }

  #seePart(part: AnyPart): void {
    this.hasBegun = true
    switch (part.type) {
      case "text":
      case "reasoning":
        this.text += part.text
        return
      case "text-delta":
      case "reasoning-delta":
      case "tool-params-delta":
        this.text += part.delta
        return
      case "tool-params-start":
        this.#streamedCalls.add(part.id)
        this.text += part.name
        return
      case "tool-call":
        // A call whose parameters were streamed comes once more as a whole.
        if (!this.#streamedCalls.has(part.id)) this.text += part.name + jsonText(part.params)
        return
      case "response-metadata":
        this.model = part.modelId ?? this.model
        return
      case "finish":
        this.isFinished = true
        this.counts = countsOf(part.usage)
        return
      default:
    }
  }
}
