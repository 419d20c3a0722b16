/**
 * An `HttpClient` of `effect/http` within a budget.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Dialect from "./Dialect.ts"
import * as Governor from "./Governor.ts"
import { askedBy, withBody } from "./internal/http/clientRequest.ts"
import { interruptible, webResponse } from "./internal/http/clientResponse.ts"
import { exchange } from "./internal/http/exchange.ts"
import { refusalResponse } from "./internal/http/refusal.ts"

/**
 * How a client is put into a budget.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<Id = never> extends Governor.Options<Id> {
  /** Finds the dialect of requests to an address; {@link Dialect.of} by default. What has none passes unbudgeted. */
  readonly dialect?: ((url: URL) => Dialect.Dialect | undefined) | undefined
}

/**
 * Puts a client into a budget: refusals are errors of its own.
 *
 * **Details**
 *
 * Requests of a known {@link Dialect} are reserved before they are sent, and wait for room if there is none. Bodies of
 * responses pass through unchanged and unbuffered, and a call is settled as {@link BudgetedFetch.make} says: when its
 * usage has been read. What has not ended when the scope closes is charged as it was estimated.
 *
 * With a `breaker` an open circuit fails a call with a `CircuitBreakerError`, before anything is reserved or, for one
 * that was in line, before it is sent. The response's status and headers are the outcome.
 *
 * Under a `Deadline` a call does not wait past it (a `BudgetError`), and is cut when the headers of its answer are not
 * there by then: it fails with `DeadlineExceeded` and is charged as it was estimated. A body is read in the caller's
 * time: put `Deadline.enforce` around all of it.
 *
 * Who is interrupted while it reads a body ends the request. A request whose answer was shortened (`leastOutputTokens`)
 * does not end with the scope of an `HttpClient.withScope` around it.
 *
 * It does not retry: put `HttpClient.retryTransient` around it, with a bound, and each attempt is reserved anew and
 * waits out a 429's `retry-after` together with everyone who shares the key.
 *
 * **Example**
 *
 * ```ts
 * import { Effect } from "effect"
 * import { HttpClient, HttpClientRequest, HttpClientResponse } from "effect/http"
 * import { Budget, BudgetedHttpClient, Limit } from "effect-budget"
 *
 * const provider = HttpClient.make((request) =>
 *   Effect.succeed(
 *     HttpClientResponse.fromWeb(request, Response.json({ usage: { input_tokens: 9, output_tokens: 20 } }))
 *   )
 * )
 *
 * const program = Effect.gen(function* () {
 *   const budget = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 1_000)] })
 *   const client = yield* BudgetedHttpClient.make(provider, { budget })
 *
 *   const response = yield* HttpClientRequest.post("https://api.anthropic.com/v1/messages").pipe(
 *     HttpClientRequest.bodyJsonUnsafe({ model: "claude-haiku-4-5", max_tokens: 500, messages: [] }),
 *     client.execute
 *   )
 *   yield* response.json
 *   return (yield* budget.snapshot).limits[0]?.used
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => 29
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* <E, R, Id = never>(
  client: HttpClient.HttpClient.With<E, R>,
  options: Options<Id>
): Effect.fn.Return<HttpClient.HttpClient.With<E | Governor.Refusal, R>, never, Id | Scope.Scope> {
  return yield* govern<E, R, Id, Governor.Refusal>(client, options, (_, error) => Effect.fail(error))
})

/**
 * Puts the client of the context into a budget, for whatever is built on it, such as providers of `effect/ai`.
 *
 * **Details**
 *
 * Who uses it knows no errors but those of HTTP. When the budget says no, it gets a response like its provider's own:
 * status 429 with `retry-after`, 503 where the circuit is open, 504 where the deadline has cut it, as
 * {@link BudgetedFetch.Options} describes. Otherwise it is like {@link make}.
 *
 * **Example**
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { HttpClient, HttpClientRequest, HttpClientResponse } from "effect/http"
 * import { Budget, BudgetedHttpClient, Limit } from "effect-budget"
 *
 * class Run extends Budget.Service<Run>()("app/Run", { limits: [Limit.cap("tokens", 100)] }) {}
 *
 * const provider = Layer.succeed(
 *   HttpClient.HttpClient,
 *   HttpClient.make((request) => Effect.succeed(HttpClientResponse.fromWeb(request, Response.json({}))))
 * )
 *
 * const program = HttpClientRequest.post("https://api.anthropic.com/v1/messages").pipe(
 *   HttpClientRequest.bodyJsonUnsafe({ model: "claude-haiku-4-5", max_tokens: 500, messages: [] }),
 *   HttpClient.execute,
 *   Effect.map((response) => [response.status, response.headers["x-effect-budget"]]),
 *   Effect.provide(BudgetedHttpClient.layer({ budget: Run })),
 *   Effect.provide(Layer.merge(provider, Run.layer))
 * )
 *
 * await Effect.runPromise(program) // => [429, "RequestTooLarge"]
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <Id = never>(
  options: Options<Id>
): Layer.Layer<HttpClient.HttpClient, never, HttpClient.HttpClient | Exclude<Id, Scope.Scope>> =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.flatMap(HttpClient.HttpClient, (client) =>
      govern(client, options, (dialect, error) => Effect.succeed(refusalResponse(dialect, error)))
    )
  )

const govern = Effect.fnUntraced(function* <E, R, Id, E2>(
  client: HttpClient.HttpClient.With<E, R>,
  options: Options<Id>,
  refuse: (dialect: Dialect.Dialect, error: Governor.Refusal) => Effect.Effect<Response, E2>
): Effect.fn.Return<HttpClient.HttpClient.With<E | E2, R>, never, Id | Scope.Scope> {
  const governor = yield* Governor.make(options)
  const scope = yield* Effect.scope
  const find = options.dialect ?? Dialect.of

  return HttpClient.makeWith<E, R, E | E2, R>(
    Effect.flatMap((request) => {
      const asked = askedBy(request, find)
      if (asked === undefined) return client.postprocess(Effect.succeed(request))
      const send = (shorter: string | undefined) =>
        Effect.suspend(() =>
          client.postprocess(Effect.succeed(shorter === undefined ? request : withBody(request, shorter)))
        ).pipe(
          Effect.flatMap(webResponse),
          Effect.mapError((error) => new SendFailed(error))
        )
      return exchange(governor, scope, asked, send).pipe(
        Effect.catch((error): Effect.Effect<Response, E | E2> =>
          error instanceof SendFailed ? Effect.fail(error.error) : refuse(asked.dialect, error)
        ),
        Effect.map((response) => interruptible(HttpClientResponse.fromWeb(request, response), response.body !== null))
      )
    }),
    client.preprocess
  )
})

/** Tells a client's own errors, whatever they are, from the budget's. */
class SendFailed<E> {
  readonly error: E
  readonly cause: E

  constructor(error: E) {
    this.error = error
    this.cause = error
  }
}
