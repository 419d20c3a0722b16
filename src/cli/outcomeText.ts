import type * as Simulation from "../Simulation.ts"
import type { Palette } from "./output.ts"
import { dollars, grouped, span, table } from "./table.ts"
import { visible } from "./visible.ts"

/** What came of a simulation, for a person. */
export const outcomeText = (outcome: Simulation.Outcome, colours: Palette): string => {
  const { bold, dim } = colours
  const { durationMillis, title } = outcome.recording
  const sections = [
    `${bold(visible(title))}   ${dim(span(durationMillis))}`,
    callsText(outcome, colours),
    waitText(outcome, colours),
    limitsText(outcome, colours),
    refusalsText(outcome, colours),
    providerText(outcome, colours),
    fairnessText(outcome)
  ]
  return sections.filter((section) => section !== "").join("\n\n")
}

const callsText = ({ calls }: Simulation.Outcome, { dim, red, yellow }: Palette): string => {
  const { actual, admitted, asked, estimated, overran, refused, waited } = calls
  const marked = (count: number, colour: (text: string) => string) =>
    count > 0 ? colour(grouped(count)) : grouped(count)
  const counts = table(
    ["left", "right", "right", "right", "right", "right"],
    [
      ["", "asked", "admitted", "waited", "refused", "overran"].map(dim),
      [
        "calls",
        grouped(asked),
        grouped(admitted),
        marked(waited, yellow),
        marked(refused, red),
        marked(overran, yellow)
      ]
    ]
  )
  const rows = [
    ["", "reserved", "used"].map(dim),
    ["input tokens", grouped(estimated.inputTokens), grouped(actual.inputTokens)],
    ["output tokens", grouped(estimated.outputTokens), grouped(actual.outputTokens)]
  ]
  if (actual.costNanoUsd > 0) rows.push(["cost", cents(estimated.costNanoUsd), cents(actual.costNanoUsd)])
  return `${counts}\n\n${table(["left", "right", "right"], rows)}`
}

/** Money to the cent, where more digits say nothing. */
const cents = (nanoUsd: number): string => dollars(Math.round(nanoUsd / 10_000_000) * 10_000_000)

const waitText = ({ waitMillis }: Simulation.Outcome, { dim }: Palette): string => {
  const names = ["p50", "p90", "p95", "p99", "p999", "max"] as const
  return table(
    ["left", ...names.map(() => "right" as const)],
    [
      ["", "p50", "p90", "p95", "p99", "p99.9", "longest"].map(dim),
      ["wait", ...names.map((name) => (waitMillis[name] === 0 ? "0" : span(waitMillis[name])))]
    ]
  )
}

const limitsText = ({ limits }: Simulation.Outcome, { dim, red, yellow }: Palette): string => {
  if (limits.length === 0) return ""
  const percent = (fraction: number) => {
    const text = `${Math.round(fraction * 100)} %`
    return fraction >= 1 ? red(text) : fraction >= 0.8 ? yellow(text) : text
  }
  return table(
    ["left", "right", "right", "right", "right", "right"],
    [
      ["limit", "mean", "p95", "fullest", "waited", "refused"].map(dim),
      ...limits.map(({ budget, limit, refused, utilisation, waited }) => [
        visible(`${budget}: ${limit}`),
        percent(utilisation.mean),
        percent(utilisation.p95),
        percent(utilisation.max),
        grouped(waited),
        grouped(refused)
      ])
    ]
  )
}

const refusalsText = ({ refusals }: Simulation.Outcome, { dim }: Palette): string => {
  if (refusals.length === 0) return ""
  const rows = refusals.map(({ budget, count, limit, reason }) => [
    reason,
    visible(limit === undefined ? budget : `${budget}: ${limit}`),
    grouped(count)
  ])
  return table(["left", "left", "right"], [["refused because of", "", "calls"].map(dim), ...rows])
}

const providerText = ({ provider }: Simulation.Outcome, { dim, green, red }: Palette): string => {
  if (provider === undefined) return ""
  const row = (name: string, { calls, throttled }: { readonly calls: number; readonly throttled: number }) => [
    name,
    grouped(calls),
    throttled === 0 ? green("0") : red(grouped(throttled))
  ]
  return table(
    ["left", "right", "right"],
    [
      ["the provider gets", "calls", "429s"].map(dim),
      row("with the budget", provider.withBudget),
      row("without", provider.withoutBudget)
    ]
  )
}

const fairnessText = ({ fairness }: Simulation.Outcome): string => {
  if (fairness === undefined) return ""
  const shares = fairness.shares.map(({ tenant, tokens, weight }) => [
    visible(tenant),
    grouped(tokens),
    `weight ${weight}`
  ])
  return table(["left", "right", "left"], [["tenant", "tokens", `fairness ${fairness.index.toFixed(3)}`], ...shares])
}
