/**
 * Numbers in the page: written for people, with what is exact beside it for programs and for who wants to know.
 */
import { type Markup, markup } from "./markup.ts"
import { type Unit, exact, percent, short } from "./page/format.ts"

/** A number of a unit. */
export const figure = (unit: Unit, value: number): Markup =>
  markup`<data value="${value}" title="${exact(value)}${names[unit]}">${short(unit, value)}</data>`

/** A part of a whole. */
export const share = (part: number, whole: number): Markup =>
  markup`<data value="${whole === 0 ? 0 : part / whole}" title="${exact(part)} of ${exact(whole)}">${percent(part, whole)}</data>`

/** A bar that is as long as the share. Beyond the whole it ends at the whole. */
export const bar = (part: number, whole: number, colour: "used" | "waited" | "refused"): Markup => {
  const width = whole === 0 ? 0 : Math.min(100, (100 * part) / whole)
  return markup`<svg class="bar" aria-hidden="true"><rect class="trough" width="100%" height="100%" rx="3"/><rect class="${colour}" width="${width.toFixed(2)}%" height="100%" rx="3"/></svg>`
}

const names: Record<Unit, string> = {
  count: "",
  tokens: " tokens",
  nanoUsd: " nano-dollars",
  millis: " ms",
  share: ""
}
