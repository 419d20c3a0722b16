import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stdio from "effect/Stdio"
import * as Terminal from "effect/Terminal"
import { write } from "./output.ts"

/** A part of a terminal that is drawn again and again, in place. */
export interface Screen {
  readonly show: (text: string) => Effect.Effect<void, never, Stdio.Stdio>
}

const HIDE_CURSOR = "\u001B[?25l"
const SHOW_CURSOR = "\u001B[?25h"
const CLEAR_BELOW = "\u001B[J"
// Pipes and small windows that do not say how wide they are.
const COLUMNS_DEFAULT = 80

/** Hides the cursor for as long as the scope is open. What was shown last stays. */
export const makeScreen: Effect.Effect<Screen, never, Scope.Scope | Stdio.Stdio | Terminal.Terminal> = Effect.gen(
  function* () {
    const terminal = yield* Terminal.Terminal
    yield* Effect.acquireRelease(write(HIDE_CURSOR), () => write(SHOW_CURSOR))
    let height = 0
    return {
      show: Effect.fnUntraced(function* (text: string) {
        const columns = (yield* terminal.columns) || COLUMNS_DEFAULT
        const rows = (yield* terminal.rows) || Number.POSITIVE_INFINITY
        // The cursor stands in the line below the last: one more, and the terminal would scroll.
        const lines = fitted(text.split("\n"), columns, rows - 1)
        const back = height === 0 ? "" : `\u001B[${height}A`
        height = lines.length
        yield* write(`${back}\r${CLEAR_BELOW}${lines.join("\n")}\n`)
      })
    }
  }
)

/** Lines that fit into a terminal: none is broken into two, and none is scrolled away. */
export const fitted = (lines: ReadonlyArray<string>, columns: number, rows: number): ReadonlyArray<string> => {
  const shown = lines.length <= rows ? lines : [...lines.slice(0, rows - 1), `… ${lines.length - rows + 1} more lines`]
  return shown.map((line) => clipped(line, columns))
}

// oxlint-disable-next-line no-control-regex -- colours take no room
const colourOrCharacter = /\u001B\[[0-9;]*m|./gu

const clipped = (line: string, columns: number): string => {
  let width = 0
  return [...line.matchAll(colourOrCharacter)]
    .map(([part]) => (part.startsWith("\u001B") ? part : width++ < columns ? part : ""))
    .join("")
}
