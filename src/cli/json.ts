/** A mistake in a text, and how many characters come before it. */
export interface Mistake {
  readonly problem: string
  readonly offset: number
}

/** A JSON text with what it says, and where it says it. */
export interface Located {
  readonly value: unknown
  /** Where the value at a path begins, or the innermost one around it that is there. */
  readonly offsetOf: (path: ReadonlyArray<PropertyKey>) => number
}

export const isMistake = (read: Located | Mistake): read is Mistake => "problem" in read

/** Reads a JSON text. Where things are in it is found out only when somebody asks. */
export const locate = (text: string): Located | Mistake => {
  let offsets: ReadonlyMap<string, number> | undefined
  const offsetOf = (path: ReadonlyArray<PropertyKey>): number => {
    offsets ??= new Reader(text).read()
    return offsets.get(keyOf(path)) ?? (path.length === 0 ? 0 : offsetOf(path.slice(0, -1)))
  }
  try {
    return { value: JSON.parse(text), offsetOf }
  } catch {
    // The platform's own message has the place only sometimes.
    return mistakeIn(text)
  }
}

const mistakeIn = (text: string): Mistake => {
  try {
    new Reader(text).read()
    return { problem: "it cannot be read", offset: 0 }
  } catch (mistake) {
    if (mistake instanceof Misplaced) return mistake
    throw mistake
  }
}

/** Line and column of an offset, both counted from 1. */
export const placeOf = (text: string, offset: number): { readonly line: number; readonly column: number } => {
  const before = text.slice(0, offset).split(/\r\n|\r|\n/)
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 }
}

class Misplaced {
  readonly problem: string
  readonly offset: number

  constructor(problem: string, offset: number) {
    this.problem = problem
    this.offset = offset
  }
}

const keyOf = (path: ReadonlyArray<PropertyKey>): string => JSON.stringify(path.map(String))

const word = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
// oxlint-disable-next-line no-control-regex -- JSON has them escaped
const string = /"(?:[^"\\\u0000-\u001F]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*"/y

class Reader {
  readonly #text: string
  #at = 0
  readonly #offsets = new Map<string, number>()

  constructor(text: string) {
    this.#text = text
  }

  /** Where each value begins. */
  read(): ReadonlyMap<string, number> {
    this.#value([])
    if (this.#at < this.#text.length) throw this.#expected("the end of the file")
    return this.#offsets
  }

  #value(path: ReadonlyArray<PropertyKey>): void {
    this.#skip()
    this.#offsets.set(keyOf(path), this.#at)
    const char = this.#text[this.#at]
    if (char === "{") this.#members("}", () => this.#property(path))
    else if (char === "[") this.#members("]", (index) => this.#value([...path, index]))
    else if (char === '"') this.#match(string, "a string, which ends in the same line")
    else this.#match(word, "a value")
    this.#skip()
  }

  #members(end: "}" | "]", read: (index: number) => void): void {
    this.#at++
    this.#skip()
    if (this.#takes(end)) return
    for (let index = 0; ; index++) {
      read(index)
      if (this.#takes(end)) return
      if (!this.#takes(",")) throw this.#expected(`"," or "${end}"`)
      this.#skip()
    }
  }

  #property(path: ReadonlyArray<PropertyKey>): void {
    this.#skip()
    const name: unknown = JSON.parse(this.#match(string, "the name of a field, in double quotes"))
    this.#skip()
    if (!this.#takes(":")) throw this.#expected('":"')
    this.#value([...path, String(name)])
  }

  #match(token: RegExp, what: string): string {
    token.lastIndex = this.#at
    const found = token.exec(this.#text)?.[0]
    if (found === undefined) throw this.#expected(what)
    this.#at += found.length
    return found
  }

  #takes(char: string): boolean {
    if (this.#text[this.#at] !== char) return false
    this.#at++
    return true
  }

  #skip(): void {
    while (" \t\r\n".includes(this.#text[this.#at] ?? "x")) this.#at++
  }

  #expected(what: string): Misplaced {
    const found = this.#text[this.#at]
    return new Misplaced(
      `expected ${what}, got ${found === undefined ? "the end of the file" : `"${found}"`}`,
      this.#at
    )
  }
}
