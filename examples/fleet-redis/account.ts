/**
 * What is told of the fleet, second by second, and in the end.
 */
import type { Budget, Limit } from "effect-budget"
import { hasEnded } from "./ended.ts"
import type { Provider } from "./provider.ts"
import { atOnce, inAll, tokensInWindow } from "./providerKey.ts"
import type { Server } from "./server.ts"
import type { Worker } from "./workers.ts"

const thousands = (amount: number): string => amount.toLocaleString("en-US")

export const introduction = ({ name }: Server): string =>
  `Processes share a key through ${name}: ${thousands(tokensInWindow.max)} tokens in any 2 seconds, ${atOnce.max} calls at once.\n`

export const heading = (workers: ReadonlyArray<Worker>): string =>
  [
    `        ${workers.map(({ name }) => ` process ${name}`.padEnd(18)).join("")}the key, as the store counts it`,
    `        ${workers.map(() => " done  waiting".padEnd(18)).join("")}in 2 s   reserved   open`
  ].join("\n")

export const row = (second: number, workers: ReadonlyArray<Worker>, key: Budget.Snapshot): string => {
  const columns = workers.map(({ calls, process, waiting }) =>
    `${String(calls.done).padStart(5)}${(hasEnded(process) ? "dead" : String(waiting)).padStart(9)}`.padEnd(18)
  )
  const { reserved, used } = countersOf(key, tokensInWindow)
  const counters = [thousands(used).padStart(6), thousands(reserved).padStart(11), String(key.open).padStart(7)]
  return `${String(second).padStart(4)} s  ${[...columns, ...counters].join("")}`
}

export const remark = (text: string): string => `        ── ${text}`

export const summary = (key: Budget.Snapshot, provider: Provider, doneBefore: number): string => {
  const { used } = countersOf(key, inAll)
  const { inputTokens, outputTokens } = key.spent
  return [
    "",
    `  answered                 ${provider.done()} calls, ${provider.done() - doneBefore} of them after the death of b`,
    `  at the provider at once  ${provider.mostAtOnce()} at most`,
    `  tokens in all            ${thousands(used)}: ${thousands(inputTokens + outputTokens)} settled by the processes, ` +
      `${thousands(chargedForTheDead(key))} by the store`,
    `  at the end               ${isAtRest(key) ? "nothing is reserved, and nothing is open" : `${key.open} are open`}`
  ].join("\n")
}

/** What the store has charged for processes that died: neither reserved any more, nor spent by one that lives. */
export const chargedForTheDead = (key: Budget.Snapshot): number => {
  const { reserved, used } = countersOf(key, inAll)
  return used - reserved - key.spent.inputTokens - key.spent.outputTokens
}

export const isExceeded = ({ limits }: Budget.Snapshot): boolean => limits.some(({ limit, used }) => used > limit.max)

export const isAtRest = ({ limits, open }: Budget.Snapshot): boolean =>
  open === 0 && limits.every(({ reserved }) => reserved === 0)

const countersOf = ({ limits }: Budget.Snapshot, { name }: Limit.Limit): Budget.LimitSnapshot =>
  limits.find(({ limit }) => limit.name === name)!
