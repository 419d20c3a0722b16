import type * as Dialect from "../../Dialect.ts"

/** A request that asks a model for something. */
export interface Asked {
  readonly dialect: Dialect.Dialect
  readonly url: string
  readonly body: unknown
  readonly call: Dialect.Call
}

/** Where a request goes, when that is a model. */
export interface Addressed {
  readonly dialect: Dialect.Dialect
  readonly url: URL
}

/** Finds the dialect of a request by its method and address, before its body is looked at. */
export const addressed = (
  method: string,
  address: string,
  find: (url: URL) => Dialect.Dialect | undefined
): Addressed | undefined => {
  const url = method === "POST" ? URL.parse(address) : null
  const dialect = url === null ? undefined : find(url)
  return url === null || dialect === undefined ? undefined : { dialect, url }
}

/** Reads the body of a request. Absent when it asks no model for anything, or is no JSON. */
export const readAsked = ({ dialect, url }: Addressed, text: string): Asked | undefined => {
  const body = parse(text)
  const call = dialect.readRequest(body, url)
  return call === undefined ? undefined : { dialect, url: url.href, body, call }
}

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
