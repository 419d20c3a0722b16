/** (d) Whoever ends his waiting without admission leaves everything as if he had never asked. */
import type * as Usage from "../../../src/Usage.ts"
import type { Log } from "./log.ts"
import type { Program } from "./program.ts"

/**
 * Those whose absence nobody may notice: they were not admitted, and while they waited nobody else was, either way.
 * What happened to the others is compared with a run of the same program without them.
 */
export const noticed = (log: Log, run: (program: Program) => Log): ReadonlyArray<string> =>
  log.program.calls.flatMap(({ id }) => {
    const asked = log.entries.find((entry) => entry.is === "asked" && entry.call === id)
    const over = log.entries.find((entry) => entry.is === "over" && entry.call === id)
    const wasAdmitted = log.entries.some((entry) => entry.is === "started" && entry.call === id)
    if (asked === undefined || over === undefined || wasAdmitted || isUncertain(log, id)) return []
    const without = run({ ...log.program, calls: log.program.calls.filter((call) => call.id !== id) })
    const wasSomebodyAdmitted = [log, without].some(({ entries }) =>
      entries.some((entry) => entry.is === "started" && entry.now >= asked.now && entry.now <= over.now)
    )
    // Whether it is certain at once that a wait would be in vain may depend on who else waits.
    const isDecided = log.entries.some(
      (entry) =>
        entry.is === "asked" &&
        entry.call !== id &&
        entry.now >= asked.now &&
        entry.now <= over.now &&
        log.program.calls[entry.call]!.maxWait !== undefined
    )
    if (wasSomebodyAdmitted || isDecided) return []
    const [here, there] = [fatesIn(log, id), fatesIn(without, id)]
    const difference = here.findIndex(({ text }, index) => text !== there[index]?.text)
    if (difference === -1 || isTied([log, without], asked.now, [here, there])) return []
    return [`without call ${id}: ${there[difference]?.text ?? "nothing"}, with it: ${here[difference]!.text}`]
  })

/**
 * Whether what differs may come from a tie before: of sleeps that end at one instant, the clock ends the older one
 * first, and the one timer of all budgets is a new sleep whenever somebody has wanted it to ring earlier.
 */
const isTied = (logs: ReadonlyArray<Log>, since: number, [here, there]: readonly [Fates, Fates]): boolean => {
  const differing = [
    ...here.filter(({ text }) => there.every((other) => other.text !== text)),
    ...there.filter(({ text }) => here.every((other) => other.text !== text))
  ]
  const first = Math.min(...differing.map(({ now }) => now))
  return logs.some(({ ties }) => ties.some((tie) => tie > since && tie <= first))
}

/** Whether a call was interrupted between its admission, or refusal, and its going on. */
const isUncertain = ({ program }: Log, id: number): boolean => program.calls[id]!.isInterruptedOnWake

/** Who starts and who is refused when: in which order at one instant means nothing. */
const fatesIn = ({ entries }: Log, absent: number): Fates =>
  entries
    .flatMap((entry) =>
      (entry.is === "started" || entry.is === "refused") && entry.call !== absent
        ? [
            {
              text: `call ${entry.call} ${entry.is} at ${entry.now}${entry.is === "started" ? grantOf(entry.granted) : ""}`,
              now: entry.now
            }
          ]
        : []
    )
    .sort((a, b) => (a.text < b.text ? -1 : 1))

const grantOf = (granted: Usage.Usage | undefined): string =>
  granted === undefined ? "" : ` with ${granted.outputTokens} output tokens`

type Fates = ReadonlyArray<{ readonly text: string; readonly now: number }>
