/**
 * The packed package on every runtime that can be had: `npm run check:runtimes`
 *
 * `package-tests/runtimes/smoke.js` runs on each of them, from the tarball. What cannot be had is said, and is no
 * failure; with CI set, at least those of Node have to be there.
 */
import { cpSync, existsSync, readFileSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { launch } from "puppeteer-core"
import { bundleWhole } from "./bundle.ts"
import { install, NotToBeHad, run } from "./elsewhere.ts"
import { packInto, temporaryFolder } from "./packed.ts"

const { devDependencies } = JSON.parse(readFileSync("package.json", "utf8"))
const folder = temporaryFolder("runtimes")

interface Runtime {
  readonly name: string
  /** Says its version and which promises were kept. */
  readonly keep: () => Promise<Kept> | Kept
}

interface Kept {
  readonly version: string
  readonly promises: string
}

/** A runtime that npm installs, each in a folder of its own. */
const fromNpm = (name: string, spec: string, command: string, args: ReadonlyArray<string>): Runtime => ({
  name,
  keep: () => {
    const at = join(folder, spec.replace(/\W/g, "-"))
    cpSync(application, at, { recursive: true })
    install(at, [spec])
    const binary = join(at, "node_modules", ".bin", command)
    const [version = ""] = run(at, binary, ["--version"]).split("\n")
    return { version, promises: run(at, binary, [...args, "main.js"]).trim() }
  }
})

const browserPaths = [
  process.env["CHROMIUM"],
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome"
]

const chromium: Runtime = {
  name: "Chromium",
  keep: async () => {
    const executablePath = browserPaths.find((path) => path !== undefined && existsSync(path))
    if (executablePath === undefined) throw new NotToBeHad(["a Chromium"], "CHROMIUM may say where there is one")
    const { chunks, left } = await bundleWhole({ file: join(application, "smoke.js") })
    if (left.length > 0) throw new Error(`the bundle needs ${left.map(({ specifier }) => specifier).join(", ")}`)
    const entry = chunks.find(({ isEntry }) => isEntry)?.fileName
    const page = `<script type="module">
      import { keepAll } from "./${entry}"
      keepAll().then((kept) => (window.kept = kept.join(", ")), (error) => (window.kept = "failed: " + error))
    </script>`
    const files = new Map([
      ["/", page],
      ...chunks.map(({ code, fileName }): [string, string] => [`/${fileName}`, code])
    ])
    return inBrowser(executablePath, files)
  }
}

const inBrowser = async (executablePath: string, files: ReadonlyMap<string, string>): Promise<Kept> => {
  const server = createServer(({ url = "/" }, response) => {
    const file = files.get(url)
    response.writeHead(file === undefined ? 404 : 200, {
      "content-type": url === "/" ? "text/html; charset=utf-8" : "text/javascript; charset=utf-8"
    })
    response.end(file)
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  // Without its sandbox it starts as root, too, as in containers. It sees nothing but this page.
  const browser = await launch({ executablePath, args: ["--no-sandbox"] })
  try {
    const page = await browser.newPage()
    await page.goto(`http://127.0.0.1:${port}/`)
    const kept = await (await page.waitForFunction("window.kept", { timeout: 60_000 })).jsonValue()
    if (typeof kept !== "string" || kept.startsWith("failed")) throw new Error(String(kept))
    return { version: await browser.version(), promises: kept }
  } finally {
    await browser.close()
    server.close()
  }
}

const runtimes: ReadonlyArray<Runtime> = [
  fromNpm("Node 22", "node@22", "node", []),
  fromNpm("Node 24", "node@24", "node", []),
  fromNpm("Node 26", "node@26", "node", []),
  fromNpm("Bun", "bun", "bun", []),
  fromNpm("Deno", "deno", "deno", ["run", "--allow-read", "--allow-env", "--node-modules-dir=manual"]),
  chromium
]

const application = join(folder, "application")
cpSync("package-tests/runtimes", application, { recursive: true })
writeFileSync(join(application, "package.json"), '{ "private": true, "type": "module" }\n')
install(application, [packInto(folder), `effect@${devDependencies.effect}`])

/** `npm run check:runtimes Deno` is about that one alone. */
const only = process.argv[2] ?? ""
const failed: Array<string> = []
for (const { keep, name } of runtimes.filter((runtime) => runtime.name.includes(only))) {
  try {
    const { promises, version } = await keep()
    console.log(`${name.padEnd(9)} ${version}\n          ${promises}`)
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    if (!(error instanceof NotToBeHad) || (process.env["CI"] !== undefined && name.startsWith("Node")))
      failed.push(name)
    console.log(
      `${name.padEnd(9)} ${error instanceof NotToBeHad ? "SKIPPED, as it cannot be had" : "FAILED"}: ${message}`
    )
  }
}
if (failed.length > 0) console.error(`\nThe package does not run on ${failed.join(", ")}.`)
process.exitCode = failed.length > 0 ? 1 : 0
