/**
 * Draws a chart with uPlot, which is a script of the page before this one.
 */
import type UPlot from "uplot"
import type { Figure } from "./figures.ts"
import { instant, onAxis, short, tick } from "./format.ts"

declare const uPlot: typeof UPlot

/** A chart that is drawn. */
export interface Drawn {
  readonly resize: () => void
  readonly remove: () => void
}

/** The instants of a recording's steps. */
export interface Steps {
  readonly startedAt: number
  readonly stepMillis: number
  readonly count: number
}

const heightPx = 180

/** The room for the labels beside a chart: the least, and for each letter of the longest. */
const MARGIN_PX = 54
const LETTER_PX = 7

const lengthOf = (label: string | number | null): number => String(label ?? "").length

/** Draws a figure into an element. The crosshairs of all charts move together. */
export const draw = (figure: Figure, steps: Steps, target: HTMLElement): Drawn => {
  const colours = coloursOf(target)
  const at = (step: number): number => (steps.startedAt + step * steps.stepMillis) / 1_000
  // The last value holds until the end of its step, which takes a point of its own.
  const times = Array.from({ length: steps.count + 1 }, (_, step) => at(step))
  const curves = figure.isStacked ? stacked(figure) : figure.curves.map(({ values }) => values)
  const lines = curves.map((values) => values.concat(values.at(-1) ?? 0))
  const bound = figure.bound
  const stepped = uPlot.paths.stepped?.({ align: 1 })
  const plot = new uPlot(
    {
      width: widthOf(target),
      height: heightPx,
      padding: [8, 18, 0, 0],
      cursor: { sync: { key: "report" }, drag: { x: false, y: false }, points: { size: 7 }, y: false },
      scales: {
        x: { range: () => [at(0), at(steps.count)] },
        y: { range: (_, __, most) => [0, heightOf(figure, most)] }
      },
      axes: [
        {
          ...axisOf(colours),
          size: 30,
          space: 60,
          values: (_, splits) => {
            const apart = ((splits[1] ?? 0) - (splits[0] ?? 0)) * 1_000
            return splits.map((split) => tick(Math.round(split * 1_000), apart))
          }
        },
        {
          ...axisOf(colours),
          size: (_, labels) => Math.max(MARGIN_PX, LETTER_PX * Math.max(0, ...(labels ?? []).map(lengthOf)) + 14),
          space: 32,
          values: (_, splits) => splits.map((split) => onAxis(figure.unit, split))
        }
      ],
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1_000), "Etc/UTC"),
      bands: figure.isStacked ? figure.curves.slice(1).map((_, index) => ({ series: [index + 2, index + 1] })) : [],
      series: [
        { label: "time", value: (_, seconds: number | null) => (seconds === null ? "" : instant(seconds * 1_000)) },
        ...figure.curves.map((curve) => ({
          label: curve.label,
          stroke: colours(curve.colour),
          fill: colours(figure.isStacked ? curve.colour : `${curve.colour}-area`),
          width: figure.isStacked ? 0 : 1.5,
          ...(stepped === undefined ? {} : { paths: stepped }),
          points: { show: false },
          value: (_: UPlot, __: number | null, ___: number, step: number | null) =>
            valueOf(figure, curve.values, step === null ? undefined : Math.min(step, steps.count - 1))
        })),
        ...(bound === undefined
          ? []
          : [
              {
                label: bound.label,
                stroke: colours("bound"),
                width: 1.5,
                dash: [6, 4],
                points: { show: false },
                value: () => short(figure.unit, bound.value)
              }
            ])
      ]
    },
    [times, ...lines, ...(bound === undefined ? [] : [times.map(() => bound.value)])],
    target
  )
  return {
    resize: () => plot.setSize({ width: widthOf(target), height: heightPx }),
    remove: () => plot.destroy()
  }
}

/** Below the crosshair the value there; without one, the highest. */
const valueOf = (figure: Figure, values: ReadonlyArray<number>, step: number | undefined): string =>
  step === undefined
    ? `up to ${short(
        figure.unit,
        values.reduce((most, value) => Math.max(most, value), 0)
      )}`
    : short(figure.unit, values[step] ?? 0)

/** Curves on one another: each is the sum of itself and those below. */
const stacked = (figure: Figure): ReadonlyArray<ReadonlyArray<number>> => {
  let below: ReadonlyArray<number> = []
  return figure.curves.map(({ values }) => (below = values.map((value, step) => value + (below[step] ?? 0))))
}

/** How high the axis goes: a little above what there is, and over the bound. Shares end at all. */
const heightOf = (figure: Figure, most: number): number => {
  const top = Math.max(most, figure.bound?.value ?? 0) * 1.08
  if (top === 0) return 1
  return figure.unit === "share" ? Math.min(1, top) : top
}

const widthOf = (target: HTMLElement): number => Math.max(200, Math.floor(target.clientWidth))

const axisOf = (colours: (name: string) => string) => ({
  stroke: colours("muted"),
  font: "12px system-ui, sans-serif",
  grid: { stroke: colours("grid"), width: 1 },
  ticks: { show: false }
})

/** The page's colours as they are at the moment: the style says what they are in the light and in the dark. */
const coloursOf = (target: HTMLElement): ((name: string) => string) => {
  const probe = target.ownerDocument.createElement("span")
  return (name) => {
    target.append(probe)
    probe.style.color = `var(--${name})`
    const { color } = getComputedStyle(probe)
    probe.remove()
    return color
  }
}
