/**
 * Every guarantee, checked against a log with naive models. Each check is a watcher of the same replay; what it finds
 * wrong it says in a sentence.
 */
import * as Duration from "effect/Duration"
import type { BudgetError } from "../../../src/BudgetError.ts"
import * as Usage from "../../../src/Usage.ts"
import type { Entry, Log } from "./log.ts"
import { type Instant, type NaiveLimit, NEVER, type Ready, SETTLEMENT, sum } from "./naiveLimit.ts"
import { demandOf, isExact } from "./program.ts"
import { type CallState, goesBefore, type Replay, type Watcher } from "./replay.ts"

export type Check = (replay: Replay, log: Log, complain: (problem: string) => void) => Watcher

const nameOf = ({ call }: CallState): string => `call ${call.id}`

/** (a) At each admission, what counts and what is granted fit, in every limit of the path, and nobody there pauses. */
export const neverOverAdmits: Check = (replay, log, complain) => ({
  admitted: (state, at) => {
    if (replay.asksNonsense(state)) {
      complain(`${nameOf(state)} was admitted with nonsense`)
    }
    if (!isExact(log.program)) return
    const deciding = replay.deciding(state.path)
    for (const { amount, limit } of replay.amounts(deciding, state.granted)) {
      const used = limit.usedAtLeast(at)
      if (amount > 0 && used + amount > limit.max) {
        complain(`${nameOf(state)} was admitted: ${used} + ${amount} > ${limit.max} at ${limitName(replay, limit)}`)
      }
    }
    for (const budget of deciding) {
      if (replay.pauses[budget]!.readyAt(at.now) > at.now) complain(`${nameOf(state)} was admitted during a pause`)
    }
  }
})

/** (a) What is granted lies in the range that was asked for, and where nobody is ahead, it is the most that fits. */
export const grantsAreTheMost: Check = (replay, log, complain) => ({
  admitted: (state, at) => {
    const { call, granted } = state
    const { estimate, least } = call
    if (call.via === "spend" || call.isInterruptedOnWake) return
    const wrong = (problem: string) => complain(`${nameOf(state)} was granted ${JSON.stringify(granted)}: ${problem}`)
    if (least === undefined) {
      if (granted !== estimate) wrong("it is not elastic")
      return
    }
    const isOutside = Usage.fields.some((field) => granted[field] < least[field] || granted[field] > estimate[field])
    if (isOutside || replay.isNonsense(granted, replay.amounts(state.path, granted)))
      return wrong("not what it asked for")
    const isLess = Usage.fields.some((field) => granted[field] < estimate[field])
    if (!isExact(log.program) || !isLess) return
    const more = granted.outputTokens === estimate.outputTokens ? estimate : oneMore(granted, least, estimate)
    if (replay.ahead(state, more).length > 0) return
    const fits = replay
      .amounts(replay.deciding(state.path), more)
      .every(({ amount, limit }) => amount === 0 || limit.usedAtMost(at) + amount <= limit.max)
    if (fits) wrong(`${JSON.stringify(more)} would fit`)
  }
})

/** With one output token more, everything else as far between the two as that is, and cached tokens rounded down. */
const oneMore = (granted: Usage.Usage, least: Usage.Usage, most: Usage.Usage): Usage.Usage => {
  const outputTokens = granted.outputTokens + 1
  const at = (field: keyof Usage.Usage): number =>
    least[field] +
    ((most[field] - least[field]) * (outputTokens - least.outputTokens)) / (most.outputTokens - least.outputTokens)
  return {
    requests: Math.ceil(at("requests")),
    inputTokens: Math.ceil(at("inputTokens")),
    cacheReadTokens: Math.floor(at("cacheReadTokens")),
    cacheWriteTokens: Math.floor(at("cacheWriteTokens")),
    outputTokens,
    reasoningTokens: Math.ceil(at("reasoningTokens")),
    costNanoUsd: Math.ceil(at("costNanoUsd"))
  }
}

/** (a) Whenever the world is at rest, a limit stands above its maximum only by what came without asking. */
export const neverInDebtByAdmission: Check = (replay, _log, complain) => {
  const inDebt = new Set<NaiveLimit>()
  return {
    settled: ({ call, held }, _at, actual) => {
      for (const { amount, limit } of held) {
        if (actual !== undefined && limit.rule.meter.measure(actual) > amount) inDebt.add(limit)
      }
      // Of a limit that is gone now nobody speaks any more.
      void call
    },
    deed: (deed) => {
      if (deed.do !== "charge" && deed.do !== "update") return
      for (const limits of replay.limits) for (const limit of limits) inDebt.add(limit)
    },
    entry: (entry) => {
      if (entry.is !== "rest") return
      for (const limit of replay.limits.flat()) {
        if (replay.program.budgets[limit.budget]!.isShadow) continue
        if (inDebt.has(limit) || limit.usedAtLeast(entry) <= limit.max) continue
        complain(`${limitName(replay, limit)} holds ${limit.usedAtLeast(entry)} of ${limit.max} and nothing overran`)
      }
    }
  }
}

/** (a) In no interval as long as a sliding window does more count than its maximum, when nothing came without asking. */
export const everyIntervalHolds: Check = (replay, log, complain) => ({
  entry: (_entry, index) => {
    if (index < log.entries.length - 1) return
    for (const { budget, charged, max, rule, taken } of replay.everyLimit) {
      if (replay.program.budgets[budget]!.isShadow) continue
      const overran = taken.some(({ amount, settled }) => settled !== undefined && settled.actual > amount)
      const isUpdated = log.entries.some((entry) => entry.is === "deed" && entry.deed.do === "update")
      if (rule._tag !== "SlidingWindow" || charged.length > 0 || overran || isUpdated) continue
      const counted = taken.map(({ amount, at, settled }) =>
        rule.chargeAt === "reserve"
          ? { amount: settled?.actual ?? amount, at }
          : { amount: settled?.actual ?? 0, at: settled?.at ?? at }
      )
      for (const { at: from } of counted) {
        const inside = counted.filter(({ at }) => at >= from && at < from + rule.windowMillis)
        const total = sum(inside.map(({ amount }) => amount))
        if (total > max) complain(`${total} of ${max} count in the window from ${from} of ${rule.name}`)
      }
    }
  }
})

/** (b) and (c) What a budget says of itself is what happened, in every limit, whenever it is asked. */
export const countersAreTrue: Check = (replay, log, complain) => ({
  entry: (entry) => {
    if (entry.is !== "snapshot") return
    const { budget, snapshot, wall, now } = entry
    const expect = (what: string, actual: unknown, expected: unknown) => {
      if (actual !== expected) complain(`${snapshot.name}: ${what} is ${String(actual)}, expected ${String(expected)}`)
    }
    const limits = replay.limits[budget]!
    expect("number of limits", snapshot.limits.length, limits.length)
    for (const [index, limit] of limits.entries()) {
      const told = snapshot.limits[index]!
      const least = limit.usedAtLeast(entry)
      const most = limit.usedAtMost(entry)
      expect(`name of limit ${index}`, told.limit.name, limit.rule.name)
      expect(`reserved of ${limit.rule.name}`, told.reserved, limit.reserved)
      if (!limit.isVague) expect(`used of ${limit.rule.name}`, told.used, least)
      else if (told.used < least || told.used > most) {
        complain(`${snapshot.name}: used of ${limit.rule.name} is ${told.used}, expected ${least} to ${most}`)
      }
      expect(`available of ${limit.rule.name}`, told.available, Math.max(0, limit.max - told.used))
    }
    const inside = (states: ReadonlyArray<CallState>) => states.filter(({ path }) => path.has(budget)).length
    expect("open", snapshot.open, inside(replay.open()))
    expect("waiting", snapshot.waiting, inside(replay.waiting()))
    expect("spent", JSON.stringify(snapshot.spent), JSON.stringify(replay.spent[budget]))
    const { until } = replay.pauses[budget]!
    expect("pausedUntil", snapshot.pausedUntil, until <= now ? undefined : until - (now - wall))
    void log
  }
})

/** (c) and (f) In the end everybody has ended and nothing is held. */
export const everythingEnds: Check = (replay, log, complain) => ({
  entry: (entry, index) => {
    if (index < log.entries.length - 1) return
    if (log.stuck.length > 0) complain(`calls ${log.stuck.join(", ")} never end`)
    for (const limit of replay.everyLimit) {
      if (limit.reserved > 0) complain(`${limitName(replay, limit)} still reserves ${limit.reserved}`)
    }
    if (entry.is !== "snapshot") return complain("the log does not end with a snapshot")
    const { limits, open, waiting } = entry.snapshot
    const reserved = sum(limits.map((limit) => limit.reserved))
    if (open + waiting + reserved > 0) complain(`in the end: open ${open}, waiting ${waiting}, reserved ${reserved}`)
  }
})

/** (e) Who is refused is refused for a reason that is true, and nobody else is. */
export const refusalsAreTrue: Check = (replay, log, complain) => ({
  refused: (state, at, error, hasWaited) => {
    const isLate = error.reason._tag === "DeadlineExceeded"
    const wrong = (problem: string) => complain(`${nameOf(state)} was refused with ${error.reason._tag}: ${problem}`)
    const isNonsense = replay.asksNonsense(state)
    if (isNonsense !== (error.reason._tag === "InvalidUsage")) {
      return wrong(isNonsense ? "nonsense was asked" : "no nonsense")
    }
    const { hasDeadline, maxWait, via } = state.call
    const reason = obstacleOf(error.reason)
    const isTooLate = hasDeadline && maxWait === 0 && !isNonsense
    if (isTooLate !== (reason === undefined)) return wrong(`its time was ${isTooLate ? "over" : "not over"}`)
    if (reason === undefined || reason._tag === "InvalidUsage") return
    if (!log.program.budgets.some(({ name }) => name === reason.budget)) return wrong(`no budget ${reason.budget}`)
    if (!isExact(log.program) || reason._tag === "BudgetStoreError") return

    const readiness = replay.readiness(state, at)
    const named = readiness.find(
      ({ budget, limit }) =>
        log.program.budgets[budget]!.name === reason.budget &&
        (limit === "pause" ? reason._tag === "Paused" : "limit" in reason && limit.rule === reason.limit)
    )
    if (named === undefined) return wrong("its limit is not on the path")
    const ahead = replay.ahead(state)
    const isBehind = ahead.length > 0
    const isVague = readiness.some(({ limit }) => limit !== "pause" && limit.isVague)
    const worst = readiness.map(({ ready }) => ready).reduce((a, b) => (rank(b) > rank(a) ? b : a))
    if (!isBehind && worst === at.now && !isVague) return wrong("there is room and nobody is ahead")
    if (!isBehind && !isVague && rank(named.ready) < rank(worst)) wrong("another limit lets it in later")
    const problem = falsehood(reason, named, state, at, isBehind)
    if (problem !== undefined) return wrong(problem)

    const waitMillis = via === "tryReserve" ? 0 : (maxWait ?? Number.POSITIVE_INFINITY)
    const deadline = state.askedAt + waitMillis
    if (worst === NEVER) return
    if (isLate !== (hasDeadline && waitMillis < Number.POSITIVE_INFINITY && via !== "tryReserve"))
      wrong("it is not that")
    if (hasWaited && at.now !== deadline) wrong(`it waited until ${at.now}, not until ${deadline}`)
    const isCertain = typeof worst === "number" && (isLate ? worst >= deadline : worst > deadline)
    if (!hasWaited && waitMillis > 0 && !isCertain && !isVague) wrong("waiting might have helped")
  }
})

type Obstacle = Exclude<BudgetError["reason"], { readonly _tag: "DeadlineExceeded" }>

/** What kept a request out that had no time left. */
const obstacleOf = (reason: BudgetError["reason"]): Obstacle | undefined =>
  reason._tag === "DeadlineExceeded" ? reason.obstacle && obstacleOf(reason.obstacle) : reason

const rank = (ready: Ready): number =>
  ready === NEVER ? Number.POSITIVE_INFINITY : ready === SETTLEMENT ? Number.MAX_SAFE_INTEGER : ready

const falsehood = (
  reason: Exclude<Obstacle, { readonly _tag: "InvalidUsage" | "BudgetStoreError" }>,
  { limit, ready }: { readonly limit: NaiveLimit | "pause"; readonly ready: Ready },
  state: CallState,
  at: Instant,
  isBehind: boolean
): string | undefined => {
  if (limit === "pause" || reason._tag === "Paused") {
    if (limit !== "pause" || reason._tag !== "Paused") return "only a pause is a pause"
    return isBehind || millisOf(reason.retryAfter) === Number(ready) - at.now ? undefined : "retryAfter is not exact"
  }
  const amount = limit.rule.meter.measure(demandOf(state.call))
  if ("requested" in reason && reason.requested !== amount) return `it requested ${amount}`
  switch (reason._tag) {
    case "RequestTooLarge":
      return amount > limit.max ? undefined : `${amount} is not above ${limit.max}`
    case "BudgetExceeded": {
      if (limit.rule._tag !== "Cap" || amount > limit.max) return "it is no cap, or the request is too large"
      if (reason.used !== limit.committed || reason.reserved !== limit.reserved) return "its amounts are wrong"
      return limit.committed + limit.reserved + amount > limit.max || isBehind ? undefined : "there is room"
    }
    case "ConcurrencyExceeded":
      if (limit.rule._tag !== "Concurrency" || reason.open !== limit.reserved) return `${limit.reserved} are open`
      return isBehind || limit.reserved + amount > limit.max ? undefined : "there is room"
    case "WindowExceeded": {
      if (["Cap", "Concurrency", "PerCall"].includes(limit.rule._tag)) return "it is no window"
      if (amount > limit.max) return "the request is too large"
      const millis = millisOf(reason.retryAfter)
      if (isBehind || limit.isVague) return undefined
      const expected = ready === SETTLEMENT ? undefined : Number(ready) - at.now
      return millis === expected ? undefined : `retryAfter is ${String(millis)} ms, expected ${String(expected)}`
    }
  }
}

const millisOf = (duration: Duration.Duration | undefined): number | undefined =>
  duration === undefined ? undefined : Duration.toMillis(duration)

/** (f) Whenever the world is at rest, nobody waits who could run, for what never comes, or longer than he wants to. */
export const nobodyWaitsInVain: Check = (replay, _log, complain) => ({
  entry: (entry) => {
    if (entry.is !== "rest") return
    for (const state of replay.waiting()) {
      const { maxWait = Number.POSITIVE_INFINITY, via } = state.call
      const deadline = state.askedAt + (via === "tryReserve" ? 0 : maxWait)
      if (entry.now >= deadline) complain(`${nameOf(state)} waits at ${entry.now}, but only until ${deadline}`)
      // What is used up in a store is known to who asks it, which who waits for something else does not.
      const isHopeless = replay
        .readiness(state, entry)
        .some(({ budget, ready }) => ready === NEVER && !replay.program.budgets[budget]!.isShared)
      if (isHopeless) complain(`${nameOf(state)} waits at ${entry.now} for what never comes`)
      if (replay.fits(state, entry) && replay.ahead(state).length === 0) {
        complain(`${nameOf(state)} waits at ${entry.now}, though it fits and nobody is ahead`)
      }
    }
  }
})

/** (g) Of two equal requests of a budget, the one that goes before the other is admitted before it. */
export const equalsKeepTheirOrder: Check = (replay, log, complain) => {
  const entryOf = (call: number, is: Entry["is"]) =>
    log.entries.find((entry) => entry.is === is && "call" in entry && entry.call === call)
  /** Whether nobody can say who of the two was first: fibers yield, or one was let in while the other asked. */
  const isUnknown = (state: CallState, other: CallState): boolean =>
    isExact(log.program)
      ? entryOf(state.call.id, "woken")?.step === replay.stepOf(other)
      : [other.askedAt, entryOf(other.call.id, "started")?.now].includes(entryOf(state.call.id, "started")?.now)
  return {
    admitted: (state, at) => {
      // While one asks a store, another may be let in by it.
      if (replay.program.budgets.some(({ isShared }) => isShared)) return
      for (const other of replay.waiting()) {
        if (other === state || other.call.budget !== state.call.budget || !goesBefore(other, state)) continue
        if (JSON.stringify(demandOf(other.call)) !== JSON.stringify(demandOf(state.call))) continue
        if (isUnknown(state, other)) continue
        complain(`${nameOf(state)} was admitted at ${at.now} before ${nameOf(other)}, which equals it and goes before`)
      }
    }
  }
}

/**
 * (g) Whoever passes the first of its own line, whose start was known, does not move that start. For programs in which
 * nothing overruns, nothing is changed and only one budget is asked.
 */
export const promisesAreKept: Check = (replay, _log, complain) => {
  const promised = new Map<CallState, { readonly start: number; readonly to: CallState }>()
  return {
    admitted: (state, at) => {
      const promise = promised.get(state)
      if (promise !== undefined && at.now > promise.start) {
        complain(
          `${nameOf(state)} starts at ${at.now}, not at ${promise.start} as when ${nameOf(promise.to)} passed it`
        )
      }
      const line = replay.waiting().filter(({ call }) => call.budget === state.call.budget)
      const first = line.toSorted((a, b) => (goesBefore(a, b) ? -1 : 1))[0]
      if (first === undefined || first === state) return
      const starts = replay.readiness(first, at).map(({ ready }) => ready)
      const start = Math.max(...starts.map((ready) => (typeof ready === "number" ? ready : Number.POSITIVE_INFINITY)))
      if (start <= at.now || start >= (promised.get(first)?.start ?? Number.POSITIVE_INFINITY)) return
      promised.set(first, { start, to: state })
    }
  }
}

/** (i) There is at most one timer, and none while nobody waits. */
export const timersAreFew: Check = (replay, log, complain) => ({
  entry: (entry, index) => {
    // Leases are renewed while calls run.
    if (log.program.budgets.some(({ isShared }) => isShared)) return
    if (entry.is === "rest") {
      if (entry.timers > 1) complain(`${entry.timers} timers are set`)
      if (entry.timers > 0 && replay.waiting().length === 0) complain(`a timer is set at ${entry.now} for nobody`)
    }
    if (index < log.entries.length - 1) return
    // A timer that was stopped may need a moment to end where fibers yield.
    if (isExact(log.program) && log.timersMax > 1) complain(`${log.timersMax} timers were set at once`)
    const happened = log.entries.filter(({ is }) => is !== "rest" && is !== "snapshot").length
    if (log.timersFired > happened) complain(`timers rang ${log.timersFired} times for ${happened} happenings`)
  }
})

const limitName = (replay: Replay, { budget, rule }: NaiveLimit): string =>
  `${rule.name} (${rule._tag}) of ${replay.program.budgets[budget]!.name}`
