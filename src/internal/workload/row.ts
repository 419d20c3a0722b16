import type * as Usage from "../../Usage.ts"
import { type Call, type CsvOptions, WorkloadError } from "../../Workload.ts"
import { isWhole } from "./amount.ts"
import { costing, millisOf } from "./draft.ts"
import { momentOf } from "./moment.ts"

/** A record of a table, and the line on which it ends. */
export interface Row {
  readonly cells: ReadonlyArray<string>
  readonly line: number
}

/** Reads the rows of a table, one after the other, as calls. What makes no sense is thrown as a `WorkloadError`. */
export class RowReader {
  readonly #options: CsvOptions
  readonly #price: (inputTokens: number, outputTokens: number) => Usage.Usage
  #header: Header | undefined
  #last = { at: 0, text: "" }
  #calls = 0

  constructor(options: CsvOptions) {
    this.#options = options
    this.#price = costing("Workload.fromCsv", options)
  }

  /** The call of a row, or nothing if it is the header. */
  read(row: Row): Call | undefined {
    if (this.#header === undefined) {
      this.#header = this.#readHeader(row)
      return undefined
    }
    this.#calls++
    const { cells, line } = row
    if (cells.length !== this.#header.cells) {
      const problem = `it has ${cells.length} cells, and the header has ${this.#header.cells}`
      throw new WorkloadError({ file: this.#options.file, line, problem })
    }
    const { columns } = this.#options
    const cell = (column: string): Cell => this.#cell(row, column)
    const at = this.#readAt(cell(columns.at))
    const inputTokens = wholeIn(cell(columns.inputTokens))
    const outputTokens = wholeIn(cell(columns.outputTokens))
    const reserved =
      columns.maxOutputTokens === undefined ? this.#reservedFor(outputTokens) : wholeIn(cell(columns.maxOutputTokens))
    return {
      at,
      tenant: columns.tenant === undefined ? undefined : cell(columns.tenant).text,
      estimate: this.#price(inputTokens, reserved),
      actual: this.#price(inputTokens, outputTokens),
      millis: columns.millis === undefined ? millisOf(outputTokens) : wholeIn(cell(columns.millis))
    }
  }

  /** What is missing when there are no more rows. */
  end(): void {
    const { file } = this.#options
    if (this.#calls === 0) throw new WorkloadError({ file, problem: "there are no calls in it" })
  }

  #readHeader({ cells, line }: Row): Header {
    const indices = new Map(cells.map((name, index) => [name, index]))
    const columns: Readonly<Record<string, string | undefined>> = { ...this.#options.columns }
    for (const [field, column] of Object.entries(columns)) {
      if (column === undefined || indices.has(column)) continue
      const known = [...indices.keys()].join(", ")
      throw new WorkloadError({
        file: this.#options.file,
        line,
        problem: `there is no column "${column}" for ${field}; there are ${known}`
      })
    }
    return { indices, cells: cells.length }
  }

  #cell({ cells, line }: Row, column: string): Cell {
    const text = cells[this.#header?.indices.get(column) ?? -1] ?? ""
    return { text, fail: (problem) => new WorkloadError({ file: this.#options.file, line, column, problem }) }
  }

  #readAt({ fail, text }: Cell): number {
    const at = momentOf(text, this.#options.timeUnit)
    if (typeof at === "string") throw fail(at)
    if (at < this.#last.at) {
      throw fail(`"${text}" comes before the row above it ("${this.#last.text}"): sort the table by time`)
    }
    this.#last = { at, text }
    return at
  }

  #reservedFor(outputTokens: number): number {
    const { reserve = outputTokens } = this.#options
    return typeof reserve === "number" ? reserve : reserve(outputTokens)
  }
}

/** Where columns are, and how many. */
interface Header {
  readonly indices: ReadonlyMap<string, number>
  readonly cells: number
}

interface Cell {
  readonly text: string
  readonly fail: (problem: string) => WorkloadError
}

const wholeIn = ({ fail, text }: Cell): number => {
  const value = text === "" ? Number.NaN : Number(text)
  if (!isWhole(value)) throw fail(`a whole number of zero or more is expected, got "${text}"`)
  return value
}
