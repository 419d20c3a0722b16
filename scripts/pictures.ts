/**
 * Takes the pictures of the README anew, into docs/pictures: `npm run pictures`. Needs a Chromium (`CHROME_PATH`, or on
 * the PATH). With a folder as its argument, the page itself and pictures of all of it go there.
 */
import { mkdirSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { Effect } from "effect"
import { Limit, Simulation, Workload } from "effect-budget"
import * as Report from "effect-budget/Report"
import { chromePath, openBrowser } from "../test/support/browser.ts"

const simulation = Simulation.run({
  title: "A day of three tenants under one key",
  name: "provider-key",
  start: Date.UTC(2026, 0, 15),
  limits: [
    Limit.slidingWindow("tokens", 90_000, "1 minute"),
    Limit.slidingWindow("requests", 60, "1 minute"),
    Limit.concurrency(12),
    Limit.cap("usd", 400)
  ],
  tenants: [
    { name: "chat", weight: 3 },
    { name: "search", limits: [Limit.slidingWindow("tokens", 60_000, "1 minute")] },
    { name: "reports", limits: [Limit.cap("usd", 80)] }
  ],
  workload: Workload.diurnal({
    perMinute: 27,
    duration: "24 hours",
    calls: {
      outputTokens: { median: 260, p95: 900 },
      maxOutputTokens: 1_200,
      pricePerMillion: { inputUsd: 2.5, outputUsd: 10 },
      tenants: { chat: 0.55, search: 0.3, reports: 0.15 }
    }
  }),
  provider: {
    limits: [Limit.slidingWindow("tokens", 90_000, "1 minute"), Limit.slidingWindow("requests", 60, "1 minute")]
  },
  maxWait: "30 seconds"
})

const [folder] = process.argv.slice(2)
const chrome = chromePath()
if (chrome === undefined) throw new Error("There is no Chromium: set CHROME_PATH.")

const { recording } = await Effect.runPromise(simulation)
const file = join(folder ?? tmpdir(), "effect-budget-report.html")
mkdirSync("docs/pictures", { recursive: true })
writeFileSync(file, await Effect.runPromise(Report.html(recording)))

const browser = await openBrowser(chrome)
/** A picture of all of the page, or of its beginning up to the charts of the limits. */
const take = async (scheme: "light" | "dark", width: number, path: string, fullPage: boolean) => {
  const page = await browser.newPage()
  await page.setViewport({ width, height: 1_000 })
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }])
  await page.goto(pathToFileURL(file).href)
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))
  const bottom = await page.$eval(".figures", (figures) => figures.getBoundingClientRect().bottom)
  const height = Math.ceil(bottom) + 16
  writeFileSync(path, await page.screenshot(fullPage ? { fullPage } : { clip: { x: 0, y: 0, width, height } }))
  await page.close()
}
for (const scheme of ["light", "dark"] as const) {
  await take(scheme, 1_200, `docs/pictures/report-${scheme}.png`, false)
  if (folder !== undefined) {
    await take(scheme, 1_200, join(folder, `desktop-${scheme}.png`), true)
    await take(scheme, 390, join(folder, `phone-${scheme}.png`), true)
  }
}
await browser.close()
