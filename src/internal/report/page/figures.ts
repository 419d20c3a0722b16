/**
 * Which charts a recording has, as data: what is drawn is decided here, how it looks in `chart.ts`.
 */
import type { BudgetRecord, LimitRecord, Recording, SeriesRecord } from "../../../Recording.ts"
import { type Unit, duration, limitLabel, long, percent, short, unitOf } from "./format.ts"
import { askedBudgets, hinderedShareMax, peakOf, seriesOf, stepsOf } from "./whole.ts"

/** One chart: its curves over the steps of the recording. */
export interface Figure {
  /** Unique in the page. */
  readonly id: string
  /** The index of the budget whose limit this is; undefined for a chart of all budgets. */
  readonly budget: number | undefined
  readonly title: string
  /** What one sees, in a sentence, also for those who do not see it. */
  readonly text: string
  readonly unit: Unit
  /** Curves that are put on one another, instead of each for itself. */
  readonly isStacked: boolean
  readonly curves: ReadonlyArray<Curve>
  /** A line right across. */
  readonly bound?: { readonly label: string; readonly value: number }
}

/** A number per step. */
export interface Curve {
  readonly label: string
  /** The name of a colour of the page's style. */
  readonly colour: string
  readonly values: ReadonlyArray<number>
}

/** All charts of a recording, in the order of the page. */
export const figuresOf = (recording: Recording): ReadonlyArray<Figure> => [
  ...recording.budgets.flatMap((budget, index) =>
    budget.limits.map((limit, place) => limitFigure(budget, index, limit, place))
  ),
  ...overTime(recording)
]

const limitFigure = (budget: BudgetRecord, index: number, limit: LimitRecord, place: number): Figure => {
  const unit = unitOf(limit.meter)
  const peak = peakOf(limit)
  return {
    id: `limit-${index}-${place}`,
    budget: index,
    title: limitLabel(limit.name),
    text: `${long(unit, peak)} at the peak: ${percent(peak, limit.max)} of what ${budget.name} allows${
      limit.windowMillis === undefined ? "" : ` in ${duration(limit.windowMillis)}`
    }.`,
    unit,
    isStacked: false,
    curves: [{ label: "used", colour: "used", values: limit.used }],
    bound: { label: "maximum", value: limit.max }
  }
}

const overTime = (recording: Recording): ReadonlyArray<Figure> => {
  const budgets = askedBudgets(recording)
  const steps = stepsOf(recording)
  const of = (name: keyof SeriesRecord) => seriesOf(budgets, name, steps)
  const [admitted, waited, refused] = [of("admitted"), of("waited"), of("refused")]
  const waitMillisMax = of("waitMillisMax")
  const per = `per ${duration(recording.stepMillis)}`
  const hindered = admitted.map((count, step) => {
    const asked = count + (refused[step] ?? 0)
    return asked === 0 ? 0 : ((waited[step] ?? 0) + (refused[step] ?? 0)) / asked
  })
  const tokens = byBudget(budgets, "tokens", steps)
  const all = { budget: undefined, isStacked: false }
  return [
    {
      ...all,
      id: "tokens",
      title: `Tokens ${per}`,
      text: `Settled or charged, input and output; ${long("tokens", peak(summed(tokens)))} in the busiest step.`,
      unit: "tokens",
      isStacked: true,
      curves: tokens
    },
    {
      ...all,
      id: "calls",
      title: `Calls ${per}`,
      text: "Those that passed at once, those that waited first, and those that were refused.",
      unit: "count",
      isStacked: true,
      curves: [
        { label: "at once", colour: "used", values: admitted.map((count, step) => count - (waited[step] ?? 0)) },
        { label: "waited", colour: "waited", values: waited },
        { label: "refused", colour: "refused", values: refused }
      ]
    },
    {
      ...all,
      id: "hindered",
      title: "Share of calls that waited or were refused",
      text: `Lasting above ${short("share", hinderedShareMax)}, a limit is a bottleneck rather than a guard.`,
      unit: "share",
      curves: [{ label: "waited or refused", colour: "waited", values: hindered }],
      bound: { label: "rule of thumb", value: hinderedShareMax }
    },
    {
      ...all,
      id: "waiting",
      title: `Longest wait ${per}`,
      text: `Of those that were let in; ${duration(peak(waitMillisMax))} was the longest of all.`,
      unit: "millis",
      curves: [{ label: "longest", colour: "waited", values: waitMillisMax }]
    },
    ...(peak(of("costNanoUsd")) === 0 ? [] : [costFigure(budgets, steps)])
  ]
}

const costFigure = (budgets: ReadonlyArray<BudgetRecord>, steps: number): Figure => {
  const curves = byBudget(budgets, "costNanoUsd", steps).map(({ colour, label, values }) => ({
    label,
    colour,
    values: runningSum(values)
  }))
  return {
    id: "cost",
    budget: undefined,
    title: "Cost so far",
    text: `Settled or charged; ${long("nanoUsd", summed(curves).at(-1) ?? 0)} at the end.`,
    unit: "nanoUsd",
    isStacked: true,
    curves
  }
}

/** More curves than this cannot be told apart by their colours: the others are put together. */
const curvesMax = 6

/** A curve for each of the budgets with most of it, and one for the others together. */
const byBudget = (
  budgets: ReadonlyArray<BudgetRecord>,
  name: "tokens" | "costNanoUsd",
  steps: number
): ReadonlyArray<Curve> => {
  const sorted = budgets
    .map((budget) => ({ budget, sum: budget.series[name].reduce((sum, value) => sum + value, 0) }))
    .sort((one, other) => other.sum - one.sum)
    .map(({ budget }) => budget)
  const shown = sorted.length > curvesMax ? sorted.slice(0, curvesMax - 1) : sorted
  const others = sorted.slice(shown.length)
  return [
    ...shown.map((budget, index) => ({
      label: budget.name,
      colour: `tenant${index}`,
      values: seriesOf([budget], name, steps)
    })),
    ...(others.length === 0
      ? []
      : [{ label: `${others.length} others`, colour: "others", values: seriesOf(others, name, steps) }])
  ]
}

const summed = (curves: ReadonlyArray<Curve>): ReadonlyArray<number> =>
  (curves[0]?.values ?? []).map((_, step) => curves.reduce((sum, { values }) => sum + (values[step] ?? 0), 0))

const peak = (values: ReadonlyArray<number>): number => values.reduce((most, value) => Math.max(most, value), 0)

const runningSum = (values: ReadonlyArray<number>): ReadonlyArray<number> => {
  let sum = 0
  return values.map((value) => (sum += value))
}
