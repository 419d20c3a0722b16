/**
 * A language model around another, each of whose rounds goes through a governor.
 *
 * The outer model is one of Effect's own, whose provider is the inner model. It normalizes prompts and calls the tools,
 * after the round that asked for them is settled. Everything that must happen once happens at one of the two: ids of
 * responses are tracked by the inner model, spans are transformed by the outer.
 */
import type * as AiError from "effect/ai/AiError"
import * as LanguageModel from "effect/ai/LanguageModel"
import * as ResponseIdTracker from "effect/ai/ResponseIdTracker"
import type * as Response from "effect/ai/Response"
import * as Telemetry from "effect/ai/Telemetry"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { AnyPart, WholePart } from "./answer.ts"
import { roundModel, roundOptions } from "./ask.ts"
import { encodePart } from "./encode.ts"
import { type Asking, governAnswer, governStream } from "./round.ts"

/** How a round is put into a budget. */
export interface Rules {
  readonly asking: (options: LanguageModel.ProviderOptions, method: string, context: Context.Context<never>) => Asking
  /** Passes the bound of a shorter answer on to the provider. */
  readonly limitOutput: (maxOutputTokens: number, context: Context.Context<never>) => Context.Context<never>
}

/** What the two models tell each other about one call, past Effect's own code. */
interface CallNotes {
  readonly tracker: Option.Option<ResponseIdTracker.Service>
  /** The object as the inner model has decoded it, or why it could not. */
  object: { readonly value: unknown } | { readonly error: AiError.AiError } | undefined
}

const Notes = Context.Reference<CallNotes>("effect-budget/BudgetedLanguageModel/Notes", {
  defaultValue: () => ({ tracker: Option.none(), object: undefined })
})

const within =
  (change: (context: Context.Context<never>) => Context.Context<never>) =>
  <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.updateContext(effect, change)

export const decorate = Effect.fnUntraced(function* (model: LanguageModel.LanguageModel, rules: Rules) {
  const inner = roundModel(model)
  const transformerHere = yield* Effect.serviceOption(Telemetry.CurrentSpanTransformer)

  /** The context in which the inner model is asked. `see` is given the parts before they are judged. */
  const innerContext = (
    context: Context.Context<never>,
    bound: number | undefined,
    see?: (parts: ReadonlyArray<AnyPart>) => void
  ): Context.Context<never> => {
    const bounded = bound === undefined ? context : rules.limitOutput(bound, context)
    const { tracker } = Context.get(context, Notes)
    const tracked = Option.isNone(tracker)
      ? bounded
      : Context.add(bounded, ResponseIdTracker.ResponseIdTracker, tracker.value)
    // The outer model uses the caller's transformer: here it would be used twice.
    const isOutside =
      Option.isSome(transformerHere) || Option.isSome(Context.getOption(context, Telemetry.CurrentSpanTransformer))
    if (see === undefined && !isOutside) return tracked
    const observe: Telemetry.SpanTransformer = ({ response }) => see?.(response as ReadonlyArray<AnyPart>)
    return Context.add(tracked, Telemetry.CurrentSpanTransformer, observe)
  }

  const askText = (options: LanguageModel.ProviderOptions, context: Context.Context<never>) =>
    governAnswer(rules.asking(options, "generateText", context), (bound) =>
      inner.generateText(roundOptions(options)).pipe(
        Effect.map(({ content }) => content),
        within(() => innerContext(context, bound))
      )
    )

  const askObject = (
    options: LanguageModel.ProviderOptions,
    { objectName, schema }: Extract<LanguageModel.ProviderOptions["responseFormat"], { type: "json" }>,
    context: Context.Context<never>
  ) =>
    governAnswer(rules.asking(options, "generateObject", context), (bound) => {
      const notes = Context.get(context, Notes)
      let answer: ReadonlyArray<WholePart> | undefined
      return inner.generateObject({ ...roundOptions(options), objectName, schema }).pipe(
        Effect.map(({ content, value }) => {
          notes.object = { value }
          return content
        }),
        // The answer was there: it is charged, and its tools are called, before the caller hears what was wrong with it.
        Effect.catch((error) => {
          if (answer === undefined) return Effect.fail(error)
          notes.object = { error }
          return Effect.succeed(answer)
        }),
        within(() =>
          innerContext(context, bound, (parts) => {
            answer = parts as ReadonlyArray<WholePart>
          })
        )
      )
    })

  const outer = yield* LanguageModel.make({
    generateText: (options) =>
      Effect.contextWith((context: Context.Context<never>) => {
        const { responseFormat } = options
        const parts =
          responseFormat.type === "json" ? askObject(options, responseFormat, context) : askText(options, context)
        return Effect.map(parts, (content) => content.map(encodePart) as Array<Response.PartEncoded>)
      }),
    streamText: (options) =>
      Stream.unwrap(
        Effect.contextWith((context: Context.Context<never>) =>
          Effect.succeed(
            governStream(rules.asking(options, "streamText", context), (bound) =>
              Stream.updateContext(inner.streamText(roundOptions(options)), () => innerContext(context, bound))
            ).pipe(Stream.map((part) => encodePart(part) as Response.StreamPartEncoded))
          )
        )
      ),
    codecTransformer: passThrough,
    supportsSystemMessagesInHistory: model.supportsSystemMessagesInHistory
  })

  return outside(outer)
})

/** The object has been decoded by the inner model. */
const passThrough = (() => ({ codec: Schema.Unknown, jsonSchema: {} })) as unknown as LanguageModel.CodecTransformer

/** The outer model as callers see it, with notes for each call. */
const outside = (outer: LanguageModel.LanguageModel): LanguageModel.LanguageModel => {
  type Generate = (options: unknown) => Effect.Effect<LanguageModel.GenerateTextResponse<{}>, AiError.AiError>
  type StreamParts = (options: unknown) => Stream.Stream<unknown, unknown>
  const generateText = outer.generateText as unknown as Generate
  const generateObject = outer.generateObject as unknown as Generate
  const streamText = outer.streamText as unknown as StreamParts

  const noted: Record<"generateText" | "generateObject", Generate> & { readonly streamText: StreamParts } = {
    generateText: (options) =>
      Effect.updateContext(generateText(options), (context) => noting(context, notesOf(context))),
    generateObject: (options) =>
      Effect.contextWith((context: Context.Context<never>) => {
        const notes = notesOf(context)
        return generateObject(options).pipe(
          within(() => noting(context, notes)),
          Effect.mapError((error) =>
            notes.object !== undefined && "error" in notes.object && error.reason._tag === "StructuredOutputError"
              ? notes.object.error
              : error
          ),
          Effect.flatMap(({ content }) => {
            const { object } = notes
            return object !== undefined && "error" in object
              ? Effect.fail(object.error)
              : Effect.succeed(new LanguageModel.GenerateObjectResponse(object?.value, content))
          })
        )
      }),
    streamText: (options) => Stream.updateContext(streamText(options), (context) => noting(context, notesOf(context)))
  }
  return { ...outer, ...noted } as unknown as LanguageModel.LanguageModel
}

const notesOf = (context: Context.Context<never>): CallNotes => ({
  tracker: Context.getOption(context, ResponseIdTracker.ResponseIdTracker),
  object: undefined
})

/** With a tracker in sight the outer model would mark what it has sent, too, and try again where the inner one does. */
const noting = (context: Context.Context<never>, notes: CallNotes): Context.Context<never> =>
  Context.add(Context.omit(ResponseIdTracker.ResponseIdTracker)(context), Notes, notes)
