/** What one UTF-16 unit outside ASCII costs, in hundredths of a token, by the script to which it belongs. */
export const scriptCost = (code: number): number => costs[code >> BLOCK_BITS] ?? RARE

// Scripts are aligned to 16 characters.
const BLOCK_BITS = 4
const BLOCKS = 0x10000 >> BLOCK_BITS

// Letters of rare scripts are two or three tokens each, little less than their bytes.
const RARE = 250

// The first character of a script and the cost of each of its characters: fitted to o200k_base on translations of
// programs (those of a Linux system, and one half of those that TypeScript ships). Chinese and Japanese were raised by
// hand, for prose is dearer than messages.
const scripts: ReadonlyArray<readonly [first: number, cost: number]> = [
  [0x0080, 68], // Western European accents, on top of an ordinary letter
  [0x0100, 63], // Central European and Turkish accents, on top of an ordinary letter
  [0x0280, 150], // phonetic letters, combining marks
  [0x0370, 44], // Greek
  [0x0400, 110], // Cyrillic capitals that are not Russian
  [0x0410, 31], // Cyrillic as in Russian
  [0x0450, 200], // Cyrillic letters that are not Russian: where they occur, all letters cost more
  [0x0530, 42], // Armenian
  [0x0590, 53], // Hebrew
  [0x0600, 45], // Arabic
  [0x0670, 95], // Arabic letters of Persian, Urdu, Uyghur
  [0x0780, RARE],
  [0x0900, 47], // Devanagari
  [0x0980, 52], // Bengali
  [0x0a00, 76], // Gurmukhi
  [0x0a80, 54], // Gujarati
  [0x0b00, 116], // Odia
  [0x0b80, 55], // Tamil, Telugu, Kannada
  [0x0d00, 47], // Malayalam
  [0x0d80, 70], // Sinhala
  [0x0e00, 50], // Thai
  [0x0e80, 120], // Lao
  [0x0f00, 165], // Tibetan
  [0x1000, 61], // Myanmar
  [0x10a0, 43], // Georgian
  [0x1100, RARE], // Hangul jamo, Ethiopic, Cherokee
  [0x1780, 63], // Khmer
  [0x1800, RARE],
  [0x1e00, 2], // Vietnamese accents, on top of an ordinary letter
  [0x1f00, RARE],
  [0x2000, 60], // dashes, quotes, joiners
  [0x2070, 200], // arrows, mathematics, boxes, dingbats
  [0x3000, 60], // Chinese and Japanese punctuation
  [0x3040, 69], // hiragana
  [0x30a0, 85], // katakana
  [0x3100, RARE],
  [0x4e00, 97], // Han
  [0xa000, RARE],
  [0xac00, 77], // Hangul syllables
  [0xd780, 113], // half of a surrogate pair: an emoji is one to four tokens
  [0xe000, RARE],
  [0xfe00, 100], // what makes a symbol an emoji
  [0xfe10, RARE],
  [0xff00, 75], // full-width forms
  [0xff80, RARE]
]

const costs = Uint8Array.from({ length: BLOCKS }, (_, block) => {
  const first = block << BLOCK_BITS
  return scripts.findLast((script) => script[0] <= first)?.[1] ?? RARE
})
