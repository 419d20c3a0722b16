/**
 * How the run is going: one line that is rewritten on a terminal, a plain line now and then elsewhere.
 */
import { Effect } from "effect"
import { count, throttled, type Run, type Watch } from "./run.ts"
import type { Ink } from "./ink.ts"

// Short enough that the line fits into 80 columns: a line that wraps cannot be rewritten.
const barCells = 16
const terminalEvery = "100 millis"
const plainEvery = "3 seconds"
const rewrite = "\r\u001B[2K"

export const showProgress =
  (stream: NodeJS.WriteStream, ink: Ink): Watch =>
  (run) => {
    const begin = stream.isTTY ? rewrite : ""
    const end = stream.isTTY ? "" : "\n"
    const show = Effect.sync(() => stream.write(`${begin}  ${line(run, ink)}${end}`))
    const every = stream.isTTY ? terminalEvery : plainEvery
    return Effect.delay(show, every).pipe(
      Effect.forever,
      // Ended with the run, or by Ctrl-C: either way the last state stays, on a line of its own.
      Effect.ensuring(Effect.sync(() => stream.write(`${begin}  ${line(run, ink)}\n`)))
    )
  }

const line = (run: Run, ink: Ink): string => {
  const done = run.outcomes.length
  const filled = Math.round((barCells * done) / run.calls)
  const seconds = (performance.now() - run.startedMillis) / 1_000
  const refused = count(run, "Refused")
  const with429 = `${throttled(run)} × 429`
  return [
    `${ink.served("█".repeat(filled))}${ink.faint("░".repeat(barCells - filled))} ${done}/${run.calls} done`,
    throttled(run) > 0 ? ink.refused(with429) : with429,
    `${count(run, "Failed")} failed`,
    ...(refused > 0 ? [`${refused} refused`] : []),
    `${seconds.toFixed(1)} s`
  ].join(ink.faint(" · "))
}
