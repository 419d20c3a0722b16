import type * as Dialect from "../../Dialect.ts"

/** A request that asks a model for something. */
export interface Asked {
  readonly dialect: Dialect.Dialect
  readonly url: string
  readonly body: unknown
  readonly call: Dialect.Call
}

/** Finds the dialect of a request by its method and address, before its body is looked at. */
export const dialectOf = (
  method: string,
  url: string,
  find: (url: URL) => Dialect.Dialect | undefined
): Dialect.Dialect | undefined => (method === "POST" && URL.canParse(url) ? find(new URL(url)) : undefined)

/** Reads the body of a request. Absent when it asks no model for anything, or is no JSON. */
export const readAsked = (dialect: Dialect.Dialect, url: string, text: string): Asked | undefined => {
  const body = parse(text)
  const call = dialect.readRequest(body, new URL(url))
  return call === undefined ? undefined : { dialect, url, body, call }
}

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
