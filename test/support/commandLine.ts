/** The command line in this process: what it writes is caught, files are real. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Sink from "effect/Sink"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as TerminalCapabilities from "effect/cli/TerminalCapabilities"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type ExitCode, run } from "../../src/cli/command.ts"

export interface Ran {
  readonly code: ExitCode
  readonly out: string
  readonly err: string
}

export interface Surroundings {
  readonly stdin?: string
  readonly isTerminal?: boolean
  /** Sees each piece that is written to standard output. */
  readonly onOut?: (text: string) => void
}

const bytes = (text: string | Uint8Array): string => (typeof text === "string" ? text : new TextDecoder().decode(text))

/** Runs a command as somebody types it. */
export const effectBudget = (args: ReadonlyArray<string>, surroundings: Surroundings = {}): Effect.Effect<Ran> =>
  Effect.suspend(() => {
    const { isTerminal = false, onOut, stdin = "" } = surroundings
    let out = ""
    let err = ""
    const caught = (write: (text: string) => void) => () =>
      Sink.forEach((text: string | Uint8Array) => Effect.sync(() => write(bytes(text))))
    const stdio = Stdio.layerTest({
      stdin: Stream.make(new TextEncoder().encode(stdin)),
      stdout: caught((text) => {
        out += text
        onOut?.(text)
      }),
      stderr: caught((text) => {
        err += text
      }),
      stdoutIsTerminal: Effect.succeed(isTerminal),
      stderrIsTerminal: Effect.succeed(isTerminal)
    })
    const console: Console.Console = Object.assign(Object.create(globalThis.console), {
      log: (text: string) => {
        out += `${text}\n`
      }
    })
    return run(args).pipe(
      Effect.map((code) => ({ code, out, err })),
      Effect.provide(Layer.merge(NodeServices.layer, stdio)),
      Effect.provideService(Console.Console, console),
      Effect.provideService(TerminalCapabilities.TerminalCapabilities, {
        canColor: isTerminal,
        canAnimate: isTerminal,
        canPrompt: false
      })
    )
  })

/** A folder for the files of a test. */
export const folder = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-budget-cli-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  ),
  (path) => (name: string) => join(path, name)
)
