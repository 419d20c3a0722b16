/** The package as `npm publish` would send it. Packing it builds `dist` first. */
import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { TestProject } from "vitest/node"

declare module "vitest" {
  interface ProvidedContext {
    /** The file that npm has packed. */
    tarball: string
  }
}

/** Packs into a folder, and says where the file is. */
export const packInto = (folder: string): string => {
  const said = execFileSync("npm", ["pack", "--silent", "--json", "--pack-destination", folder], { encoding: "utf8" })
  // The build may have said something before.
  const { filename } = JSON.parse(said.slice(said.search(/^\[/m)))[0]
  return join(folder, filename)
}

/** A folder that is removed with the process. */
export const temporaryFolder = (name: string): string => {
  const folder = mkdtempSync(join(tmpdir(), `effect-budget-${name}-`))
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Packs once for all tests. */
export default (project: TestProject): void => {
  project.provide("tarball", packInto(temporaryFolder("packed")))
}
