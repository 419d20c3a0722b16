/**
 * What others have named, for a terminal: a control character would move its cursor, or worse. Each becomes one that shows
 * that something is there.
 */
export const visible = (text: string): string => text.replaceAll(/\p{Cc}/gu, REPLACEMENT)

/** The same of a text of several lines. */
export const visibleLines = (text: string): string => text.replaceAll(/(?![\n\t])\p{Cc}/gu, REPLACEMENT)

const REPLACEMENT = "\uFFFD"
