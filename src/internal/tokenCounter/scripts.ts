/** One token, in the unit of all costs: hundredths of a token. */
export const TOKEN = 100

/** What one UTF-16 unit outside ASCII costs, by the script to which it belongs. */
export const scriptCost = (code: number): number => costs[code >> BLOCK_BITS] ?? RARE

// Nearly all scripts are aligned to 128 characters.
const BLOCK_BITS = 7
const BLOCKS = 0x10000 >> BLOCK_BITS

// Letters of rare scripts are two or three tokens each, little less than their bytes.
const RARE = 250

// The first character of a script and the cost of each of its characters, as measured with o200k_base and rounded up.
const scripts: ReadonlyArray<readonly [first: number, cost: number]> = [
  [0x0080, 45], // Western European accents, on top of an ordinary letter
  [0x0100, 110], // Central European and Turkish accents, on top of an ordinary letter
  [0x0280, 150], // phonetic letters, combining marks
  [0x0380, 50], // Greek
  [0x0400, 40], // Cyrillic
  [0x0500, 50], // Armenian
  [0x0580, 60], // Hebrew
  [0x0600, 55], // Arabic
  [0x0780, RARE],
  [0x0900, 55], // Devanagari, Bengali
  [0x0a00, 85], // Gurmukhi
  [0x0a80, 60], // Gujarati
  [0x0b00, 130], // Odia
  [0x0b80, 65], // Tamil, Telugu, Kannada, Malayalam
  [0x0d80, 75], // Sinhala
  [0x0e00, 55], // Thai
  [0x0e80, 120], // Lao
  [0x0f00, RARE], // Tibetan
  [0x1000, 70], // Myanmar
  [0x1080, 50], // Georgian
  [0x1100, RARE], // Hangul jamo, Ethiopic, Cherokee
  [0x1780, 70], // Khmer
  [0x1800, RARE],
  [0x1e00, 45], // Vietnamese accents, on top of an ordinary letter
  [0x1f00, RARE],
  [0x2000, 100], // dashes, quotes, joiners
  [0x2080, 200], // arrows, mathematics, boxes, dingbats
  [0x3000, 95], // Chinese and Japanese punctuation, kana
  [0x3100, RARE],
  [0x4e00, 100], // Han
  [0xa000, RARE],
  [0xac00, 85], // Hangul syllables
  [0xd780, 130], // half of a surrogate pair: an emoji is one to four tokens
  [0xe000, RARE],
  [0xff00, 110], // full-width forms
  [0xff80, RARE]
]

const costs = Uint8Array.from({ length: BLOCKS }, (_, block) => {
  const first = block << BLOCK_BITS
  return scripts.findLast((script) => script[0] <= first)?.[1] ?? RARE
})
