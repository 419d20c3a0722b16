/// <reference types="node" />
/**
 * The scripts and styles that a page is made of, as files: uPlot from its package, and the page's own modules put into
 * one script.
 */
import type { readFile } from "node:fs/promises"

/** What stands in a page beside its text. */
export interface Assets {
  readonly uPlotScript: string
  readonly uPlotStyle: string
  readonly pageScript: string
}

/** The modules of the page, each after those that it needs. */
const pageModules = ["format", "whole", "figures", "chart", "main"]

/** Reads them once. Only here does a report need Node, so that the package loads without it. */
export const assets = (): Promise<Assets> => (loading ??= load())

let loading: Promise<Assets> | undefined

const load = async (): Promise<Assets> => {
  const [{ readFile }, { createRequire }] = await Promise.all([import("node:fs/promises"), import("node:module")])
  const uPlot = createRequire(import.meta.url)
  const [uPlotScript, uPlotStyle, ...modules] = await Promise.all([
    readFile(uPlot.resolve("uplot/dist/uPlot.iife.min.js"), "utf8"),
    readFile(uPlot.resolve("uplot/dist/uPlot.min.css"), "utf8"),
    ...pageModules.map((name) => pageModule(name, readFile))
  ])
  return { uPlotScript, uPlotStyle, pageScript: modules.map(withoutImports).join("\n") }
}

/** A module of the page as JavaScript: built, or with the types taken out where the sources themselves run. */
const pageModule = async (name: string, read: typeof readFile): Promise<string> => {
  if (!import.meta.url.endsWith(".ts")) return read(new URL(`./page/${name}.js`, import.meta.url), "utf8")
  const { stripTypeScriptTypes } = await import("node:module")
  return stripTypeScriptTypes(await read(new URL(`./page/${name}.ts`, import.meta.url), "utf8"))
}

/** The text of a module as a part of one script with the modules that it imports. Their names are different ones. */
const withoutImports = (text: string): string =>
  text
    .replace(/^import [^"]*"[^"]+";?$/gm, "")
    .replace(/^export (?=const |class |function )/gm, "")
    .replace(/^export \{[^}]*\};?$/gm, "")
    .replace(/^\/\/# sourceMappingURL=.*$/gm, "")
