/**
 * The tables of the page: all that the charts show, in figures.
 */
import type { CallsRecord, LimitRecord, ProviderRecord, Recording } from "../../Recording.ts"
import { type Content, type Markup, markup } from "./markup.ts"
import { bar, figure, share } from "./numbers.ts"
import { duration, limitLabel, unitOf } from "./page/format.ts"
import { askedBudgets, hinderedShare, hinderedShareMax, peakOf, tokensOf } from "./page/whole.ts"

/** A row for each limit of each budget. */
export const limitsTable = ({ budgets }: Recording): Markup =>
  table(
    "Limits",
    ["Budget", "Limit", "Maximum", "Peak", "Peak of maximum", "Waited for it", "Refused by it"],
    budgets.flatMap((budget, index) =>
      budget.limits.map((limit, place) => {
        const unit = unitOf(limit.meter)
        const peak = peakOf(limit)
        return row(`limit-${index}-${place}`, [
          budget.name,
          markup`<code title="${limit.name}">${limitLabel(limit.name)}</code>${windowOf(limit)}`,
          figure(unit, limit.max),
          figure(unit, peak),
          markup`${share(peak, limit.max)}${bar(peak, limit.max, "used")}`,
          figure("count", limit.waited),
          figure("count", limit.refused)
        ])
      })
    ),
    2
  )

/** What a limit counts in which time, where its name does not say it. */
const windowOf = ({ meter, name, windowMillis }: LimitRecord): Content =>
  windowMillis === undefined || name.endsWith(`(${meter}, ${windowMillis}ms)`)
    ? undefined
    : markup` <small>${meter} per ${duration(windowMillis)}</small>`

/** A row for each budget that was asked, and one for all together. */
export const budgetsTable = (recording: Recording): Markup => {
  const asked = askedBudgets(recording)
  const names = recording.budgets.map(({ name }) => name)
  return table(
    "Calls by the budget that they asked",
    ["Budget", "Asked", "Waited", "Refused", "Wait p50", "p95", "p99", "Longest", "Tokens", "of reserved", "Cost"],
    [
      ...asked.map(({ calls, name }) => callsRow(name, `budget-${names.indexOf(name)}`, calls)),
      ...(asked.length < 2 ? [] : [callsRow("together", "together", recording.calls)])
    ],
    1
  )
}

const callsRow = (name: string, key: string, calls: CallsRecord): Markup => {
  const { waitMillis } = calls
  const used = tokensOf(calls.actual)
  return row(key, [
    markup`${name}${hinderedShare(calls) > hinderedShareMax ? markup` <span class="tag">tight</span>` : ""}`,
    figure("count", calls.asked),
    markup`${share(calls.waited, calls.asked)}${bar(calls.waited, calls.asked, "waited")}`,
    markup`${share(calls.refused, calls.asked)}${bar(calls.refused, calls.asked, "refused")}`,
    ...[waitMillis.p50, waitMillis.p95, waitMillis.p99, waitMillis.max].map((millis) => figure("millis", millis)),
    figure("tokens", used),
    share(used, tokensOf(calls.estimated)),
    figure("nanoUsd", calls.actual.costNanoUsd)
  ])
}

/** A row for each reason for which calls were refused; nothing when none were. */
export const refusalsTable = ({ calls }: Recording): Markup | undefined =>
  calls.refusals.length === 0
    ? undefined
    : table(
        "Refusals",
        ["By", "Reason", "Limit", "Calls", "of those asked"],
        calls.refusals.map(({ budget, count, limit, reason }, place) =>
          row(`refusal-${place}`, [
            budget,
            reason,
            limit === undefined ? "" : markup`<code title="${limit}">${limitLabel(limit)}</code>`,
            figure("count", count),
            markup`${share(count, calls.asked)}${bar(count, calls.asked, "refused")}`
          ])
        ),
        3
      )

/** What the provider threw back, with the budget and without it. */
export const providerTable = (provider: ProviderRecord): Markup =>
  table(
    "Calls that reached the provider",
    ["", "Calls", "Throttled", "of all"],
    (
      [
        ["with the budget", "with", provider.withBudget],
        ["without it", "without", provider.withoutBudget]
      ] as const
    ).map(([name, key, { calls, throttled }]) =>
      row(`provider-${key}`, [
        name,
        figure("count", calls),
        figure("count", throttled),
        markup`${share(throttled, calls)}${bar(throttled, calls, "refused")}`
      ])
    ),
    1
  )

/** The first cell of a row is its heading. */
const row = (key: string, [heading, ...cells]: ReadonlyArray<Content>): Markup =>
  markup`<tr data-row="${key}"><th scope="row">${heading}</th>${cells.map((cell) => markup`<td>${cell}</td>`)}</tr>
`

/** A table that scrolls for itself where it is too wide. The first so many columns are words, the others numbers. */
const table = (
  caption: string,
  headings: ReadonlyArray<string>,
  rows: ReadonlyArray<Markup>,
  words: number
): Markup => markup`<div class="scroll" role="region" aria-label="${caption}" tabindex="0"><table class="words${words}">
<caption>${caption}</caption>
<thead><tr>${headings.map((heading) => markup`<th scope="col">${heading}</th>`)}</tr></thead>
<tbody>
${rows}</tbody>
</table></div>`
