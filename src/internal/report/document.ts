/**
 * The page as a whole: what stands where.
 */
import type { Recording } from "../../Recording.ts"
import type { Assets } from "./assets.ts"
import { type Markup, Markup as Raw, json, markup } from "./markup.ts"
import { type Figure, figuresOf } from "./page/figures.ts"
import { duration, instant } from "./page/format.ts"
import { stepsOf } from "./page/whole.ts"
import { style } from "./style.ts"
import { summaryOf } from "./summary.ts"
import { budgetsTable, limitsTable, providerTable, refusalsTable } from "./tables.ts"

/** The page of a recording. It has all that it needs, and is allowed nothing else. */
export const document = async (recording: Recording, title: string, assets: Assets): Promise<string> => {
  const styles = [assets.uPlotStyle, style]
  const scripts = [assets.uPlotScript, assets.pageScript]
  const figures = figuresOf(recording)
  const { trace: _, ...shown } = recording
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src ${await hashes(scripts)}; style-src ${await hashes(styles)}; img-src data:; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="icon" href="data:,">
${styles.map((text) => markup`<style>${new Raw(text)}</style>\n`)}</head>
<body>
<header>
<div><h1>${title}</h1><p>${when(recording)}</p></div>
<button type="button" id="theme" aria-label="Change between light and dark">Dark</button>
</header>
<main>
${summaryOf(recording)}
<noscript><p>The charts need JavaScript; all figures are in the tables.</p></noscript>
${limitsOf(recording, figures)}
<section aria-labelledby="over-time"><h2 id="over-time">Over time</h2>
${group(
  figures.filter(({ budget }) => budget === undefined),
  recording
)}
<details><summary>Figures of each step</summary><div class="scroll steps-scroll" role="region" aria-label="Figures of each step" tabindex="0"><table class="steps"></table></div></details>
</section>
<section aria-labelledby="budgets"><h2 id="budgets">${recording.budgets.length < 2 ? "Calls" : "Tenants"}</h2>
${budgetsTable(recording)}
${refusalsTable(recording)}
</section>
${
  recording.provider === undefined
    ? ""
    : markup`<section aria-labelledby="provider"><h2 id="provider">The provider</h2>${providerTable(recording.provider)}</section>`
}
</main>
<footer>Written by effect-budget. Times are UTC. What a limit had in use includes open reservations.</footer>
<script type="application/json" id="recording">${json(shown)}</script>
${scripts.map((text) => markup`<script>${new Raw(text)}</script>\n`)}</body>
</html>
`.text
}

const when = (recording: Recording): string =>
  `${duration(recording.durationMillis)} from ${instant(recording.startedAt)}, in steps of ${duration(recording.stepMillis)}`

/** The charts of the root's limits, and folded away those of the tenants; then the table of all. */
const limitsOf = (recording: Recording, figures: ReadonlyArray<Figure>): Markup | undefined => {
  if (recording.budgets.every(({ limits }) => limits.length === 0)) return undefined
  const charts = recording.budgets.map((budget, index) => {
    const own = figures.filter((figure) => figure.budget === index)
    if (own.length === 0) return undefined
    const all = group(own, recording)
    return index === 0 ? all : markup`<details><summary>Limits of ${budget.name}</summary>${all}</details>`
  })
  return markup`<section aria-labelledby="limits"><h2 id="limits">Limits</h2>
${charts}
${limitsTable(recording)}
</section>`
}

const group = (figures: ReadonlyArray<Figure>, recording: Recording): Markup =>
  markup`<div class="figures">
${figures.map((figure) => figureOf(figure, stepsOf(recording) > 0))}</div>`

const figureOf = ({ id, isStacked, text, title }: Figure, hasSteps: boolean): Markup =>
  markup`<figure id="${id}" class="${isStacked ? "wide" : ""}"><figcaption><h3>${title}</h3><p>${text}</p></figcaption>
${hasSteps ? markup`<div class="chart" role="img" aria-label="${title}: ${text}"></div>` : markup`<p class="nothing">Nothing was recorded.</p>`}</figure>
`

/** What the policy allows: these very texts. */
const hashes = async (texts: ReadonlyArray<string>): Promise<Markup> => {
  const all = await Promise.all(
    texts.map(async (text) => {
      const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))
      return `'sha256-${btoa(String.fromCharCode(...new Uint8Array(digest)))}'`
    })
  )
  return new Raw(all.join(" "))
}
