import { scriptCost, TOKEN } from "./scripts.ts"

/**
 * Estimates the tokens of a text from its characters alone, in one pass.
 *
 * The text is read as the encodings' patterns read it: as runs of letters, digits, symbols and whitespace.
 */
export const estimateTokens = (text: string): number => {
  let cost = 0
  let before: Kind = "edge"
  for (let start = 0; start < text.length;) {
    const kind = kindAt(text, start)
    const end = runEnd(text, start, kind)
    cost += costOfRun(text, { kind, start, end, before, after: kindAt(text, end) })
    before = kind
    start = end
  }
  return Math.ceil(cost / TOKEN)
}

type Kind = "word" | "digits" | "symbols" | "spaces" | "lineBreaks" | "otherScript" | "edge"

interface Run {
  readonly kind: Kind
  readonly start: number
  readonly end: number
  readonly before: Kind
  readonly after: Kind
}

const runEnd = (text: string, start: number, kind: Kind): number => {
  let end = start + 1
  while (continues(text, end, kind)) end++
  return end
}

// camelCase is two words.
const continues = (text: string, index: number, kind: Kind): boolean => {
  if (kindAt(text, index) !== kind) return false
  return kind !== "word" || !isCapital(text.charCodeAt(index)) || isCapital(text.charCodeAt(index - 1))
}

const costOfRun = (text: string, run: Run): number => {
  switch (run.kind) {
    case "word":
      return costOfWord(text, run)
    case "digits":
      return TOKEN * Math.ceil((run.end - run.start) / DIGITS_PER_TOKEN)
    case "symbols":
      return costOfSymbols(text, run)
    case "spaces":
      return costOfSpaces(text, run)
    case "lineBreaks":
      return (run.before === "symbols" ? 0 : TOKEN) + LINE_BREAK * (run.end - run.start)
    case "otherScript":
      return costOfOtherScript(text, run)
    case "edge":
      return 0
  }
}

// A short word is one token together with the space before it; the longer, the likelier it is split.
const costOfWord = (text: string, run: Run): number => {
  let cost = TOKEN
  for (let index = run.start; index < run.end; index++) {
    const code = text.charCodeAt(index)
    const letters = index - run.start + 1
    if (code > ASCII_LAST) cost += scriptCost(code)
    if (letters > WORD_LETTERS_MAX) cost += LETTER_OF_LONG_RUN
    else if (isCapital(code)) cost += letters > CAPITALS_FREE ? CAPITAL : 0
    else cost += letters > LETTERS_FREE ? LETTER : 0
  }
  return cost
}

const costOfSymbols = (text: string, run: Run): number => {
  const length = run.end - run.start
  // `.name` and `(name` are often one token, ` (name` is not: there the space takes the symbol.
  if (length === 1) return run.after === "word" && run.before !== "spaces" ? SYMBOL_BEFORE_WORD : TOKEN
  let cost = TOKEN
  for (let index = run.start + 1; index < run.end; index++) {
    if (text.charCodeAt(index) === text.charCodeAt(index - 1)) cost += SYMBOL_REPEATED
    else cost += index === run.start + 1 ? SYMBOL_SECOND : SYMBOL
  }
  return cost
}

// The last space belongs to the word or symbols after it, but digits take none. Those before a line break join it.
const costOfSpaces = (text: string, run: Run): number => {
  const length = run.end - run.start
  if (run.after === "lineBreaks" || (length === 1 && run.after !== "digits")) return 0
  const perSpace = text.charCodeAt(run.start) === TAB ? TAB_OF_RUN : SPACE_OF_RUN
  return TOKEN + (length > 1 && run.after === "digits" ? TOKEN : 0) + perSpace * length
}

const costOfOtherScript = (text: string, run: Run): number => {
  let cost = 0
  for (let index = run.start; index < run.end; index++) cost += scriptCost(text.charCodeAt(index))
  return cost
}

const kindAt = (text: string, index: number): Kind => {
  if (index >= text.length) return "edge"
  const code = text.charCodeAt(index)
  if (code > ASCII_LAST) return isAccentedLatin(code) ? "word" : "otherScript"
  if (isAsciiLetter(code)) return "word"
  if (code >= 0x30 && code <= 0x39) return "digits"
  if (code === SPACE || code === TAB) return "spaces"
  return code === LINE_FEED || code === CARRIAGE_RETURN ? "lineBreaks" : "symbols"
}

const isCapital = (code: number): boolean => code >= 0x41 && code <= 0x5a

const isAsciiLetter = (code: number): boolean => isCapital(code) || (code >= 0x61 && code <= 0x7a)

const isAccentedLatin = (code: number): boolean => (code >= 0xc0 && code <= 0x24f) || (code >= 0x1e00 && code <= 0x1eff)

const ASCII_LAST = 0x7f
const TAB = 0x09
const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d
const SPACE = 0x20

// Both encodings cut digits in threes. Everything else below was fitted to o200k_base on the READMEs and sources of
// node_modules and on program translations in over 100 languages, and leans to the upper side for English and code.
const DIGITS_PER_TOKEN = 3
const LETTERS_FREE = 4
const LETTER = 22
const CAPITALS_FREE = 2
const CAPITAL = 25
const WORD_LETTERS_MAX = 12
const LETTER_OF_LONG_RUN = 50
const SYMBOL = 45
const SYMBOL_SECOND = 5
const SYMBOL_BEFORE_WORD = 45
const SYMBOL_REPEATED = 6
const SPACE_OF_RUN = 1.5
const TAB_OF_RUN = 7
const LINE_BREAK = 7
