/** What bundlers make of an entry. */
import { builtinModules } from "node:module"
import { gzipSync } from "node:zlib"
import { type OutputChunk, rolldown } from "rolldown"

export interface Bundle {
  /** The chunks that are there from the beginning. */
  readonly initial: Size
  /** Those that are loaded when they are needed. */
  readonly onDemand: Size
  /** What was left out, and who imports it. */
  readonly left: ReadonlyArray<{ readonly specifier: string; readonly importer: string }>
  readonly chunks: ReadonlyArray<OutputChunk>
}

/** In bytes. */
export interface Size {
  readonly minified: number
  readonly gzipped: number
}

/** What is bundled: a file, or code that is one. */
export type Module = { readonly file: string } | { readonly code: string }

/** Bundles a module alone: without the packages that it imports, `effect` among them. */
export const bundleAlone = (module: Module): Promise<Bundle> => remembered(alone, module, isPackage)

/** Bundles a module with all that it imports, but for modules of Node, which a browser has not. */
export const bundleWhole = (module: Module): Promise<Bundle> => remembered(whole, module, isOfNode)

/** Whether a specifier is a module of Node. */
export const isOfNode = (specifier: string): boolean =>
  specifier.startsWith("node:") || builtinModules.includes(specifier)

const alone = new Map<string, Promise<Bundle>>()
const whole = new Map<string, Promise<Bundle>>()

/** Several tests look at the same bundle. */
const remembered = (
  bundles: Map<string, Promise<Bundle>>,
  module: Module,
  leaves: (specifier: string) => boolean
): Promise<Bundle> => {
  const key = JSON.stringify(module)
  const made = bundles.get(key) ?? bundle(module, leaves)
  bundles.set(key, made)
  return made
}

const bundle = async (module: Module, leaves: (specifier: string) => boolean): Promise<Bundle> => {
  const left: Array<{ specifier: string; importer: string }> = []
  const build = await rolldown({
    input: "file" in module ? module.file : VIRTUAL,
    platform: "browser",
    logLevel: "silent",
    plugins: [
      {
        name: "what is left out",
        resolveId(specifier, importer) {
          if (specifier === VIRTUAL) return specifier
          if (importer === undefined || !leaves(specifier)) return undefined
          left.push({ specifier, importer })
          return { id: specifier, external: true }
        },
        load: (id) => (id === VIRTUAL && "code" in module ? module.code : undefined)
      }
    ]
  })
  const { output } = await build.generate({ format: "es", minify: true })
  await build.close()
  const chunks = output.filter((part) => part.type === "chunk")
  const initial = initialOf(chunks)
  return {
    initial: sizeOf(initial),
    onDemand: sizeOf(chunks.filter((chunk) => !initial.includes(chunk))),
    left,
    chunks
  }
}

const isPackage = (specifier: string): boolean => !specifier.startsWith(".")

const VIRTUAL = "virtual.js"

const initialOf = (chunks: ReadonlyArray<OutputChunk>): ReadonlyArray<OutputChunk> => {
  const found = new Set(chunks.filter(({ isEntry }) => isEntry))
  for (const { imports } of found) {
    for (const chunk of chunks) if (imports.includes(chunk.fileName)) found.add(chunk)
  }
  return [...found]
}

const sizeOf = (chunks: ReadonlyArray<OutputChunk>): Size => ({
  minified: chunks.reduce((sum, { code }) => sum + Buffer.byteLength(code), 0),
  gzipped: chunks.reduce((sum, { code }) => sum + gzipSync(code).length, 0)
})
