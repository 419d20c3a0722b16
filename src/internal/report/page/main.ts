/**
 * What the page does: draws its charts from the data in it, again when the colours change, and fills the table of steps.
 */
import type { Recording } from "../../../Recording.ts"
import { type Drawn, type Steps, draw } from "./chart.ts"
import { type Figure, figuresOf } from "./figures.ts"
import { instant, short } from "./format.ts"
import { stepsOf } from "./whole.ts"

const recording: Recording = JSON.parse(document.querySelector("#recording")?.textContent ?? "")
const figures = figuresOf(recording)
const steps: Steps = {
  startedAt: recording.startedAt,
  stepMillis: recording.stepMillis,
  count: stepsOf(recording)
}
const drawn = new Map<HTMLElement, Drawn>()

/** Whether it is not folded away. Its width does not say it: what is folded away may have one. */
const isInSight = (target: Element): boolean => target.closest("details:not([open])") === null

/** Charts are drawn when they come into sight: those of tenants are folded away at first. */
const drawVisible = (): void => {
  for (const figure of figures) {
    const target = document.querySelector<HTMLElement>(`#${figure.id} .chart`)
    if (target === null || steps.count === 0 || drawn.has(target) || !isInSight(target)) continue
    drawn.set(target, draw(figure, steps, target))
    sized.observe(target)
  }
}

const drawAgain = (): void => {
  for (const chart of drawn.values()) chart.remove()
  drawn.clear()
  drawVisible()
}

const sized = new ResizeObserver((entries) => {
  for (const { target } of entries) if (target instanceof HTMLElement && isInSight(target)) drawn.get(target)?.resize()
})

const darkness = matchMedia("(prefers-color-scheme: dark)")
const root = document.documentElement
const isDark = (): boolean => (root.dataset["theme"] ?? (darkness.matches ? "dark" : "light")) === "dark"

const toggle = document.querySelector<HTMLButtonElement>("#theme")
const labelToggle = (): void => {
  if (toggle !== null) toggle.textContent = isDark() ? "Light" : "Dark"
}

const show = (theme: string | undefined): void => {
  if (theme === undefined) delete root.dataset["theme"]
  else root.dataset["theme"] = theme
  labelToggle()
  drawAgain()
}

/** A number per step of everything that is drawn for all budgets. */
const fillSteps = (table: HTMLTableElement): void => {
  const rows: ReadonlyArray<Figure> = figures.filter(({ budget }) => budget === undefined)
  const columns = rows.flatMap((figure) => figure.curves.map((curve) => ({ figure, curve })))
  const head = table.createTHead().insertRow()
  head.append(cell("th", "Step"), ...columns.map(({ curve, figure }) => cell("th", `${figure.title}: ${curve.label}`)))
  const body = table.createTBody()
  for (let step = 0; step < steps.count; step++) {
    const row = body.insertRow()
    row.append(cell("th", instant(steps.startedAt + step * steps.stepMillis)))
    row.append(...columns.map(({ curve, figure }) => cell("td", short(figure.unit, curve.values[step] ?? 0))))
  }
}

const cell = (name: "td" | "th", text: string): HTMLElement => {
  const element = document.createElement(name)
  element.textContent = text
  return element
}

toggle?.addEventListener("click", () => show(isDark() ? "light" : "dark"))
darkness.addEventListener("change", () => show(root.dataset["theme"]))
for (const details of document.querySelectorAll("details")) {
  details.addEventListener("toggle", () => {
    const table = details.querySelector<HTMLTableElement>("table.steps")
    if (table !== null && table.tHead === null) fillSteps(table)
    drawVisible()
  })
}

let themeBeforePrint: string | undefined
addEventListener("beforeprint", () => {
  themeBeforePrint = root.dataset["theme"]
  show("light")
})
addEventListener("afterprint", () => show(themeBeforePrint))

labelToggle()
drawVisible()
