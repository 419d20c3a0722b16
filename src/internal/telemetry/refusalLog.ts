import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Tracer from "effect/Tracer"
import type { Told } from "../admission/listeners.ts"
import { estimateAttributes } from "./attributes.ts"
import { refusalAttributes } from "./refusal.ts"

/**
 * Logs a refusal as whoever was refused would: with the loggers, annotations and log spans of its fiber, and as part of
 * the span of its reservation. A log is written whether or not the trace is sampled.
 */
export const logRefusal = (
  { budget, estimate, reason }: Told<"Refused">,
  span: Tracer.Span | undefined,
  fallback: Context.Context<never>
): void => {
  const context = Fiber.getCurrent()?.context ?? fallback
  const log = Effect.annotateLogs(Effect.logWarning(`refused: ${reason.message}`), {
    "effect_budget.budget": budget,
    ...refusalAttributes(reason),
    ...estimateAttributes(estimate)
  })
  Effect.runForkWith(span === undefined ? context : Context.add(context, Tracer.ParentSpan, span))(log)
}
