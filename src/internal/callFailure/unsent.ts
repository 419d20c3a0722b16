import * as Predicate from "effect/Predicate"

/** Whether a failed request has certainly not reached the provider, so that it cost nothing. */
export const isUnsent = (error: unknown): boolean => {
  let cause = error
  for (let depth = 0; depth < DEPTH_MAX && Predicate.isObject(cause); depth++) {
    if ("code" in cause && typeof cause.code === "string" && unsentCodes.has(cause.code)) return true
    if ("_tag" in cause && (cause._tag === "EncodeError" || cause._tag === "InvalidUrlError")) return true
    cause = "cause" in cause ? cause.cause : "reason" in cause ? cause.reason : undefined
  }
  return false
}

// The errors of Node's sockets and of undici that mean that no connection was made. All others may come after the
// request has been written.
const unsentCodes: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EADDRNOTAVAIL",
  "UND_ERR_CONNECT_TIMEOUT",
  "ERR_INVALID_URL"
])

// Errors are wrapped a few times. A chain of causes may have a cycle.
const DEPTH_MAX = 8
