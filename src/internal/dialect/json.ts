/**
 * Reading JSON of any shape: what is not as expected is absent, and nothing throws.
 */
export type JsonObject = Readonly<Record<string, unknown>>

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

export const field = (value: unknown, name: string): unknown => (isObject(value) ? value[name] : undefined)

/** The first of some fields that is there: an API that takes two spellings, or has renamed one. */
export const fieldOf = (value: unknown, names: ReadonlyArray<string>): unknown => {
  const name = fieldInUse(value, names)
  return name === undefined ? undefined : field(value, name)
}

/** The name of the first of some fields that is there and not null. */
export const fieldInUse = (value: unknown, names: ReadonlyArray<string>): string | undefined =>
  names.find((name) => isPresent(field(value, name)))

export const isPresent = (value: unknown): boolean => value !== undefined && value !== null

export const list = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])

export const string = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined)

/** The JSON of a value, or nothing for what has none: cycles, functions, nesting without end. */
export const jsonText = (value: unknown): string => {
  try {
    return JSON.stringify(value) ?? ""
  } catch {
    return ""
  }
}

/** The value that a JSON text stands for, or `undefined` where it stands for none. */
export const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
