/**
 * What the compiler promises to those who use the package: each public module as it is declared, without its
 * documentation. What was accepted is in `package-tests/api`, and its history says what each release has changed.
 */
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { basename, join, posix } from "node:path"
import { entries } from "./entries.ts"
import { temporaryFolder } from "./packed.ts"

/** The declarations by the name of their entry, and what package.json promises. */
export type Api = ReadonlyMap<string, string>

const folder = "package-tests/api"

/** As the sources have it now. */
export const apiNow = (): Api => {
  const built = temporaryFolder("api")
  const only = ["--emitDeclarationOnly", "--declarationMap", "false", "--sourceMap", "false", "--removeComments"]
  execFileSync("node_modules/.bin/tsc", ["-p", "tsconfig.build.json", "--outDir", built, ...only])
  return new Map([
    ["package", promisedByPackage()],
    ...entries.map(({ name }): [string, string] => [name, declarationsOf(built, `${name}.d.ts`)])
  ])
}

/** As it was accepted last. */
export const apiAccepted = (): Api =>
  new Map(
    (existsSync(folder) ? readdirSync(folder) : []).map((file) => [
      basename(file, ".txt"),
      readFileSync(join(folder, file), "utf8")
    ])
  )

/** Accepts it as it is now. */
export const accept = (): void => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder)
  for (const [name, text] of apiNow()) writeFileSync(join(folder, `${name}.txt`), text)
}

const promisedByPackage = (): string => {
  const { bin, engines, exports, peerDependencies, type } = JSON.parse(readFileSync("package.json", "utf8"))
  return `${JSON.stringify({ type, exports, bin, engines, peerDependencies }, null, 2)}\n`
}

/** A public module, and of the internal ones what it passes on: what they pass on in turn is nobody's business. */
const declarationsOf = (built: string, file: string): string => {
  const text = readFileSync(join(built, file), "utf8")
  const inner = [...text.matchAll(/from "(\.\/internal\/[^"]+)\.ts"/g)].map((match) => posix.normalize(match[1]!))
  return [
    text,
    ...[...new Set(inner)].map((path) => `// ${path}\n${readFileSync(join(built, `${path}.d.ts`), "utf8")}`)
  ].join("\n")
}
