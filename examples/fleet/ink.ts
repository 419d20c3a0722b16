/**
 * A little colour, for terminals whose owner did not ask for none (https://no-color.org).
 */
export interface Ink {
  readonly served: (text: string) => string
  readonly refused: (text: string) => string
  readonly limit: (text: string) => string
  readonly strong: (text: string) => string
  readonly faint: (text: string) => string
}

export const makeInk = (enabled: boolean): Ink => {
  const paint = (code: number) => (text: string) => (enabled && text !== "" ? `\u001B[${code}m${text}\u001B[0m` : text)
  return { served: paint(32), refused: paint(31), limit: paint(33), strong: paint(1), faint: paint(2) }
}

export const inkFor = (stream: NodeJS.WriteStream): Ink =>
  makeInk(stream.isTTY === true && (process.env["NO_COLOR"] ?? "") === "")
