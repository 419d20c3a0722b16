/**
 * Turns the `Tokenizer` of `effect/ai` into a {@link TokenCounter} and the other way round.
 *
 * A module of its own, so that who counts without `effect/ai` does not load it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Prompt from "effect/ai/Prompt"
import * as Tokenizer from "effect/ai/Tokenizer"
import * as TokenCounter from "./TokenCounter.ts"

/**
 * Counts with a tokenizer of `effect/ai`.
 *
 * **Details**
 *
 * The tokens of a text are as many as `tokenize` returns for it. What frames messages is added as every counter does:
 * see {@link TokenCounter.make}.
 *
 * **Gotchas**
 *
 * A counter does not fail, a tokenizer may. A text on which it fails is counted by {@link TokenCounter.estimate}
 * instead, with a warning in the log.
 *
 * **Example**
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Tokenizer } from "effect/ai"
 * import { AiTokenizer } from "effect-budget"
 *
 * const tokenizer = Tokenizer.make({
 *   tokenize: (prompt) => Effect.succeed(JSON.stringify(prompt).split(" ").map((_, index) => index))
 * })
 *
 * await Effect.runPromise(AiTokenizer.toCounter(tokenizer).count("three small words")) // => 3
 * ```
 *
 * @category conversions
 * @since 0.1.0
 */
export const toCounter = (tokenizer: Tokenizer.Service): TokenCounter.TokenCounter["Service"] =>
  TokenCounter.make((text) =>
    tokenizer.tokenize(text).pipe(
      Effect.map((tokens) => tokens.length),
      Effect.catch((error) =>
        Effect.as(
          Effect.logWarning("AiTokenizer: the tokenizer failed, its text is estimated instead", error),
          TokenCounter.estimate(text)
        )
      )
    )
  )

/**
 * Makes a tokenizer of `effect/ai` from a counter, for its `truncate` and for whoever asks how many tokens there are.
 *
 * **Details**
 *
 * `tokenize` of a string returns as many numbers as the string has tokens. Of messages it returns as many as
 * `countMessages` says, with what frames them; a call of a tool counts by its name and parameters, a tool's result by
 * its JSON, and a file {@link TokenCounter.tokensPerOtherPart}. `truncate` keeps the newest messages that fit with
 * their frames.
 *
 * **Gotchas**
 *
 * A counter knows how many tokens there are and not which. The numbers are `0, 1, 2, …`, not those of a vocabulary:
 * only their count means something.
 *
 * **Example** (no more of a conversation than fits)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { AiTokenizer, TokenCounter } from "effect-budget"
 *
 * const counter = TokenCounter.make((text) => Effect.succeed(text.split(" ").length))
 * const tokenizer = AiTokenizer.fromCounter(counter)
 * const kept = await Effect.runPromise(
 *   tokenizer.truncate(
 *     [
 *       { role: "user", content: "an old and very long question" },
 *       { role: "user", content: "a new question" }
 *     ],
 *     12
 *   )
 * )
 *
 * kept.content.length // => 1
 * await Effect.runPromise(tokenizer.tokenize("three small words")) // => [0, 1, 2]
 * ```
 *
 * @category conversions
 * @since 0.1.0
 */
export const fromCounter = (counter: TokenCounter.TokenCounter["Service"]): Tokenizer.Service => {
  const ofMessages = Tokenizer.make({
    tokenize: (prompt) => Effect.map(counter.countMessages(prompt.content.map(messageOf)), numbersUpTo)
  })
  return {
    tokenize: (input) =>
      typeof input === "string" ? Effect.map(counter.count(input), numbersUpTo) : ofMessages.tokenize(input),
    truncate: ofMessages.truncate
  }
}

/**
 * Counts with the `Tokenizer` of `effect/ai` that is there. See {@link toCounter}.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerCounter: Layer.Layer<TokenCounter.TokenCounter, never, Tokenizer.Tokenizer> = Layer.effect(
  TokenCounter.TokenCounter,
  Effect.map(Tokenizer.Tokenizer, toCounter)
)

/**
 * Provides the `Tokenizer` of `effect/ai` with the counter that is there. See {@link fromCounter}.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerTokenizer: Layer.Layer<Tokenizer.Tokenizer, never, TokenCounter.TokenCounter> = Layer.effect(
  Tokenizer.Tokenizer,
  Effect.map(TokenCounter.TokenCounter, fromCounter)
)

const numbersUpTo = (length: number): Array<number> => Array.from({ length }, (_, index) => index)

const messageOf = (message: Prompt.Message): TokenCounter.Message =>
  message.role === "system"
    ? { role: message.role, content: message.content }
    : {
        role: message.role,
        content: message.content.flatMap(partsOf),
        tool_calls: message.content.flatMap(callsOf)
      }

type Part = Exclude<Prompt.Message["content"], string>[number]

const partsOf = (part: Part): ReadonlyArray<TokenCounter.Part> => {
  switch (part.type) {
    case "text":
    case "reasoning":
      return [{ type: part.type, text: part.text }]
    case "tool-result":
      return [{ type: part.type, text: jsonOf(part.result) }]
    case "file":
      return [{ type: part.type }]
    default:
      return []
  }
}

const callsOf = (part: Part): ReadonlyArray<TokenCounter.ToolCall> =>
  part.type === "tool-call"
    ? [{ type: "function", id: part.id, function: { name: part.name, arguments: jsonOf(part.params) } }]
    : []

const jsonOf = (value: unknown): string => (typeof value === "string" ? value : (JSON.stringify(value) ?? ""))
