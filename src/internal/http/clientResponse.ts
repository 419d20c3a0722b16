import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Cookies from "effect/http/Cookies"
import * as HttpClientResponse from "effect/http/HttpClientResponse"

/** A client's response as the web's: the one below it, or one around its stream. */
export const webResponse = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<Response> =>
  Option.match(HttpClientResponse.toWeb(response), {
    onSome: Effect.succeed,
    onNone: () => Effect.map(Stream.toReadableStreamEffect(response.stream), (body) => around(response, body))
  })

/**
 * A response that reads its whole body as a stream, so that an interruption cancels it. All other ways to read it are
 * made of these two.
 */
export const interruptible = (
  response: HttpClientResponse.HttpClientResponse,
  hasBody: boolean
): HttpClientResponse.HttpClientResponse =>
  hasBody ? Object.create(response, { arrayBuffer: { get: () => Stream.mkArrayBuffer(response.stream) } }) : response

const around = (response: HttpClientResponse.HttpClientResponse, body: BodyInit): Response => {
  const { status } = response
  const headers = new Headers(response.headers)
  headers.delete("set-cookie")
  for (const cookie of Cookies.toSetCookieHeaders(response.cookies)) headers.append("set-cookie", cookie)
  return new Response(bodiless.has(status) ? null : body, { status, headers })
}

// The web's `Response` refuses a body with these.
const bodiless: ReadonlySet<number> = new Set([101, 204, 205, 304])
