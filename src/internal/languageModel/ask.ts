/**
 * Asks a language model for one round: what it answers, tools called by nobody.
 */
import type * as AiError from "effect/ai/AiError"
import type * as LanguageModel from "effect/ai/LanguageModel"
import type * as Prompt from "effect/ai/Prompt"
import type * as Tool from "effect/ai/Tool"
import * as Toolkit from "effect/ai/Toolkit"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type { StreamedPart, WholePart } from "./answer.ts"

/** A model as it is asked here. What the caller's schemas need is in the context of the call, whatever the types say. */
export interface RoundModel {
  generateText(options: RoundOptions): Effect.Effect<{ readonly content: ReadonlyArray<WholePart> }, AiError.AiError>
  generateObject(
    options: RoundOptions & { readonly objectName: string; readonly schema: Schema.Top }
  ): Effect.Effect<{ readonly content: ReadonlyArray<WholePart>; readonly value: unknown }, AiError.AiError>
  streamText(options: RoundOptions): Stream.Stream<StreamedPart, AiError.AiError>
}

interface RoundOptions {
  readonly prompt: Prompt.Prompt
  readonly toolkit: Toolkit.WithHandler<Record<string, Tool.Any>> | undefined
  readonly toolChoice: LanguageModel.ToolChoice<string>
  readonly disableToolCallResolution: true
  readonly toolCallValidation: "deferred"
}

/** Here, and where calls come in (`decorate.ts`), the types of `effect/ai` are left: they are generic in the caller's tools. */
export const roundModel = (model: LanguageModel.LanguageModel): RoundModel => model as unknown as RoundModel

/** The options of a round for those that a provider gets. */
export const roundOptions = ({ prompt, toolChoice, tools }: LanguageModel.ProviderOptions): RoundOptions => ({
  prompt,
  toolkit: tools.length === 0 ? undefined : { tools: Toolkit.make(...tools).tools, handle: () => neverHandled },
  toolChoice,
  disableToolCallResolution: true,
  toolCallValidation: "deferred"
})

const neverHandled = Effect.die(new Error("BudgetedLanguageModel: tools are called outside of the provider's round"))
