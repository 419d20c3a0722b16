import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as TerminalCapabilities from "effect/cli/TerminalCapabilities"

/** Writes to standard output. Where nobody reads it any more, as behind `head`, the command ends. */
export const write = (text: string): Effect.Effect<void, never, Stdio.Stdio> =>
  Stdio.Stdio.use(({ stdout }) =>
    Stream.run(Stream.make(text), stdout()).pipe(Effect.catchTag("PlatformError", () => Effect.interrupt))
  )

/** Writes a line, or several, to standard output. */
export const print = (text: string): Effect.Effect<void, never, Stdio.Stdio> => write(`${text}\n`)

/** Writes a value as JSON that a person can read, too. */
export const printJson = (value: unknown): Effect.Effect<void, never, Stdio.Stdio> =>
  print(JSON.stringify(value, undefined, 2))

/** Writes to standard error, which is for people: what goes wrong, and how far it is. */
export const note = (text: string): Effect.Effect<void, never, Stdio.Stdio> =>
  Stdio.Stdio.use(({ stderr }) => Effect.ignore(Stream.run(Stream.make(text), stderr())))

/** Colours, if standard output is a terminal and the environment does not say `NO_COLOR`. */
export interface Palette {
  readonly bold: (text: string) => string
  readonly dim: (text: string) => string
  readonly red: (text: string) => string
  readonly yellow: (text: string) => string
  readonly green: (text: string) => string
}

export const palette: Effect.Effect<Palette> = Effect.map(TerminalCapabilities.TerminalCapabilities, ({ canColor }) => {
  const painted = (code: number) => (text: string) => (canColor ? `\u001B[${code}m${text}\u001B[0m` : text)
  return { bold: painted(1), dim: painted(2), red: painted(31), yellow: painted(33), green: painted(32) }
})
