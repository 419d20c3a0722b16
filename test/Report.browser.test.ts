import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { Effect } from "effect"
import type { Recording } from "effect-budget"
import * as Report from "effect-budget/Report"
import type { Browser, Page } from "puppeteer-core"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { type Watched, chromePath, openBrowser, watch } from "./support/browser.ts"
import { budgetRecord, day, limitRecord, noCalls, noSeries, recordingOf } from "./support/recordings.ts"

const chrome = chromePath()
console.log(
  chrome === undefined ? "No Chromium here (CHROME_PATH, PATH): reports are not opened." : `Reports in ${chrome}`
)

const folder = mkdtempSync(join(tmpdir(), "effect-budget-report-"))
const pages = new Map<string, string>()
const opens: Array<Page> = []
let browser: Browser | undefined

const opened = async (
  name: string,
  options?: { readonly scheme?: "light" | "dark"; readonly width?: number }
): Promise<{ readonly page: Page; readonly watched: Watched }> => {
  if (browser === undefined) throw new Error("no browser")
  const page = await browser.newPage()
  opens.push(page)
  const watched = watch(page)
  await page.setViewport({ width: options?.width ?? 1_280, height: 900 })
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: options?.scheme ?? "light" }])
  await page.goto(pages.get(name) ?? "")
  await painted(page)
  return { page, watched }
}

/** Two frames later: what was to be drawn is drawn. */
const painted = (page: Page) =>
  page.evaluate(() => new Promise<void>((done) => requestAnimationFrame(() => requestAnimationFrame(() => done()))))

/** The charts that one can see, and how many colours each of them has. */
const coloursOfCharts = (page: Page): Promise<ReadonlyArray<{ readonly id: string; readonly colours: number }>> =>
  page.$$eval("figure .chart", (charts) =>
    charts
      .filter((chart) => chart.querySelector("canvas") !== null)
      .map((chart) => {
        const canvas = chart.querySelector("canvas")
        const pixels = canvas?.getContext("2d")?.getImageData(0, 0, canvas.width, canvas.height).data ?? []
        const colours = new Set<number>()
        for (let at = 0; at < pixels.length; at += 4) {
          if ((pixels[at + 3] ?? 0) > 0)
            colours.add(((pixels[at] ?? 0) << 16) | ((pixels[at + 1] ?? 0) << 8) | (pixels[at + 2] ?? 0))
        }
        return { id: chart.closest("figure")?.id ?? "", colours: colours.size }
      })
  )

/** The figures of each row of each table, as numbers. */
const figuresOfRows = async (page: Page): Promise<ReadonlyMap<string, ReadonlyArray<number>>> =>
  new Map(
    await page.$$eval("tr[data-row]", (rows) =>
      rows.map((row): [string, ReadonlyArray<number>] => [
        row.getAttribute("data-row") ?? "",
        [...row.querySelectorAll("data")].map((data) => Number(data.value))
      ])
    )
  )

const backgroundOf = (page: Page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor)

const scrollsSideways = (page: Page) =>
  page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth)

beforeAll(async () => {
  if (chrome === undefined) return
  const one = { ...noCalls, asked: 1, admitted: 1, settled: 1 }
  const recordings: Record<string, Recording.Recording> = {
    day: day(),
    empty: recordingOf({}),
    single: recordingOf({
      stepMillis: 1_000,
      calls: one,
      budgets: [
        budgetRecord({
          calls: one,
          limits: [limitRecord({ used: [700] })],
          series: {
            ...noSeries,
            tokens: [700],
            costNanoUsd: [1],
            admitted: [1],
            waited: [0],
            refused: [0],
            waitMillisMax: [0]
          }
        })
      ]
    })
  }
  for (const [name, recording] of Object.entries(recordings)) {
    const file = join(folder, `${name}.html`)
    writeFileSync(file, await Effect.runPromise(Report.html(recording)))
    pages.set(name, pathToFileURL(file).href)
  }
  browser = await openBrowser(chrome)
})

afterEach(async () => {
  await Promise.all(opens.splice(0).map((page) => page.close()))
})

afterAll(async () => {
  await browser?.close()
  rmSync(folder, { recursive: true, force: true })
})

describe.skipIf(chrome === undefined)("a report, opened from disk", () => {
  it.each(["day", "empty", "single"])("complains of nothing and asks for nothing: %s", async (name) => {
    const { page, watched } = await opened(name)
    await page.$$eval("details", (all) => all.forEach((details) => (details.open = true)))
    await painted(page)
    expect(watched.complaints).toEqual([])
    expect(watched.requests).toEqual([pages.get(name)])
  })

  it("draws its charts, those of tenants when they are unfolded", async () => {
    const { page } = await opened("day")
    const ofKey = ["limit-0-0", "limit-0-1", "limit-0-2", "limit-0-3"]
    const overTime = ["tokens", "calls", "hindered", "waiting", "cost"]
    const before = await coloursOfCharts(page)
    expect(before.map(({ id }) => id)).toEqual([...ofKey, ...overTime])
    for (const { colours } of before) expect(colours).toBeGreaterThan(3)
    await page.$$eval("details", (all) => all.forEach((details) => (details.open = true)))
    await painted(page)
    const after = await coloursOfCharts(page)
    expect(after.map(({ id }) => id)).toEqual([...ofKey, "limit-1-0", "limit-2-0", "limit-3-0", ...overTime])
    for (const { colours } of after) expect(colours).toBeGreaterThan(3)
  })

  it("draws a recording of one step", async () => {
    const { page } = await opened("single")
    for (const { colours } of await coloursOfCharts(page)) expect(colours).toBeGreaterThan(1)
  })

  it("has in its tables what its JSON says", async () => {
    const { page } = await opened("day")
    const recording: Recording.Recording = JSON.parse(
      await page.$eval("#recording", (script) => script.textContent ?? "")
    )
    const rows = await figuresOfRows(page)
    const ofCalls = ({ actual, asked, estimated, refused, waited, waitMillis }: Recording.CallsRecord) => {
      const used = actual.inputTokens + actual.outputTokens
      const reserved = estimated.inputTokens + estimated.outputTokens
      const { max, p50, p95, p99 } = waitMillis
      return [asked, waited / asked, refused / asked, p50, p95, p99, max, used, used / reserved, actual.costNanoUsd]
    }
    const expected = new Map<string, ReadonlyArray<number>>([["together", ofCalls(recording.calls)]])
    for (const [index, { calls, limits }] of recording.budgets.entries()) {
      if (calls.asked > 0) expected.set(`budget-${index}`, ofCalls(calls))
      for (const [place, { max, refused, used, waited }] of limits.entries()) {
        const peak = Math.max(...used)
        expected.set(`limit-${index}-${place}`, [max, peak, peak / max, waited, refused])
      }
    }
    for (const [place, { count }] of recording.calls.refusals.entries()) {
      expected.set(`refusal-${place}`, [count, count / recording.calls.asked])
    }
    for (const [key, part] of [
      ["with", recording.provider?.withBudget],
      ["without", recording.provider?.withoutBudget]
    ] as const) {
      if (part !== undefined) expected.set(`provider-${key}`, [part.calls, part.throttled, part.throttled / part.calls])
    }
    expect(new Map([...rows].sort())).toEqual(new Map([...expected].sort()))
  })

  it("has the figures of each step, when they are unfolded", async () => {
    const { page } = await opened("day")
    expect(await page.$$eval("table.steps tr", (rows) => rows.length)).toBe(0)
    await page.$$eval("details", (all) => all.forEach((details) => (details.open = true)))
    await painted(page)
    expect(await page.$$eval("table.steps tbody tr", (rows) => rows.length)).toBe(288)
    const first = await page.$eval("table.steps tbody tr", (row) => row.querySelector("th")?.textContent)
    expect(first).toBe("2026-01-15 00:00:00")
  })

  it("is as light or dark as the reader's system, until they choose otherwise", async () => {
    const { page, watched } = await opened("day", { scheme: "dark" })
    const dark = await backgroundOf(page)
    expect(await page.$eval("#theme", (button) => button.textContent)).toBe("Light")
    const drawnDark = await page.$eval("#tokens canvas", (canvas) => (canvas as HTMLCanvasElement).toDataURL())
    await page.click("#theme")
    await painted(page)
    const light = await backgroundOf(page)
    expect([dark, light]).toEqual(["rgb(16, 20, 24)", "rgb(246, 247, 249)"])
    expect(await page.$eval("#theme", (button) => button.textContent)).toBe("Dark")
    expect(await page.$eval("#tokens canvas", (canvas) => (canvas as HTMLCanvasElement).toDataURL())).not.toBe(
      drawnDark
    )
    expect(await page.$$eval("#tokens canvas", (all) => all.length)).toBe(1)
    expect(watched.complaints).toEqual([])
  })

  it.each(["day", "empty", "single"])("fits a phone: %s", async (name) => {
    const { page } = await opened(name, { width: 390 })
    expect(await scrollsSideways(page)).toBe(false)
    await page.$$eval("details", (all) => all.forEach((details) => (details.open = true)))
    await painted(page)
    expect(await scrollsSideways(page)).toBe(false)
  })

  it("is printed in the light, and fits a sheet", async () => {
    const { page, watched } = await opened("day", { scheme: "dark", width: 794 })
    await page.emulateMediaType("print")
    await page.evaluate(() => dispatchEvent(new Event("beforeprint")))
    await painted(page)
    expect(await page.evaluate(() => getComputedStyle(document.body).color)).toBe("rgb(23, 32, 42)")
    expect(await scrollsSideways(page)).toBe(false)
    await page.evaluate(() => dispatchEvent(new Event("afterprint")))
    // Another medium has made it forget what was emulated before.
    await page.emulateMediaType("screen")
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "dark" }])
    expect(await backgroundOf(page)).toBe("rgb(16, 20, 24)")
    expect(watched.complaints).toEqual([])
  })

  it("follows the window when it becomes narrower", async () => {
    const { page } = await opened("day")
    await page.setViewport({ width: 390, height: 900 })
    await painted(page)
    await painted(page)
    expect(await scrollsSideways(page)).toBe(false)
    const [chart, canvas] = await page.$eval("#tokens .chart", (chart) => [
      chart.clientWidth,
      chart.querySelector(".uplot")?.querySelector(".u-wrap")?.clientWidth
    ])
    expect(canvas).toBe(chart)
  })
})
