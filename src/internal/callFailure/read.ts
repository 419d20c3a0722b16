import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import type { CallFailure } from "../../CallFailure.ts"
import * as anthropic from "../dialect/anthropicMessages.ts"
import { headersReader } from "../dialect/headers.ts"
import * as openAi from "../dialect/openAi.ts"
import { isUnsent } from "./unsent.ts"

/** Reads an error: what is known first in it and in what it wraps, from the outside in, unless it was withheld here. */
export const read = (error: unknown, now: number): CallFailure => {
  const seen = new Set<unknown>()
  let first: CallFailure | undefined
  let layer: ReadonlyArray<unknown> = [error]
  for (let depth = 0; depth < DEPTH_MAX && layer.length > 0; depth++) {
    const objects = layer.filter((value) => Predicate.isObjectKeyword(value) && !seen.has(value))
    for (const object of objects) {
      seen.add(object)
      const failure = readOne(object, now)
      if (failure === undefined) continue
      // Clients wrap what was refused on this side in errors of their own, as if the connection had failed.
      if (failure.kind === "Withheld") return failure
      // And a wrapper may have kept the status and lost what came with it.
      if (first === undefined || saysMore(failure, first)) first = failure
    }
    layer = objects.flatMap((object) => wrappers.map((name) => get(object, name)))
  }
  return first ?? failed("Unknown", "Unseen")
}

const saysMore = ({ feedback, kind, status }: CallFailure, than: CallFailure): boolean =>
  status !== undefined &&
  status === than.status &&
  than.feedback.retryAfterMillis === undefined &&
  (kind !== than.kind || feedback.retryAfterMillis !== undefined)

/** A call that its own caller has given up. */
export const cancelled: CallFailure = {
  kind: "Withheld",
  ending: "Unseen",
  status: undefined,
  feedback: { windows: [], retryAfterMillis: undefined }
}

const readOne = (error: unknown, now: number): CallFailure | undefined => {
  try {
    return readTag(error, now) ?? readStatus(error, now) ?? readType(error) ?? readConnection(error)
  } catch {
    // A proxy may throw at anything.
    return undefined
  }
}

/** Errors of Effect, of `effect/ai` and of this library are told by their tags. */
const readTag = (error: unknown, now: number): CallFailure | undefined => {
  const tag = get(error, "_tag")
  if (typeof tag !== "string") return undefined
  if (refusals.has(tag)) return failed("Withheld", "Unsent")
  const budget = get(get(error, "metadata"), "budget")
  if (Predicate.isObject(budget)) return get(budget, "isSent") === true ? cancelled : failed("Withheld", "Unsent")
  switch (tag) {
    case "DeadlineExceeded":
      return cancelled
    case "RateLimitError": {
      const retryAfter = get(error, "retryAfter")
      const failure = readStatus(error, now) ?? { ...failed("Throttled", "Rejected"), status: THROTTLED }
      return Duration.isDuration(retryAfter)
        ? { ...failure, feedback: { ...failure.feedback, retryAfterMillis: Duration.toMillis(retryAfter) } }
        : failure
    }
    case "InternalProviderError":
      return { ...(readStatus(error, now) ?? failed("Unavailable", "Rejected")), kind: "Unavailable" }
    case "NetworkError":
      return get(error, "reason") === "TransportError" ? unconnected(error) : failed("Rejected", "Unsent")
    case "TransportError":
      return unconnected(error)
    case "TimeoutError":
      return failed("Unavailable", "Unseen")
  }
  if (unusable.has(tag)) return failed("Rejected", "Unseen")
  if (rejections.has(tag)) return { ...failed("Rejected", "Rejected"), status: statusOf(error) }
  return mistakes.has(tag) ? failed("Rejected", "Unsent") : undefined
}

const readStatus = (error: unknown, now: number): CallFailure | undefined => {
  const status = statusOf(error)
  if (status === undefined) return undefined
  const header = headersOf(error)
  // A budgeted `fetch` answers in the provider's place.
  if (header("x-effect-budget") != null) return status === CUT ? cancelled : failed("Withheld", "Unsent")
  return { kind: kindOf(status, error), ending: "Rejected", status, feedback: feedbackOf(header, now) }
}

const kindOf = (status: number, error: unknown): CallFailure["kind"] => {
  if (status === REQUEST_TIMEOUT || status >= SERVER_ERROR_FIRST) return "Unavailable"
  if (status !== THROTTLED) return "Rejected"
  const codes = [error, get(error, "error"), get(get(error, "error"), "error"), get(get(error, "data"), "error")]
  return codes.some((holder) => get(holder, "code") === "insufficient_quota") ? "Rejected" : "Throttled"
}

/** An error in the middle of a stream has a type instead of a status. */
const readType = (error: unknown): CallFailure | undefined => {
  const type = get(error, "type")
  if (type === "rate_limit_error") return { ...failed("Throttled", "Unseen"), status: THROTTLED }
  return typeof type === "string" && unavailableTypes.has(type) ? failed("Unavailable", "Unseen") : undefined
}

/** Errors of sockets, of `fetch` and of clients around them. */
const readConnection = (error: unknown): CallFailure | undefined => {
  const names = [get(error, "name"), get(get(error, "constructor"), "name")]
  if (names.some((name) => name === "AbortError" || name === "APIUserAbortError")) return cancelled
  if (names.some((name) => name === "TimeoutError" || name === "APIConnectionTimeoutError")) {
    return failed("Unavailable", "Unseen")
  }
  const code = get(error, "code")
  const isLost = typeof code === "string" && lostCodes.has(code)
  const isFetch = names.includes("TypeError") && fetchFailed.test(String(get(error, "message")))
  const isClient = names.includes("APIConnectionError")
  return isLost || isFetch || isClient || isUnsent({ code }) ? unconnected(error) : undefined
}

const unconnected = (error: unknown): CallFailure => failed("Unavailable", isUnsent(error) ? "Unsent" : "Unseen")

const failed = (kind: CallFailure["kind"], ending: CallFailure["ending"]): CallFailure => ({
  ...cancelled,
  kind,
  ending
})

const responsesOf = (error: unknown): ReadonlyArray<unknown> => [
  error,
  get(error, "response"),
  get(get(error, "http"), "response")
]

const statusOf = (error: unknown): number | undefined => {
  for (const response of responsesOf(error)) {
    for (const status of [get(response, "status"), get(response, "statusCode")]) {
      if (typeof status === "number" && status >= ERROR_FIRST && status <= STATUS_LAST) return status
    }
  }
  return undefined
}

type Header = (name: string) => string | null | undefined

const headersOf = (error: unknown): Header => {
  for (const response of responsesOf(error)) {
    for (const headers of [get(response, "headers"), get(response, "responseHeaders")]) {
      if (headers instanceof Headers) return (name) => headers.get(name)
      if (Predicate.isObject(headers)) {
        return (name) => {
          const value = get(headers, name)
          return typeof value === "string" ? value : undefined
        }
      }
    }
  }
  return () => undefined
}

/** An error does not say whose it is. Providers name their headers differently, so that all can be looked for. */
const feedbackOf = headersReader([...openAi.limits, ...anthropic.limits])

/** Properties of errors may be anything, and reading them may throw. */
const get = (object: unknown, name: string): unknown => {
  try {
    return Predicate.isObjectKeyword(object) ? Reflect.get(object, name) : undefined
  } catch {
    return undefined
  }
}

const wrappers = ["cause", "reason", "error", "lastError"] as const

const refusals: ReadonlySet<string> = new Set(["BudgetError", "CircuitBreakerError", "UnknownModel"])

/** What a provider says of a request, as `effect/ai` has it. */
const rejections: ReadonlySet<string> = new Set([
  "QuotaExhaustedError",
  "AuthenticationError",
  "ContentPolicyError",
  "InvalidRequestError"
])

/** An answer that was there and is not what was asked for: no matter of the provider's health. */
const unusable: ReadonlySet<string> = new Set([
  "InvalidResponseError",
  "InvalidOutputError",
  "StructuredOutputError",
  "ToolNotFoundError",
  "ToolParameterValidationError",
  "InvalidToolResultError",
  "ToolResultEncodingError"
])

/** What is wrong with a request before it is sent. */
const mistakes: ReadonlySet<string> = new Set([
  "EncodeError",
  "InvalidUrlError",
  "UnsupportedSchemaError",
  "ToolConfigurationError",
  "ToolkitRequiredError",
  "InvalidUserInputError"
])

// Of Anthropic and OpenAI.
const unavailableTypes: ReadonlySet<string> = new Set([
  "overloaded_error",
  "api_error",
  "timeout_error",
  "server_error"
])

// A connection that was there, and broke.
const lostCodes: ReadonlySet<string> = new Set([
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "UND_ERR_SOCKET",
  "UND_ERR_CLOSED",
  "UND_ERR_HEADERS_TIMEOUT",
  "UND_ERR_BODY_TIMEOUT"
])

// As Node, Chromium, Firefox and Safari say it.
const fetchFailed = /^(fetch failed|terminated|Failed to fetch|NetworkError when attempting|Load failed)/

const ERROR_FIRST = 400
const REQUEST_TIMEOUT = 408
const THROTTLED = 429
const SERVER_ERROR_FIRST = 500
// What a budgeted `fetch` says of a call that its deadline has cut while it was under way.
const CUT = 504
const STATUS_LAST = 599

// Errors are wrapped a few times. A chain may have a cycle.
const DEPTH_MAX = 8
