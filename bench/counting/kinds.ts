/** The kinds of text that are counted, each with the documents that installed packages ship of it. */
import { createHash } from "node:crypto"
import { bytesOf, gzippedWithin, pathLike, paths, textOf } from "./shipped.ts"

/** A text and where it comes from. */
export interface Document {
  readonly name: string
  readonly text: string
}

/** A document before it is read. There is no text where it turns out to be of no use. */
interface Source {
  readonly name: string
  readonly read: () => string | undefined
}

/** Documents of one language or one kind of data. */
export interface Kind {
  readonly kind: string
  readonly source: string
  readonly documents: () => ReadonlyArray<Source>
}

/** Which half of the documents constants may be fitted to: none of the few that zod ships. Reported are all others. */
export const isForFitting = ({ name }: Document): boolean => !name.startsWith("zod: ") && hashOf(name).at(-1)! % 2 === 0

/** At most so many documents of a kind, chosen by the hashes of their names, each text once. No others are read. */
export const sampleOf = ({ documents }: Kind, documentsMax: number): ReadonlyArray<Document> => {
  const byHash = documents()
    .map(({ name, read }) => ({ name, read, hash: hashOf(name).toString("hex") }))
    .toSorted((a, b) => (a.hash < b.hash ? -1 : 1))
  const byText = new Map<string, Document>()
  for (const { name, read } of byHash) {
    if (byText.size === documentsMax) break
    const text = read()
    if (text !== undefined) byText.set(text, { name, text })
  }
  return [...byText.values()]
}

const hashOf = (name: string): Buffer => createHash("sha256").update(name).digest()

/** Shorter files say little, longer ones would be most of a row. */
const FILE_CHARS_MIN = 500
const FILE_CHARS_MAX = 100_000

const files =
  (pattern: RegExp, isWanted: (text: string) => boolean = () => true) =>
  (): ReadonlyArray<Source> =>
    paths
      .filter((path) => pattern.test(path))
      .map((name) => ({
        name,
        read: () => {
          const text = textOf(name)
          const isOfSize = text.length >= FILE_CHARS_MIN && text.length <= FILE_CHARS_MAX
          return isOfSize && isWanted(text) ? text : undefined
        }
      }))

/** Documents of `size` texts each. */
const inDocuments = (name: string, texts: ReadonlyArray<string>, size: number, between = "\n"): Array<Source> => {
  const documents: Array<Source> = []
  for (let start = 0; start + size <= texts.length; start += size) {
    documents.push({ name: `${name}#${start}`, read: () => texts.slice(start, start + size).join(between) })
  }
  return documents
}

const MESSAGES_PER_DOCUMENT = 20

let compiler: ReturnType<typeof gzippedWithin> | undefined
const compilerMessages = () =>
  (compiler ??= gzippedWithin(pathLike(/^@typescript\/typescript-[^/]+\/lib\/tsc(\.exe)?$/)))

/** What TypeScript's compiler says. Its translation is known by how it says "ALL COMPILER OPTIONS". */
const messages =
  (...allOptions: ReadonlyArray<string>) =>
  (): ReadonlyArray<Source> =>
    allOptions.flatMap((phrase) => {
      const translation = compilerMessages().find(({ text }) => text.includes(`:"${phrase}"`))
      if (translation === undefined) throw new Error(`bench: TypeScript ships no translation with "${phrase}"`)
      const table: Record<string, string> = JSON.parse(translation.text)
      return inDocuments(`typescript: ${phrase}`, Object.values(table), MESSAGES_PER_DOCUMENT)
    })

const SENTENCES_PER_DOCUMENT = 5

/** What zod says: the strings of its locales, without the code around and within them. */
const locales =
  (...languages: ReadonlyArray<string>) =>
  (): ReadonlyArray<Source> =>
    languages.flatMap((language) => {
      const source = textOf(`zod/src/v4/locales/${language}.ts`)
      const sentences = [...source.matchAll(/"([^"\n]*)"|`([^`\n]*)`/g)]
        .map(([, quoted, template]) => quoted ?? template?.replaceAll(/\$\{[^}]*\}/g, "x") ?? "")
        .filter((sentence) => /[^\0-\x7f]/.test(sentence))
      return inDocuments(`zod: ${language}`, [...new Set(sentences)], SENTENCES_PER_DOCUMENT)
    })

const EMOJI_PER_DOCUMENT = 20
// Written out, these would need a newer target than the library has.
const EMOJI = new RegExp("\\p{RGI_Emoji}", "gv")
const LINE_WITH_EMOJI = new RegExp("^.*\\p{RGI_Emoji}.*$", "gmv")

/** The emoji that zod's tests know, in their order. */
const emojiOfTests = (): ReadonlyArray<Source> => {
  const known = textOf(pathLike(/^zod\/src\/v4\/classic\/tests\/string\.test\.ts$/)).match(EMOJI) ?? []
  return inDocuments("zod: emoji", known, EMOJI_PER_DOCUMENT, "")
}

/** The lines of Markdown that have an emoji, file by file. */
const linesWithEmoji = (): ReadonlyArray<Source> =>
  paths
    .filter((path) => path.toLowerCase().endsWith(".md"))
    .map((path) => ({ name: `${path}: emoji`, read: () => textOf(path).match(LINE_WITH_EMOJI)?.join("\n") }))

const SLICE_BYTES = 3_000

const slices = (name: string, bytes: Buffer, slicesMax: number): ReadonlyArray<{ name: string; bytes: Buffer }> => {
  const step = Math.max(SLICE_BYTES, Math.floor(bytes.length / slicesMax))
  return Array.from({ length: Math.floor(bytes.length / step) }, (_, index) => ({
    name: `${name}@${index * step}`,
    bytes: bytes.subarray(index * step, index * step + SLICE_BYTES)
  }))
}

const COMPRESSED_BYTES = 60_000

const compressed = () => [
  ...slices("transcription-test.mp3", bytesOf(pathLike(/transcription-test\.mp3$/)), 100),
  ...compilerMessages().flatMap(({ bytes }, index) =>
    slices(`tsc.gz ${index}`, bytes.subarray(0, COMPRESSED_BYTES), 20)
  )
]

const machineCode = () =>
  paths.filter((path) => path.endsWith(".node")).flatMap((path) => slices(path, bytesOf(path), 25))

const encoded = (binaries: () => ReturnType<typeof slices>, encoding: "base64" | "hex") => (): ReadonlyArray<Source> =>
  binaries().map(({ name, bytes }) => ({ name: `${name} ${encoding}`, read: () => bytes.toString(encoding) }))

const isMinified = (text: string): boolean => text.length / text.split("\n").length > 200

export const kinds: ReadonlyArray<Kind> = [
  { kind: "English (READMEs)", source: "README.md of packages", documents: files(/readme\.md$/i) },
  { kind: "English (manuals)", source: "other Markdown: manuals, changelogs", documents: files(/(?<!readme)\.md$/i) },
  {
    kind: "TypeScript",
    source: "sources in TypeScript",
    documents: files(/(?<!\.d)\.[cm]?ts$/, (text) => !text.includes("localeError"))
  },
  { kind: "declarations", source: "declarations of types (.d.ts)", documents: files(/\.d\.[cm]?ts$/) },
  { kind: "JavaScript", source: "compiled JavaScript", documents: files(/\.[cm]?js$/, (text) => !isMinified(text)) },
  { kind: "minified JavaScript", source: "JavaScript with long lines", documents: files(/\.[cm]?js$/, isMinified) },
  { kind: "JSON", source: "package.json and other JSON", documents: files(/\.json$/) },
  { kind: "source maps", source: "*.map", documents: files(/\.map$/) },
  { kind: "German", source: "messages of tsc", documents: messages("ALLE COMPILEROPTIONEN") },
  { kind: "French", source: "messages of tsc", documents: messages("TOUTES LES OPTIONS DU COMPILATEUR") },
  { kind: "Spanish", source: "messages of tsc", documents: messages("TODAS LAS OPCIONES DEL COMPILADOR") },
  { kind: "Italian", source: "messages of tsc", documents: messages("TUTTE LE OPZIONI DEL COMPILATORE") },
  { kind: "Portuguese", source: "messages of tsc", documents: messages("TODAS AS OPÇÕES DO COMPILADOR") },
  { kind: "Polish", source: "messages of tsc", documents: messages("WSZYSTKIE OPCJE KOMPILATORA") },
  { kind: "Czech", source: "messages of tsc", documents: messages("VŠECHNY MOŽNOSTI KOMPILÁTORU") },
  { kind: "Turkish", source: "messages of tsc", documents: messages("TÜM DERLEYİCİ SEÇENEKLERİ") },
  { kind: "Vietnamese", source: "messages of zod", documents: locales("vi") },
  { kind: "Russian", source: "messages of tsc", documents: messages("ВСЕ ПАРАМЕТРЫ КОМПИЛЯТОРОВ") },
  { kind: "Ukrainian, Bulgarian", source: "messages of zod", documents: locales("uk", "bg", "be", "mk") },
  { kind: "Greek", source: "messages of zod", documents: locales("el") },
  { kind: "Hebrew", source: "messages of zod", documents: locales("he") },
  { kind: "Arabic", source: "messages of zod", documents: locales("ar") },
  { kind: "Persian, Urdu", source: "messages of zod", documents: locales("fa", "ur") },
  { kind: "Hindi, Nepali", source: "messages of zod", documents: locales("hi", "ne") },
  { kind: "Bengali", source: "messages of zod", documents: locales("bn") },
  { kind: "Tamil, Kannada", source: "messages of zod", documents: locales("ta", "kn") },
  { kind: "Thai", source: "messages of zod", documents: locales("th") },
  { kind: "Georgian, Armenian", source: "messages of zod", documents: locales("ka", "hy") },
  { kind: "Chinese", source: "messages of tsc", documents: messages("所有编译器选项", "所有編譯器選項") },
  { kind: "Japanese", source: "messages of tsc", documents: messages("すべてのコンパイラ オプション") },
  { kind: "Korean", source: "messages of tsc", documents: messages("모든 컴파일러 옵션") },
  { kind: "emoji", source: "emoji in the tests of zod", documents: emojiOfTests },
  { kind: "text with emoji", source: "lines of Markdown with emoji", documents: linesWithEmoji },
  { kind: "base64, compressed", source: "of mp3 and gzip", documents: encoded(compressed, "base64") },
  { kind: "base64, machine code", source: "of *.node", documents: encoded(machineCode, "base64") },
  { kind: "hex", source: "of mp3 and gzip", documents: encoded(compressed, "hex") }
]
