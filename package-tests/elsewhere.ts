/** Commands in folders outside of the repository. */
import { execFileSync } from "node:child_process"
import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"

/** Installs packages into a folder. What was downloaded once is taken from npm's cache. */
export const install = (folder: string, packages: ReadonlyArray<string>): void => {
  if (!existsSync(join(folder, "package.json"))) writeFileSync(join(folder, "package.json"), '{ "private": true }\n')
  const quietly = ["--no-audit", "--no-fund", "--loglevel", "error", "--prefer-offline"]
  try {
    // Scripts are what puts some binaries in their place, such as those of Node and Bun.
    run(folder, "npm", ["install", ...quietly, "--foreground-scripts=false", ...packages])
  } catch (error) {
    throw new NotToBeHad(packages, error)
  }
}

/** What a registry does not give, or npm cannot install here. */
export class NotToBeHad extends Error {
  constructor(packages: ReadonlyArray<string>, cause: unknown) {
    const why = cause instanceof Error ? cause.message.trim() : String(cause)
    super(`npm cannot install ${packages.join(", ")}. Is the registry reachable?\n${why}`, { cause })
  }
}

/** Runs a command, and says what it has written. What it has written is in the error, too, if it fails. */
export const run = (folder: string, command: string, args: ReadonlyArray<string>): string => {
  // What npm has set for the script that runs this is not meant for another project.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_|^NODE_OPTIONS$/.test(name)))
  try {
    return execFileSync(command, [...args], {
      cwd: folder,
      encoding: "utf8",
      env: { ...env, NO_COLOR: "1" },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: LONGEST_MILLIS
    })
  } catch (error) {
    const said = ["stdout", "stderr"].map((stream) => (error instanceof Error ? Reflect.get(error, stream) : ""))
    throw new Error(`${command} ${args.join(" ")} failed:\n${said.join("\n")}`, { cause: error })
  }
}

/** Whatever is stuck is given up. */
const LONGEST_MILLIS = 300_000
