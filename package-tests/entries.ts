/** What can be imported from the package, found where it is: a new module in `src` is a new entry. */
import { readdirSync, readFileSync } from "node:fs"

export interface Entry {
  /** As in `Budget`; `index` is the package itself. */
  readonly name: string
  /** As in `./Budget`. */
  readonly subpath: string
  /** What is built of it. */
  readonly file: string
}

export const entries: ReadonlyArray<Entry> = readdirSync("src")
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.slice(0, -".ts".length))
  .map((name) => ({
    name,
    subpath: name === "index" ? "." : `./${name}`,
    file: `./dist/${name}.js`
  }))

/** What is declared of entries, in `entries.json`. */
export interface Declared {
  /** What an entry may weigh, by its name: gzipped, in bytes, without `effect` and other packages. */
  readonly bytesMax: Readonly<Record<string, number>>
  /** What entries may weigh that have no bound of their own. */
  readonly bytesMaxOtherwise: number
  /** The entries that need Node, or what is like it. All others go into browsers. */
  readonly nodeOnly: ReadonlyArray<string>
}

export const declared: Declared = JSON.parse(readFileSync("package-tests/entries.json", "utf8"))
