/**
 * A `fetch` within a budget, for every client that takes one: `openai`, `@anthropic-ai/sdk`, Vercel's `ai`.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Dialect from "./Dialect.ts"
import * as Governor from "./Governor.ts"
import { addressed, readAsked } from "./internal/http/asked.ts"
import { exchange } from "./internal/http/exchange.ts"
import { refusalResponse } from "./internal/http/refusal.ts"

/**
 * What clients take as their `fetch`.
 *
 * @category models
 * @since 0.1.0
 */
export type Fetch = typeof globalThis.fetch

/**
 * How a `fetch` is put into a budget.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<Id = never> extends Governor.Options<Id> {
  /**
   * The budget of the calls, or its tag. A `fetch` keeps the budget that is provided where it is made: tenants have one
   * each.
   */
  readonly budget: Governor.Options<Id>["budget"]
  /** What sends the requests; the global one by default. */
  readonly fetch?: Fetch | undefined
  /** Finds the dialect of requests to an address; {@link Dialect.of} by default. What has none passes unbudgeted. */
  readonly dialect?: ((url: URL) => Dialect.Dialect | undefined) | undefined
  /**
   * What a client gets when the budget says no, the circuit is open or the deadline is over: a response like its
   * provider's own (the default), or the error itself, a {@link Governor.Refusal}.
   *
   * **Details**
   *
   * The response has status 429, the provider's shape of an error, `retry-after` and `retry-after-ms` where it is known
   * when to come back, `x-should-retry: false` where coming back is in vain, and the reason in `x-effect-budget`. It is
   * 400 where the request itself is the problem, such as a model without a known price, 503 where the circuit is open
   * (with `retry-after`, for which clients wait), and 408 or 504 where the deadline kept it from being sent or cut it.
   */
  readonly onRefusal?: "respond" | "throw" | undefined
}

/**
 * Makes a `fetch` within a budget. It may be used for as long as the scope is open; what has not ended by then is
 * charged as it was estimated.
 *
 * **Details**
 *
 * Requests of a known {@link Dialect} are reserved before they are sent, and wait for room if there is none. An
 * `AbortSignal` ends the waiting and leaves no trace. Bodies of responses pass through unchanged and unbuffered. A call
 * is settled when its usage has been read: with the end of a JSON body, or with the report of a stream. If the answer
 * is cut or cancelled, what has been seen is charged; if it never comes, the estimate; an error of the provider costs a
 * request and no tokens; and nothing, when no connection was made. A response that is never read is settled when it is
 * garbage collected, or with the scope.
 *
 * With a `breaker` the outcome of a call is known with the status and headers of its response, or with the error of the
 * connection. An abort counts neither way, a client's own time-out included: that is an abort, too.
 *
 * The `AbortSignal` of a request is its deadline, since a promise has no fiber of its caller's. A `fetch` that is made
 * under a `Deadline` keeps to that one as well, until the headers of the response are there.
 *
 * Clients that retry reserve again for each attempt. Whoever shares the outermost budget waits out the `retry-after` of
 * a 429 and then resumes gradually.
 *
 * **Example**
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Budget, BudgetedFetch, Limit } from "effect-budget"
 *
 * const provider: BudgetedFetch.Fetch = async () =>
 *   Response.json({ model: "gpt-4o-mini", usage: { prompt_tokens: 9, completion_tokens: 20, total_tokens: 29 } })
 *
 * const program = Effect.gen(function* () {
 *   const budget = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 1_000)] })
 *   const fetch = yield* BudgetedFetch.make({ budget, fetch: provider })
 *   // const client = new OpenAI({ fetch })
 *
 *   const ask = Effect.promise(async () => {
 *     const response = await fetch("https://api.openai.com/v1/chat/completions", {
 *       method: "POST",
 *       body: JSON.stringify({ model: "gpt-4o-mini", messages: [{ role: "user", content: "Hi" }], max_tokens: 500 })
 *     })
 *     return response.json()
 *   })
 *   yield* ask
 *   return (yield* budget.snapshot).limits[0]?.used
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => 29
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* <Id = never>(
  options: Options<Id>
): Effect.fn.Return<Fetch, never, Id | Scope.Scope> {
  const governor = yield* Governor.make(options)
  const scope = yield* Effect.scope
  const run = Effect.runPromiseExitWith(yield* Effect.context<never>())
  const find = options.dialect ?? Dialect.of
  const fetch: Fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init))
  const refuses = options.onRefusal ?? "respond"

  return async (input, init) => {
    const isRequest = input instanceof Request
    const url = isRequest ? input.url : String(input)
    const method = init?.method ?? (isRequest ? input.method : "GET")
    const to = addressed(method, url, find)
    if (to === undefined) return fetch(input, init)
    if (scope.state._tag === "Closed") throw closed()
    const signal = init?.signal ?? (isRequest ? input.signal : undefined)

    const body = init?.body ?? undefined
    const read = typeof body === "string" ? body : await bytesOf(isRequest ? input.clone() : input, init)
    const asked = readAsked(to, typeof read === "string" ? read : new TextDecoder().decode(read))
    // A stream that was read to be looked at cannot be sent any more: its bytes are.
    const passed = body === undefined || isLasting(body) ? init : withBody(input, init, read)
    if (asked === undefined) return fetch(input, passed)

    const send = (shorter: string | undefined) =>
      Effect.tryPromise({
        try: () => fetch(input, shorter === undefined ? passed : withBody(input, init, shorter)),
        catch: (error) => new FetchFailed(error)
      })
    signal?.throwIfAborted()
    const exit = await run(exchange(governor, scope, asked, send), signal == null ? undefined : { signal })
    if (Exit.isSuccess(exit)) return exit.value
    if (signal?.aborted === true) throw signal.reason
    const error = Option.getOrUndefined(Exit.findErrorOption(exit))
    if (error === undefined) throw Cause.hasInterrupts(exit.cause) ? closed() : Cause.squash(exit.cause)
    if (error instanceof FetchFailed) throw error.cause
    if (refuses === "throw") throw error
    return refusalResponse(to.dialect, error)
  }
})

/** What a `fetch` was rejected with, which may be anything. */
class FetchFailed extends Error {
  constructor(cause: unknown) {
    super("fetch failed", { cause })
  }
}

const closed = (): Error => new Error("BudgetedFetch: the budget is closed")

const bytesOf = async (input: Parameters<Fetch>[0], init: RequestInit | undefined): Promise<Uint8Array<ArrayBuffer>> =>
  new Uint8Array(await new Request(input, init).arrayBuffer())

/** Whether a body can be sent though it has been read. */
const isLasting = (body: NonNullable<RequestInit["body"]>): boolean =>
  typeof body === "string" ||
  ArrayBuffer.isView(body) ||
  [ArrayBuffer, Blob, FormData, URLSearchParams].some((lasting) => body instanceof lasting)

/** The length of the former body, if the client has set it, would be wrong. */
const withBody = (
  input: Parameters<Fetch>[0],
  init: RequestInit | undefined,
  body: string | Uint8Array<ArrayBuffer>
): RequestInit => {
  const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined))
  headers.delete("content-length")
  return { ...init, headers, body }
}
