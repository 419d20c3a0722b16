/**
 * What a letter adds to the cost of a word, in hundredths of a token, by the letter before it. It is high for pairs at
 * which tokens often part, and below zero for those that long tokens have inside.
 */
export const pairCost = (before: number, letter: number): number =>
  costs[((before & LETTER_BITS) << LETTER_WIDTH) | (letter & LETTER_BITS)] ?? 0

// The low bits of an ASCII letter are its place in the alphabet, whatever its case.
const LETTER_BITS = 0b11111
const LETTER_WIDTH = 5

const STEP = 8
const DIGIT_OF_ZERO = 4

// A row for each first letter from a to z, in it a hexadecimal digit for each second one. They were fitted to the words
// of the texts that heuristic.ts names.
const rows = [
  "6784c8478b8163d29352959127",
  "8aab1ab981b0ce2ab34268c90a",
  "6b5b0eb25c00fd29b3502ffd67",
  "69c51cbb7c15aa6aa82c7bf94a",
  "7974a58bdff776d85556d9517e",
  "4fab25ef5fb4b71ef0c15c872e",
  "acda1da26fe4436ff4759bff9c",
  "5bfb0fb85ebd682c7aa07c9b98",
  "9664255bcba262118632f5d3b2",
  "6ab90bce6e8cf85bde6d6acfad",
  "9bc714f5969bd3bfff67aeccac",
  "64f337d66f85cc31fc2478ff1f",
  "52da1eaf6fc559339d2b6dcbad",
  "7f45473a9e87a545fd3285bc98",
  "7897a06e8c878226f254288b8a",
  "2f430f88ae918d26f1315bdf29",
  "ecafceafcff4dcfe7c9b07ffef",
  "7d75253f6e8a7039a55796dc1f",
  "9f7b19f49f8afa5686137aa86c",
  "7c7f4bf06ffb8d50f369af6a2d",
  "7563135d5db113f4f120f8f18e",
  "6ddf0c5f4fc9ee3bedccdadcac",
  "3cd81ac03db9c10bc408ba7aab",
  "9ce9a8fdadff8ef7def4fdf93c",
  "afed9fffbffa9588e549ffcedd",
  "8f7f5ddcbffcc8dfef779eba2f"
]

const costs = new Int8Array(1 << (2 * LETTER_WIDTH))
rows.forEach((row, before) =>
  [...row].forEach((digit, letter) => {
    costs[((before + 1) << LETTER_WIDTH) | (letter + 1)] = (parseInt(digit, 16) - DIGIT_OF_ZERO) * STEP
  })
)
