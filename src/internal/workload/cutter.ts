/** Some whole rows of a table. */
export interface Piece {
  readonly text: string
  readonly linesBefore: number
}

/** Cuts a table that comes in parts where a row ends, so that not more of it is in memory than a few rows. */
export class Cutter {
  readonly #decoder = new TextDecoder()
  #text = ""
  #linesBefore = 0

  /** The rows that are complete with another part, if any. */
  add(part: string | Uint8Array): Piece | undefined {
    this.#text += typeof part === "string" ? part : this.#decoder.decode(part, { stream: true })
    const end = endOfRows(this.#text)
    // A quote that nobody closes would take in all that follows.
    return end === 0 && this.#text.length < ROW_LENGTH_MAX ? undefined : this.#cut(end === 0 ? this.#text.length : end)
  }

  /** What is left. */
  end(): Piece | undefined {
    this.#text += this.#decoder.decode()
    return this.#text === "" ? undefined : this.#cut(this.#text.length)
  }

  #cut(end: number): Piece {
    const text = this.#text.slice(0, end)
    const linesBefore = this.#linesBefore
    this.#text = this.#text.slice(end)
    for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) this.#linesBefore++
    return { text, linesBefore }
  }
}

/** Where the last row ends that is complete: behind the last line end that is not within quotes. Zero if there is none. */
const endOfRows = (text: string): number => {
  if (!text.includes('"')) return text.lastIndexOf("\n") + 1
  let end = 0
  let isQuoted = false
  for (let at = 0; at < text.length; at++) {
    // A quote within quotes is written twice.
    if (text[at] === '"') isQuoted = !isQuoted
    else if (text[at] === "\n" && !isQuoted) end = at + 1
  }
  return end
}

// No row of a trace is as long.
const ROW_LENGTH_MAX = 1_000_000
