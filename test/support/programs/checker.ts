/** Judges a log: replays it once for all checks and says everything that is wrong. */
import * as checks from "./checks.ts"
import { listenersAreTold } from "./events.ts"
import type { Log } from "./log.ts"
import { fatesOf, Replay, type Watcher } from "./replay.ts"
import { shadowsAreTold } from "./shadows.ts"

const { promisesAreKept, ...always } = checks

export const everyCheck: Readonly<Record<string, checks.Check>> = { ...always, listenersAreTold, shadowsAreTold }

export { promisesAreKept }

/** What is wrong, each with the name of the check that found it. */
export const problemsOf = (
  log: Log,
  which: Readonly<Record<string, checks.Check>> = everyCheck
): ReadonlyArray<string> => {
  const problems: Array<string> = []
  const replay = new Replay(log, fatesOf(log))
  const watchers = Object.entries(which).map(([name, check]): Watcher =>
    check(replay, log, (problem) => problems.push(`${name}: ${problem}`))
  )
  replay.run({
    admitted: (...args) => watchers.forEach((watcher) => watcher.admitted?.(...args)),
    refused: (...args) => watchers.forEach((watcher) => watcher.refused?.(...args)),
    settled: (...args) => watchers.forEach((watcher) => watcher.settled?.(...args)),
    invalid: (...args) => watchers.forEach((watcher) => watcher.invalid?.(...args)),
    settledTwice: (...args) => watchers.forEach((watcher) => watcher.settledTwice?.(...args)),
    deed: (...args) => watchers.forEach((watcher) => watcher.deed?.(...args)),
    entry: (...args) => watchers.forEach((watcher) => watcher.entry?.(...args))
  })
  return problems
}

/** How many admissions a log has. */
export const admissionsIn = ({ entries }: Log): number => entries.filter(({ is }) => is === "started").length
