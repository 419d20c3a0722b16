import { afterAll, describe, expect, it } from "vitest"
import { bundleAlone, bundleWhole } from "./bundle.ts"
import { declared, entries } from "./entries.ts"

// Budgets in one process: what everything else is around.
const core = {
  name: "Budget, Limit, Usage",
  code: ["Budget", "Limit", "Usage"].map((name) => `export * as ${name} from "./dist/${name}.js"`).join("\n")
}

const rows: Array<ReadonlyArray<string>> = [
  ["entry", "minified", "gzipped", "at most", "with effect", "on demand"],
  ["", "B", "B", "B", "gzipped, B", "gzipped, B"]
]

afterAll(() => {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  const line = (row: ReadonlyArray<string>) =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join("  ")
  console.log(rows.map(line).join("\n"))
})

const boundOf = (name: string): number => declared.bytesMax[name] ?? declared.bytesMaxOtherwise

describe("what an entry weighs, minified and gzipped, beyond the packages that it imports", () => {
  it.each([core, ...entries])("is within its bound: $name", async ({ name, ...rest }) => {
    const module = "code" in rest ? { code: rest.code } : { file: rest.file }
    const alone = await bundleAlone(module)
    const whole = await bundleWhole(module)
    const bound = boundOf(name)
    const all = [alone.initial.minified, alone.initial.gzipped, bound, whole.initial.gzipped, whole.onDemand.gzipped]
    rows.push([name, ...all.map((bytes) => bytes.toLocaleString("en-US"))])
    expect(alone.initial.gzipped, "entries.json says what it may weigh").toBeLessThanOrEqual(bound)
  })

  it("is the same for who imports it from the package as a whole", async () => {
    const direct = await bundleAlone({ code: 'export { make } from "./dist/Budget.js"' })
    const shaken = await bundleAlone({
      code: 'import { Budget } from "./dist/index.js"\nexport const make = Budget.make'
    })
    expect(shaken.initial.gzipped).toBeLessThan(direct.initial.gzipped * 1.02)
  })

  it("has no bound for an entry that is not there", () => {
    const names = new Set([core, ...entries].map(({ name }) => name))
    expect(Object.keys(declared.bytesMax).filter((name) => !names.has(name))).toEqual([])
  })
})
