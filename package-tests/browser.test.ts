import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { bundleAlone, bundleWhole, isOfNode } from "./bundle.ts"
import { declared, entries } from "./entries.ts"

const { dependencies, peerDependencies } = JSON.parse(readFileSync("package.json", "utf8"))
const packages = Object.keys({ ...dependencies, ...peerDependencies })

const ownerOf = (specifier: string): string => specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/")

describe("what entries import", () => {
  it.each(entries.filter(({ name }) => !declared.nodeOnly.includes(name)))(
    "is nothing of Node, with all packages that it brings along: $name",
    async ({ file }) => {
      const { left } = await bundleWhole({ file })
      expect(left.map(({ importer, specifier }) => `${importer} imports ${specifier}`)).toEqual([])
    }
  )

  it.each(entries.filter(({ name }) => declared.nodeOnly.includes(name)))(
    "is something of Node, as is declared: $name",
    async ({ file }) => {
      const { left } = await bundleWhole({ file })
      expect(left).not.toEqual([])
    }
  )

  it.each(entries)("is declared in package.json: $name", async ({ file }) => {
    const { left } = await bundleAlone({ file })
    const others = left.map(({ specifier }) => specifier).filter((specifier) => !isOfNode(specifier))
    expect(others.filter((specifier) => !packages.includes(ownerOf(specifier)))).toEqual([])
  })

  it("is no table of a tokenizer, and no list of prices, before one is asked for", async () => {
    const { chunks } = await bundleAlone({ file: "./dist/index.js" })
    const tables = /^(js-tiktoken\/ranks|@pydantic\/genai-prices)/
    expect(chunks.flatMap(({ imports }) => imports).filter((specifier) => tables.test(specifier))).toEqual([])
    expect(chunks.flatMap(({ dynamicImports }) => dynamicImports)).toContain("@pydantic/genai-prices")
  })
})
