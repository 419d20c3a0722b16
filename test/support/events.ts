import type * as Dialect from "../../src/Dialect.ts"

/** Reads a stream whose events are given as the values that are sent as JSON. */
export const readAll = (dialect: Dialect.Dialect, events: ReadonlyArray<unknown>): Dialect.EventReader => {
  const reader = dialect.readEvents()
  for (const event of events) reader.read(typeof event === "string" ? event : JSON.stringify(event))
  return reader
}
