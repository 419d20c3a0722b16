/**
 * Fields that requests of several dialects share.
 */
import type * as Dialect from "../../Dialect.ts"
import * as Usage from "../../Usage.ts"
import * as Json from "./json.ts"
import type { Prompt } from "./prompt.ts"

/** A number of a request, where it says one that makes sense. */
export const amountOf = (value: unknown): number | undefined =>
  typeof value === "number" && Usage.isAmount(value) ? value : undefined

/** How many answers are asked for: one unless the request says otherwise. */
export const answersOf = (value: unknown): number => Math.max(1, amountOf(value) ?? 1)

/** A copy with another bound in the fields that already hold one, or else in a field of its own. */
export const withBound = (
  body: Json.JsonObject,
  names: ReadonlyArray<string>,
  absent: string,
  bound: number
): Json.JsonObject => {
  const inUse = names.filter((name) => Json.isPresent(body[name]))
  return { ...body, ...Object.fromEntries((inUse.length > 0 ? inUse : [absent]).map((name) => [name, bound])) }
}

/** The call of a model that writes. */
export const makeCall = (
  prompt: Prompt,
  call: Pick<Dialect.Call, "model" | "maxOutputTokens" | "answers" | "isStreamed">
): Dialect.Call => ({ operation: "chat", texts: prompt.texts, otherInputTokens: prompt.tokens, ...call })

/** The path of an address without a slash at its end. */
export const pathOf = (url: URL): string => url.pathname.replace(/\/$/, "")

/** A segment of a path as it was before it was encoded. */
export const decoded = (segment: string): string => {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}
