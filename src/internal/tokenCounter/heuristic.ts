import { pairCost } from "./letterPairs.ts"
import { scriptCost } from "./scripts.ts"

/**
 * Estimates the tokens of a text from its characters alone, in one pass.
 *
 * The text is read as the encodings' patterns read it: as words (camelCase is two) and as runs of digits, symbols,
 * whitespace and letters of other scripts. Each character is read once, by one function with local variables, because
 * this is done before each request: as smaller functions that share the state, it took twice the time.
 */
export const estimateTokens = (text: string): number => {
  let cost = 0
  let before = AT_START
  let index = 0
  let code = text.charCodeAt(0)
  let kind = text.length > 0 ? kindOf(code) : NOTHING
  while (kind !== NOTHING) {
    const start = index
    const first = code
    const run = kind
    let previous = code

    if (isLetter(run)) {
      let splits = costOfFirstLetter(first, run, before)
      const perLetter = LETTER_AFTER[before] ?? 0
      for (;;) {
        if (++index === text.length) {
          kind = NOTHING
          break
        }
        code = text.charCodeAt(index)
        const next = kindOf(code)
        if (next === CAPITAL) {
          const isHump = kind === SMALL_LETTER
          kind = CAPITAL
          if (isHump) break
          splits += FURTHER_CAPITAL
        } else {
          kind = next
          if (next !== SMALL_LETTER) break
        }
        splits += perLetter + costOfLetter(previous, code)
        previous = code
      }
      // A word is at least one token.
      cost += splits > 0 ? TOKEN + splits : TOKEN
      before = AFTER_WORD
      continue
    }

    let repeats = 0
    if (run === OTHER_SCRIPT) cost += scriptCost(code)
    for (;;) {
      if (++index === text.length) {
        kind = NOTHING
        break
      }
      code = text.charCodeAt(index)
      kind = kindOf(code)
      if (kind !== run) break
      if (run === OTHER_SCRIPT) cost += scriptCost(code)
      else if (code === previous) repeats++
      previous = code
    }
    cost += costOfRun(run, index - start, first, repeats, before, kind)
    before = afterRun(run, index - start, before)
  }
  return Math.ceil(cost / TOKEN)
}

const costOfFirstLetter = (code: number, kind: number, before: number): number => {
  const cost = WORD_AFTER[before] ?? 0
  if (kind === CAPITAL) return cost + (CAPITAL_AFTER[before] ?? 0)
  return code > ASCII_LAST ? cost + scriptCost(code) : cost
}

// The stranger the letters follow each other, the likelier a word is split.
const costOfLetter = (previous: number, code: number): number => {
  if (code > ASCII_LAST) return scriptCost(code)
  return previous > ASCII_LAST ? 0 : pairCost(previous, code)
}

const costOfRun = (
  run: number,
  length: number,
  first: number,
  repeats: number,
  before: number,
  after: number
): number => {
  switch (run) {
    case DIGIT:
      return TOKEN * Math.ceil(length / DIGITS_PER_TOKEN)
    case SYMBOL:
      return length === 1 && before !== AFTER_SPACE && isLetter(after) ? 0 : costOfSymbols(length, repeats)
    case SPACE:
      return costOfSpaces(length, first, after)
    case LINE_BREAK:
      return (before === AFTER_SYMBOLS || before === AFTER_LONE_SYMBOL ? 0 : TOKEN) + LINE_BREAK_OF_RUN * length
    default:
      return 0
  }
}

const costOfSymbols = (length: number, repeats: number): number => {
  const different = length - repeats
  return TOKEN + SYMBOL_REPEATED * repeats + SYMBOL_OF_LONG_RUN * Math.max(0, different - SYMBOLS_OF_TOKEN)
}

// The last space belongs to the word or symbols after it, but digits take none. Those before a line break join it.
const costOfSpaces = (length: number, first: number, after: number): number => {
  if (after === LINE_BREAK || (length === 1 && after !== DIGIT)) return 0
  const perSpace = first === TAB ? TAB_OF_RUN : SPACE_OF_RUN
  return TOKEN + (length > 1 && after === DIGIT ? TOKEN : 0) + perSpace * (length - 1)
}

const afterRun = (run: number, length: number, before: number): number => {
  switch (run) {
    case DIGIT:
      return AFTER_DIGITS
    case SYMBOL:
      return length === 1 && before !== AFTER_SPACE ? AFTER_LONE_SYMBOL : AFTER_SYMBOLS
    case SPACE:
      return AFTER_SPACE
    case LINE_BREAK:
      return AT_START
    default:
      return AFTER_OTHER_SCRIPT
  }
}

// What kind of run a character belongs to. These constants are not a module of their own: V8 knows the values of a
// module's own constants, but loads those that it imports.
const NOTHING = 0
const SMALL_LETTER = 1
const CAPITAL = 2
const DIGIT = 3
const SPACE = 4
const LINE_BREAK = 5
const SYMBOL = 6
const OTHER_SCRIPT = 7

const ASCII_LAST = 0x7f
const TAB = 0x09

const kindOf = (code: number): number => {
  if (code <= ASCII_LAST) return asciiKinds[code] ?? SYMBOL
  return isAccentedLatin(code) ? SMALL_LETTER : OTHER_SCRIPT
}

const isLetter = (kind: number): boolean => kind === SMALL_LETTER || kind === CAPITAL

const isAccentedLatin = (code: number): boolean => (code >= 0xc0 && code <= 0x24f) || (code >= 0x1e00 && code <= 0x1eff)

const kindOfAscii = (character: string): number => {
  if (/[a-z]/.test(character)) return SMALL_LETTER
  if (/[A-Z]/.test(character)) return CAPITAL
  if (/[0-9]/.test(character)) return DIGIT
  if (/[ \t]/.test(character)) return SPACE
  return /[\r\n]/.test(character) ? LINE_BREAK : SYMBOL
}

const asciiKinds = Uint8Array.from({ length: ASCII_LAST + 1 }, (_, code) => kindOfAscii(String.fromCharCode(code)))

// What a run may follow: the indexes of the tables below.
const AT_START = 0
const AFTER_WORD = 1
const AFTER_DIGITS = 2
const AFTER_LONE_SYMBOL = 3
const AFTER_SYMBOLS = 4
const AFTER_SPACE = 5
const AFTER_OTHER_SCRIPT = 6

// All costs are in hundredths of a token.
const TOKEN = 100

// Both encodings cut digits in threes. Everything else, like the costs of letter pairs, was fitted to o200k_base on one
// half of what bench/counting.ts reads and on translations of programs in 30 languages that a Linux system has.
const DIGITS_PER_TOKEN = 3
const SYMBOLS_OF_TOKEN = 3
const SYMBOL_OF_LONG_RUN = 45
const SYMBOL_REPEATED = 2
const SPACE_OF_RUN = 1
const TAB_OF_RUN = 11
const LINE_BREAK_OF_RUN = 6
const FURTHER_CAPITAL = 15

// What a word costs besides its first token, by what it follows: at the start, when it begins with a capital, and for
// each letter after the first. What is below zero the pairs of letters have to make up for first.
const WORD_AFTER = Int16Array.of(-22, 39, -13, -30, -62, 0, -62)
const CAPITAL_AFTER = Int16Array.of(46, -45, 87, 58, -10, -42, -10)
const LETTER_AFTER = Int16Array.of(19, -5, 1, 18, 15, 0, 15)
