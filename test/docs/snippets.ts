import { readdirSync, readFileSync } from "node:fs"

/** A block of TypeScript in a document or a docstring, with what each `// =>` in it promises. */
export interface Snippet {
  readonly file: string
  readonly line: number
  readonly code: string
}

/** The snippets of the documents and of all public modules. */
export const allSnippets = (): ReadonlyArray<Snippet> => [
  ...["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].flatMap((file) =>
    snippetsOf(file, readFileSync(file, "utf8"))
  ),
  ...publicModules().flatMap((file) => snippetsOf(file, docsOf(readFileSync(file, "utf8"))))
]

/** The modules that users import. */
export const publicModules = (): ReadonlyArray<string> =>
  readdirSync("src")
    .filter((name) => name.endsWith(".ts"))
    .map((name) => `src/${name}`)

/** The code of a snippet with every promise turned into a call of `promise`, a global of the test. */
export const withPromises = (snippet: Snippet): string =>
  snippet.code
    .split("\n")
    .map((line) => {
      const [, statement, expected] = /^(?!\s*\/\/)(.*?)\s*\/\/ => (.*)$/.exec(line) ?? []
      if (statement === undefined || expected === undefined) return line
      const [, declaration = "", expression = statement] = /^(const \w+ = )(.*)$/.exec(statement) ?? []
      return `${declaration}promise(${expression}, ${expected})`
    })
    .join("\n")

const snippetsOf = (file: string, text: string): ReadonlyArray<Snippet> =>
  [...text.matchAll(/^```ts\n([\s\S]*?)^```/gm)].map((match) => ({
    file,
    line: text.slice(0, match.index).split("\n").length,
    code: match[1] ?? ""
  }))

/** The source with everything but its docstrings blanked, so that line numbers stay true. */
const docsOf = (source: string): string =>
  source
    .split("\n")
    .map((line) => /^ *\* ?(.*)$/.exec(line)?.[1] ?? "")
    .join("\n")
