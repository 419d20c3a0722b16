/**
 * Chromium for tests, where there is one.
 */
import { accessSync, constants } from "node:fs"
import { delimiter, join } from "node:path"
import { type Browser, type Page, launch } from "puppeteer-core"

const names = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome"]

const wellKnown = [
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
  "C:\\Program Files (x86)\\Google\\Chrome\\Application\\chrome.exe",
  "/snap/bin/chromium"
]

const isExecutable = (file: string): boolean => {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Where Chromium is: `CHROME_PATH`, the PATH, or where it is usually installed. */
export const chromePath = (): string | undefined => {
  const given = process.env["CHROME_PATH"]
  if (given !== undefined && given !== "") return given
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "")
  return [...folders.flatMap((folder) => names.map((name) => join(folder, name))), ...wellKnown].find(isExecutable)
}

/** Starts it without a window. */
export const openBrowser = (executablePath: string): Promise<Browser> =>
  launch({
    executablePath,
    headless: true,
    // Without the sandbox, as root in a container has none, and without what Chromium asks of its maker.
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking", "--no-first-run"]
  })

/** What a page complains about, and what it asks for beside itself. */
export interface Watched {
  readonly complaints: Array<string>
  readonly requests: Array<string>
}

/** Listens to a page from its beginning. */
export const watch = (page: Page): Watched => {
  const watched: Watched = { complaints: [], requests: [] }
  page.on("console", (message) => watched.complaints.push(`${message.type()}: ${message.text()}`))
  page.on("pageerror", (error) => watched.complaints.push(String(error)))
  page.on("request", (request) => watched.requests.push(request.url()))
  return watched
}
