/** What the installed packages ship: their files, and the texts that are compressed inside them. */
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { gunzipSync } from "node:zlib"

const root = fileURLToPath(new URL("../../node_modules", import.meta.url))

/** The paths of all files below node_modules, without what tools have left there. */
export const paths: ReadonlyArray<string> = readdirSync(root, { recursive: true, encoding: "utf8" })
  .map((path) => path.replaceAll("\\", "/"))
  .filter((path) => !/^\.(bin|vite)|\.cache\//.test(path))
  .toSorted()

export const bytesOf = (path: string): Buffer => readFileSync(`${root}/${path}`)

export const textOf = (path: string): string => bytesOf(path).toString("utf8")

/** The path that matches, of the one file that a row needs. */
export const pathLike = (pattern: RegExp): string => {
  const found = paths.find((path) => pattern.test(path))
  if (found === undefined) throw new Error(`bench: no installed package ships a file like ${pattern}`)
  return found
}

/** A text, and the bytes it was compressed to with some of those that follow. */
export interface Gzipped {
  readonly text: string
  readonly bytes: Buffer
}

/** What is compressed with gzip within a file. So the compiler of TypeScript holds its messages in other languages. */
export const gzippedWithin = (path: string): ReadonlyArray<Gzipped> => {
  const file = bytesOf(path)
  const found: Array<Gzipped> = []
  for (let start = file.indexOf(GZIP); start !== -1; start = file.indexOf(GZIP, start + 1)) {
    const bytes = file.subarray(start, start + GZIP_BYTES_MAX)
    const text = gunzipped(bytes)
    if (text !== undefined) found.push({ text, bytes })
  }
  return found
}

// The first bytes of a stream may also occur as data.
const gunzipped = (bytes: Buffer): string | undefined => {
  try {
    return gunzipSync(bytes).toString("utf8")
  } catch {
    return undefined
  }
}

const GZIP = Buffer.from("1f8b0800", "hex")
const GZIP_BYTES_MAX = 1_000_000
