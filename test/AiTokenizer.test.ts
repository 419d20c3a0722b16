import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Prompt from "effect/ai/Prompt"
import * as AiError from "effect/ai/AiError"
import * as Tokenizer from "effect/ai/Tokenizer"
import * as AiTokenizer from "../src/AiTokenizer.ts"
import * as TokenCounter from "../src/TokenCounter.ts"

/** A counter of letters, so that the sums can be read off. */
const letters = TokenCounter.make((text) => Effect.succeed(text.length))

const count = (text: string) => TokenCounter.TokenCounter.use((counter) => counter.count(text))
const tokensOf = (input: Prompt.RawInput) =>
  Effect.map(AiTokenizer.fromCounter(letters).tokenize(input), (tokens) => tokens.length)

const frame = TokenCounter.tokensPerMessage
const reply = TokenCounter.tokensPerReply

describe("a tokenizer as a counter", () => {
  it.effect("counts as many tokens as the tokenizer makes of the text", () =>
    Effect.gen(function* () {
      const seen: Array<Prompt.Prompt> = []
      const tokenizer = Tokenizer.make({
        tokenize: (prompt) => {
          seen.push(prompt)
          return Effect.succeed([7, 7, 7, 9])
        }
      })
      expect(yield* AiTokenizer.toCounter(tokenizer).count("some text")).toBe(4)
      expect(JSON.stringify(seen)).toContain("some text")
    })
  )

  it.effect("adds what frames messages", () =>
    Effect.gen(function* () {
      const counter = AiTokenizer.toCounter(AiTokenizer.fromCounter(letters))
      const messages = [{ role: "user", name: "ann", content: "12345" }]
      expect(yield* counter.countMessages(messages)).toBe(yield* letters.countMessages(messages))
    })
  )

  it.effect("estimates a text on which the tokenizer fails", () =>
    Effect.gen(function* () {
      const failing = Tokenizer.make({
        tokenize: () =>
          Effect.fail(new AiError.AiError({ module: "test", method: "tokenize", reason: new AiError.UnknownError({}) }))
      })
      const text = "a text of which nothing is known"
      expect(yield* AiTokenizer.toCounter(failing).count(text)).toBe(TokenCounter.estimate(text))
    })
  )

  it.effect("is a layer over the tokenizer that is there", () =>
    Effect.gen(function* () {
      const tokenizer = Layer.succeed(Tokenizer.Tokenizer, AiTokenizer.fromCounter(letters))
      expect(yield* Effect.provide(count("12345"), Layer.provide(AiTokenizer.layerCounter, tokenizer))).toBe(5)
    })
  )
})

describe("a counter as a tokenizer", () => {
  it.effect("makes as many numbers of a string as it has tokens", () =>
    Effect.gen(function* () {
      expect(yield* AiTokenizer.fromCounter(letters).tokenize("1234")).toEqual([0, 1, 2, 3])
      expect(yield* AiTokenizer.fromCounter(letters).tokenize("")).toEqual([])
    })
  )

  it.effect("counts messages with their frames", () =>
    Effect.gen(function* () {
      const tokens = yield* tokensOf([
        { role: "system", content: "123" },
        { role: "user", content: [{ type: "text", text: "12345" }] }
      ])
      expect(tokens).toBe(reply + (frame + 6 + 3) + (frame + 4 + 5))
    })
  )

  it.effect("counts reasoning by its text and a file by the constant", () =>
    Effect.gen(function* () {
      const tokens = yield* tokensOf([
        { role: "user", content: [{ type: "file", mediaType: "image/png", data: new Uint8Array(9) }] },
        { role: "assistant", content: [{ type: "reasoning", text: "hm" }] }
      ])
      expect(tokens).toBe(reply + (frame + 4 + TokenCounter.tokensPerOtherPart) + (frame + 9 + 2))
    })
  )

  it.effect("counts a call of a tool by its name and parameters and a result by its JSON", () =>
    Effect.gen(function* () {
      const tokens = yield* tokensOf([
        {
          role: "assistant",
          content: [{ type: "tool-call", id: "call_1", name: "find", params: { q: 1 }, providerExecuted: false }]
        },
        {
          role: "tool",
          content: [
            { type: "tool-result", id: "call_1", name: "find", isFailure: false, result: [1, 2] },
            { type: "tool-result", id: "call_2", name: "find", isFailure: false, result: "none" }
          ]
        }
      ])
      const call = TokenCounter.tokensPerToolCall + "find".length + `{"q":1}`.length
      expect(tokens).toBe(reply + (frame + 9 + call) + (frame + 4 + "[1,2]".length + "none".length))
    })
  )

  it.effect("keeps the newest messages that fit with their frames", () =>
    Effect.gen(function* () {
      const prompt: Prompt.RawInput = ["1", "22", "333"].map((content) => ({ role: "user", content }))
      const two = reply + (frame + 4 + 2) + (frame + 4 + 3)
      const kept = (tokens: number) =>
        Effect.map(AiTokenizer.fromCounter(letters).truncate(prompt, tokens), ({ content }) => content.length)
      expect(yield* kept(two)).toBe(2)
      expect(yield* kept(two - 1)).toBe(1)
      expect(yield* kept(0)).toBe(0)
    })
  )

  it.effect("is a layer over the counter that is there", () =>
    Effect.gen(function* () {
      const layer = Layer.provide(AiTokenizer.layerTokenizer, Layer.succeed(TokenCounter.TokenCounter, letters))
      const tokens = yield* Effect.provide(
        Tokenizer.Tokenizer.use((tokenizer) => tokenizer.tokenize("123")),
        layer
      )
      expect(tokens).toEqual([0, 1, 2])
    })
  )
})
