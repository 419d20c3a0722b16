import { checkPackage, createPackageFromTarballData, type Problem } from "@arethetypeswrong/core"
import { readdirSync, readFileSync } from "node:fs"
import { publint } from "publint"
import { formatMessage } from "publint/utils"
import { describe, expect, inject, it } from "vitest"
import { entries } from "./entries.ts"

/** What Are the types wrong says that is so on purpose. */
const onPurpose = (problem: Problem): boolean =>
  // The package is ESM only, as Effect is: CommonJS imports it dynamically, or with `require(esm)` of Node 22 and later.
  problem.kind === "CJSResolvesToESM" ||
  // Node 10 and `moduleResolution: "node10"` know nothing of `exports`, without which there are no subpaths.
  (problem.kind === "NoResolution" && problem.resolutionKind === "node10")

const tarball = readFileSync(inject("tarball"))

describe("the packed package", () => {
  it("is one in which publint finds nothing, not even a suggestion", async () => {
    const { messages, pkg } = await publint({ pack: { tarball: new Uint8Array(tarball).buffer }, strict: true })
    expect(messages.map((message) => formatMessage(message, pkg, { color: false }))).toEqual([])
  })

  it("has types for each entry that resolve wherever its code does", async () => {
    const packed = createPackageFromTarballData(tarball)
    const result = await checkPackage(packed, { entrypoints: entries.map(({ subpath }) => subpath) })
    if (result.types === false) throw new Error("there are no types")

    expect(Object.keys(result.entrypoints)).toEqual(entries.map(({ subpath }) => subpath))
    expect(result.problems.filter((problem) => !onPurpose(problem))).toEqual([])
    const { resolutions } = result.entrypoints["."]!
    expect(resolutions["node16-esm"].resolution?.isTypeScript).toBe(true)
    expect(resolutions.bundler.resolution?.isTypeScript).toBe(true)
  })

  it("lets nobody import what is not public", () => {
    const folders = readdirSync("dist", { withFileTypes: true }).filter((file) => file.isDirectory())
    const { exports } = JSON.parse(readFileSync("package.json", "utf8"))
    // "./*" stands for subfolders, too.
    expect(folders.filter(({ name }) => exports[`./${name}/*`] !== null).map(({ name }) => name)).toEqual([])
  })
})
