/**
 * What happened, in words.
 */
import type { BudgetRecord, LimitRecord, Recording } from "../../Recording.ts"
import { type Content, type Markup, markup } from "./markup.ts"
import { figure, share } from "./numbers.ts"
import { duration, limitLabel, long, percent, unitOf } from "./page/format.ts"
import { hinderedShare, hinderedShareMax, peakOf, tokensOf } from "./page/whole.ts"

/** The verdict, the sentences under it, and the figures that one looks for first. */
export const summaryOf = (recording: Recording): Markup => {
  const verdict = verdictOf(recording)
  return markup`
<section class="summary ${verdict.mood}" aria-labelledby="verdict">
<h2 id="verdict"><span aria-hidden="true">${verdict.sign}</span> ${verdict.headline}</h2>
<p>${verdict.reason}</p>
<ul>${sentences(recording).map((sentence) => markup`<li>${sentence}</li>`)}</ul>
</section>
${tiles(recording)}`
}

interface Verdict {
  readonly mood: "good" | "tight" | "nothing"
  readonly sign: string
  readonly headline: string
  readonly reason: Content
}

const verdictOf = (recording: Recording): Verdict => {
  const { calls } = recording
  if (calls.asked === 0) {
    return {
      mood: "nothing",
      sign: "–",
      headline: "Nobody asked for anything",
      reason: "The recording has no calls, so that it says nothing about the limits."
    }
  }
  const hindered = markup`<strong>${share(calls.waited + calls.refused, calls.asked)}</strong> of the calls waited or were refused`
  const rule = percent(hinderedShareMax, 1)
  return hinderedShare(calls) > hinderedShareMax
    ? {
        mood: "tight",
        sign: "!",
        headline: "The limits are too tight for this load",
        reason: markup`${hindered}. Above ${rule}, a limit is no guard but a bottleneck: raise it, or ask for less at once.`
      }
    : {
        mood: "good",
        sign: "✓",
        headline: "The limits fit this load",
        reason: markup`${hindered}. Up to ${rule}, a limit is a guard and not a bottleneck.`
      }
}

const sentences = (recording: Recording): ReadonlyArray<Content> => {
  const { calls } = recording
  if (calls.asked === 0) return []
  const { actual, estimated, overran, settled } = calls
  return [
    markup`Of ${figure("count", calls.asked)} calls in ${duration(recording.durationMillis)}, ${figure("count", calls.admitted)} were let in${waiting(recording)}; ${figure("count", calls.refused)} were refused (${share(calls.refused, calls.asked)}).`,
    hardest(recording),
    settled === 0
      ? undefined
      : markup`They reserved ${long("tokens", tokensOf(estimated))} and used ${long("tokens", tokensOf(actual))} (${share(tokensOf(actual), tokensOf(estimated))}); ${overran === 0 ? "none" : figure("count", overran)} used more than it had reserved.`,
    provider(recording)
  ].filter((sentence) => sentence !== undefined)
}

const waiting = ({ calls }: Recording): Content => {
  if (calls.waited === 0) return ", all of them at once"
  const { max, p50, p95 } = calls.waitMillis
  return markup`, ${figure("count", calls.waited)} of them after waiting (${share(calls.waited, calls.asked)}): ${p50 === 0 ? "half of all passed at once" : markup`half of all were in within ${figure("millis", p50)}`}, 95 % within ${figure("millis", p95)}, the last after ${figure("millis", max)}`
}

/** The limit for which most waited, and the one that refused most. */
const hardest = (recording: Recording): Content => {
  const all = recording.budgets.flatMap((budget) => budget.limits.map((limit) => ({ budget, limit })))
  const waitedFor = most(all, ({ limit }) => limit.waited)
  const refusedBy = most(all, ({ limit }) => limit.refused)
  const waits =
    waitedFor === undefined
      ? undefined
      : markup`Most waited for ${limitName(waitedFor)}: ${figure("count", waitedFor.limit.waited)} calls; at its peak ${share(peakOf(waitedFor.limit), waitedFor.limit.max)} of its maximum was in use.`
  const refusals =
    refusedBy === undefined
      ? undefined
      : refusedBy === waitedFor
        ? markup`It also refused most: ${figure("count", refusedBy.limit.refused)} calls.`
        : markup`Most were refused because of ${limitName(refusedBy)}: ${figure("count", refusedBy.limit.refused)} calls.`
  return waits === undefined && refusals === undefined ? undefined : markup`${waits} ${refusals}`
}

const limitName = ({ budget, limit }: { budget: BudgetRecord; limit: LimitRecord }): Markup =>
  markup`<code>${limitLabel(limit.name)}</code> of <code>${budget.name}</code> (${long(unitOf(limit.meter), limit.max)})`

const most = <A>(all: ReadonlyArray<A>, count: (one: A) => number): A | undefined =>
  all.filter((one) => count(one) > 0).sort((one, other) => count(other) - count(one))[0]

const provider = ({ provider }: Recording): Content =>
  provider === undefined
    ? undefined
    : markup`The provider throttled ${figure("count", provider.withBudget.throttled)} of ${figure("count", provider.withBudget.calls)} calls; without the budget it would have been ${figure("count", provider.withoutBudget.throttled)} of ${figure("count", provider.withoutBudget.calls)} (${share(provider.withoutBudget.throttled, provider.withoutBudget.calls)}).`

const tiles = (recording: Recording): Markup => {
  const { calls } = recording
  const tile = (name: string, value: Content, beside: Content = "") =>
    markup`<div><dt>${name}</dt><dd>${value}<small>${beside}</small></dd></div>`
  return markup`<dl class="tiles">
${tile("Asked", figure("count", calls.asked), "calls")}
${tile("Waited", share(calls.waited, calls.asked), markup`${figure("count", calls.waited)} calls`)}
${tile("Refused", share(calls.refused, calls.asked), markup`${figure("count", calls.refused)} calls`)}
${tile("Longest wait", figure("millis", calls.waitMillis.max))}
${tile("Used", figure("tokens", tokensOf(calls.actual)), "tokens")}
${tile("Cost", figure("nanoUsd", calls.actual.costNanoUsd))}
</dl>`
}
