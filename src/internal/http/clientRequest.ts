import * as Option from "effect/Option"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as Dialect from "../../Dialect.ts"
import { addressed, type Asked, readAsked } from "./asked.ts"

/** What a client's request asks for. Only bodies that are there can be read: JSON is. */
export const askedBy = (
  request: HttpClientRequest.HttpClientRequest,
  find: (url: URL) => Dialect.Dialect | undefined
): Asked | undefined => {
  const text = textOf(request.body)
  if (text === undefined) return undefined
  const url = Option.getOrUndefined(HttpClientRequest.toUrl(request))?.href ?? ""
  const to = addressed(request.method, url, find)
  return to === undefined ? undefined : readAsked(to, text)
}

const textOf = (body: HttpBody.HttpBody): string | undefined => {
  if (body._tag === "Uint8Array") return new TextDecoder().decode(body.body)
  return body._tag === "Raw" && typeof body.body === "string" ? body.body : undefined
}

/** The same request with another body, in JSON as it was. */
export const withBody = (
  request: HttpClientRequest.HttpClientRequest,
  body: string
): HttpClientRequest.HttpClientRequest => HttpClientRequest.setBody(request, HttpBody.text(body, JSON_TYPE))

const JSON_TYPE = "application/json"
