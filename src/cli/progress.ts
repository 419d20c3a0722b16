import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import { note } from "./output.ts"

/** Says how much is done, of the whole that was given at the start. */
export type Advance = (done: number) => Effect.Effect<void>

// Whatever ends before that needs no bar, and more often than that nobody can see.
const FIRST_AFTER_MILLIS = 400
const REDRAWN_AFTER_MILLIS = 100
const BAR_CHARS = 24

/**
 * Runs long work with a bar on standard error, which is gone when the work has ended, in whatever way. There is none
 * where standard error is not a terminal.
 */
export const withProgress = <A, E, R>(
  label: string,
  whole: number,
  work: (advance: Advance) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R | Stdio.Stdio> =>
  Effect.gen(function* () {
    const stdio = yield* Stdio.Stdio
    if (whole <= 0 || !(yield* stdio.stderrIsTerminal)) return yield* work(() => Effect.void)
    let drawnAt = (yield* Clock.currentTimeMillis) + FIRST_AFTER_MILLIS - REDRAWN_AFTER_MILLIS
    let isDrawn = false
    const draw = (text: string) => Effect.provideService(note(text), Stdio.Stdio, stdio)
    const advance: Advance = (done) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        if (now - drawnAt < REDRAWN_AFTER_MILLIS) return Effect.void
        drawnAt = now
        isDrawn = true
        return draw(`\r${bar(label, done / whole)}\u001B[K`)
      })
    return yield* Effect.ensuring(
      work(advance),
      Effect.suspend(() => (isDrawn ? draw("\r\u001B[K") : Effect.void))
    )
  })

/** One line: what is done, a bar, and how much of it. */
export const bar = (label: string, fraction: number): string => {
  const done = Math.min(1, Math.max(0, fraction))
  return `${label}  ${filled(done, BAR_CHARS)}  ${`${Math.floor(done * 100)}`.padStart(3)} %`
}

/** So many characters, of which a fraction is filled. What is not zero shows, and what is not full does, too. */
export const filled = (fraction: number, chars: number): string => {
  const full = Math.min(chars, Math.max(0, Math.round(fraction * chars)))
  const shown = fraction > 0 && full === 0 ? 1 : fraction < 1 && full === chars ? chars - 1 : full
  return "█".repeat(shown) + "░".repeat(chars - shown)
}
