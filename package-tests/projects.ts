/**
 * The packed package in projects of those who use it: `npm run check:projects`
 *
 * Each project of `package-tests/projects` is copied to a folder of its own, where the package and what the project
 * needs are installed, and is type-checked and run there.
 */
import { cpSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { install, run } from "./elsewhere.ts"
import { packInto, temporaryFolder } from "./packed.ts"

/** What each project needs besides the package, in the versions with which the package is tested. */
const needs: Readonly<Record<string, ReadonlyArray<string>>> = {
  "effect-app": ["effect", "vitest"],
  "openai-sdk": ["effect", "openai", "@copilotkit/aimock"],
  commonjs: ["effect"]
}

const always = ["typescript", "@types/node", "node"]

const { devDependencies } = JSON.parse(readFileSync("package.json", "utf8"))
const folder = temporaryFolder("projects")
const tarball = packInto(folder)
/** `npm run check:projects commonjs` is about that one alone. */
const only = process.argv[2] ?? ""
let failed = 0

for (const project of readdirSync("package-tests/projects").filter((name) => name.includes(only))) {
  const at = join(folder, project)
  cpSync(join("package-tests/projects", project), at, { recursive: true })
  const packages = [...always, ...(needs[project] ?? [])].map((name) => `${name}@${devDependencies[name]}`)
  console.log(`\n== ${project}: ${packages.join(", ")}`)
  try {
    install(at, [tarball, ...packages])
    console.log(run(at, "npm", ["run", "--silent", "check"]) + run(at, "npm", ["run", "--silent", "start"]))
  } catch (error) {
    failed++
    console.error(error instanceof Error ? error.message : error)
  }
}

console.log(failed === 0 ? "\nAll projects are type-checked and run." : `\n${failed} projects failed.`)
process.exitCode = failed === 0 ? 0 : 1
