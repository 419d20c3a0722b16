/**
 * HTML that is text only once it is whole: whatever comes in is escaped, unless it is markup already.
 */

/** What may stand in markup. */
export type Content = string | number | Markup | undefined | ReadonlyArray<Content>

/** A piece of HTML. Made by {@link markup} only, so that nothing gets into it unescaped. */
export class Markup {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

/** Markup with values in it. They are escaped for texts and for attributes in double quotes. */
export const markup = (strings: TemplateStringsArray, ...values: ReadonlyArray<Content>): Markup =>
  new Markup(strings.reduce((text, string, index) => `${text}${textOf(values[index - 1])}${string}`))

/** Text for an element. */
export const escape = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => entities[character] ?? character)

/** JSON for a script element: nothing in it ends the element or begins a comment. */
export const json = (value: unknown): Markup => new Markup(JSON.stringify(value).replaceAll("<", "\\u003c"))

const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" }

const textOf = (content: Content): string => {
  if (content === undefined) return ""
  if (content instanceof Markup) return content.text
  if (typeof content === "object") return content.map(textOf).join("")
  return escape(String(content))
}
