import { execFileSync } from "node:child_process"
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { pathToFileURL } from "node:url"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { allSnippets, withPromises } from "./snippets.ts"

// Inside the project, so that the snippets import "effect-budget" as its users do.
const folder = `${process.cwd()}/.snippets`

const snippets = allSnippets().map((snippet, index) => ({
  name: `${snippet.file}:${snippet.line}`,
  file: `${folder}/snippet${index}.ts`,
  code: withPromises(snippet)
}))

let promises = 0
const promise = <A>(actual: A, expected: unknown): A => {
  promises++
  expect(actual).toEqual(expected)
  return actual
}

beforeAll(() => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder)
  writeFileSync(`${folder}/promise.d.ts`, "declare const promise: <A>(actual: A, expected: unknown) => A\n")
  for (const { code, file } of snippets) writeFileSync(file, `${code}\nexport {}\n`)
  writeFileSync(
    `${folder}/tsconfig.json`,
    JSON.stringify({
      extends: "../tsconfig.json",
      compilerOptions: { noUnusedLocals: false, noUnusedParameters: false },
      include: ["*.ts"]
    })
  )
  vi.stubGlobal("promise", promise)
})

afterAll(() => {
  vi.unstubAllGlobals()
  rmSync(folder, { recursive: true, force: true })
})

describe("every snippet of the documents and docstrings", () => {
  it.each(snippets)("runs and keeps its promises: $name", async ({ file }) => {
    await import(/* @vite-ignore */ pathToFileURL(file).href)
  })

  it("passes the type check", () => {
    expect(execTsc()).toBe("")
  })

  it("makes promises that were checked", () => {
    expect(snippets.length).toBeGreaterThan(10)
    expect(promises).toBeGreaterThan(snippets.length)
  })
})

const execTsc = (): string => {
  try {
    return execFileSync("node_modules/.bin/tsc", ["--pretty", "false", "-p", `${folder}/tsconfig.json`], {
      encoding: "utf8"
    })
  } catch (error) {
    return error instanceof Error && "stdout" in error ? String(error.stdout) : String(error)
  }
}
