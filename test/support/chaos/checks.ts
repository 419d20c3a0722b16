/** Everything that must hold on such a day, from what the provider has seen and by obviously right arithmetic. */
import { type Attempt, limits, type Log, retries, timeoutMillis } from "./fleet.ts"

/** What is wrong. */
export const problemsOf = (log: Log): ReadonlyArray<string> => [
  ...everyTaskEnds(log),
  ...nothingIsHeld(log),
  ...spendIsTrue(log),
  ...limitsHold(log),
  ...openCircuitsAreKept(log),
  ...retryAfterIsKept(log),
  ...attemptsAreBounded(log)
]

const everyTaskEnds = ({ tasks }: Log): ReadonlyArray<string> =>
  tasks.flatMap(({ deadlineAt, endedAt, interruptAt }, index) => {
    if (endedAt === undefined) return [`task ${index} never ends`]
    const until = Math.min(deadlineAt, interruptAt ?? Number.POSITIVE_INFINITY)
    return endedAt <= until ? [] : [`task ${index} ends at ${endedAt}, after ${until}`]
  })

const nothingIsHeld = ({ snapshots }: Log): ReadonlyArray<string> =>
  snapshots.flatMap(({ limits, name, open, waiting }) => {
    const reserved = limits.reduce((sum, limit) => sum + limit.reserved, 0)
    return open + waiting + reserved === 0 ? [] : [`${name}: open ${open}, waiting ${waiting}, reserved ${reserved}`]
  })

/** What an attempt costs, from what became of it. */
const costOf = ({ request, reservedTokens }: Attempt): { readonly requests: number; readonly tokens: number } => {
  switch (request.outcome) {
    case "answered":
      return { requests: 1, tokens: request.usedTokens }
    case "failed":
    case "throttled":
    case "rejected":
      return { requests: 1, tokens: 0 }
    case "unreached":
      return { requests: 0, tokens: 0 }
    case "lost":
    case "abandoned":
      return { requests: 1, tokens: reservedTokens }
  }
}

/** Nothing is lost, and nothing counted twice: in the key, in each tenant and in each run. */
const spendIsTrue = ({ attempts, snapshots }: Log): ReadonlyArray<string> => {
  const expected = new Map(snapshots.map(({ name }) => [name, { requests: 0, tokens: 0 }]))
  for (const attempt of attempts) {
    const cost = costOf(attempt)
    for (const name of ["key", `tenant ${attempt.tenant}`, `run ${attempt.run}`]) {
      const sum = expected.get(name)!
      sum.requests += cost.requests
      sum.tokens += cost.tokens
    }
  }
  return snapshots.flatMap(({ limits, name, spent }) => {
    const { requests, tokens } = expected.get(name)!
    const isSpent = spent.requests === requests && spent.inputTokens + spent.outputTokens === tokens
    const cap = limits.find(({ limit }) => limit._tag === "Cap" && limit.meter.name === "tokens")
    const isRight = isSpent && (cap === undefined || cap.used === tokens)
    return isRight ? [] : [`${name} has spent ${JSON.stringify(spent)}, expected ${requests} and ${tokens} tokens`]
  })
}

/** At each admission everything that counts fits, in every limit. Nobody uses more than he has reserved. */
const limitsHold = ({ attempts }: Log): ReadonlyArray<string> => {
  const { concurrency, runTokens, tenantCapTokens, tenantTokens, windowMillis, windowTokens } = limits
  return attempts.flatMap((attempt, index) => {
    const counts = (other: Attempt): number =>
      other.request.endedOrder < attempt.admittedOrder ? costOf(other).tokens : other.reservedTokens
    const total = { key: 0, tenant: 0, tenantEver: 0, run: 0, open: 0 }
    for (let at = 0; at <= index; at++) {
      const other = attempts[at]!
      const amount = counts(other)
      const isInWindow = attempt.admittedAt < other.admittedAt + windowMillis
      if (isInWindow) total.key += amount
      if (isInWindow && other.tenant === attempt.tenant) total.tenant += amount
      if (other.tenant === attempt.tenant) total.tenantEver += amount
      if (other.run === attempt.run) total.run += amount
      if (other.request.endedOrder > attempt.admittedOrder) total.open++
    }
    return [
      ...(total.key > windowTokens
        ? [`the key admits ${total.key} tokens within a minute at ${attempt.admittedAt}`]
        : []),
      ...(total.tenant > tenantTokens ? [`tenant ${attempt.tenant} is admitted ${total.tenant} tokens`] : []),
      ...(total.tenantEver > tenantCapTokens ? [`tenant ${attempt.tenant} has used ${total.tenantEver} in all`] : []),
      ...(total.run > runTokens ? [`run ${attempt.run} is admitted ${total.run} tokens`] : []),
      ...(total.open > concurrency ? [`${total.open} are open at ${attempt.admittedAt}`] : [])
    ]
  })
}

/** While a circuit is open the provider is not asked, and while it is half open, by one at a time. */
const openCircuitsAreKept = ({ requests, transitions }: Log): ReadonlyArray<string> =>
  transitions.flatMap(({ order, to }, index) => {
    const until = transitions[index + 1]?.order ?? Number.POSITIVE_INFINITY
    const during = requests.filter((request) => request.order > order && request.order < until)
    if (to === "Open") return during.map(({ at }) => `the provider is asked at ${at}, while the circuit is open`)
    if (to === "Closed") return []
    return during.flatMap(({ at, order }, later) =>
      during.slice(0, later).some(({ endedOrder }) => endedOrder > order) ? [`two probes at once at ${at}`] : []
    )
  })

/** Nobody who shares the key asks before the time that the provider has named. */
const retryAfterIsKept = ({ requests }: Log): ReadonlyArray<string> =>
  requests.flatMap(({ endedAt, retryAfterMillis }) => {
    if (retryAfterMillis === undefined) return []
    const until = endedAt + retryAfterMillis
    return requests
      .filter(({ at }) => at > endedAt && at < until)
      .map(({ at }) => `the provider is asked at ${at}, and has said at ${endedAt} to come back at ${until}`)
  })

const attemptsAreBounded = ({ attempts, requests }: Log): ReadonlyArray<string> => {
  const counts = new Map<number, number>()
  for (const { call } of attempts) counts.set(call, (counts.get(call) ?? 0) + 1)
  return [
    ...[...counts].flatMap(([call, count]) => (count > 1 + retries ? [`call ${call} is made ${count} times`] : [])),
    ...requests.flatMap(({ at, endedAt }) =>
      endedAt - at > timeoutMillis ? [`a request takes ${endedAt - at} ms`] : []
    )
  ]
}

/** How often each thing happened, to know that it did. */
export const countInto = (counts: Map<string, number>, { requests, tasks, transitions }: Log): void => {
  const count = (what: string) => counts.set(what, (counts.get(what) ?? 0) + 1)
  for (const { outcome } of requests) count(`request ${outcome}`)
  for (const { end } of tasks) count(`task ${end}`)
  for (const { to } of transitions) count(`circuit ${to}`)
}
