/**
 * Where the block of at most `maxChars` that begins at `start` ends.
 *
 * It ends where the encodings' patterns end a piece whatever surrounds it, so that the counts of the blocks add up to
 * the count of the text. Only where a block has no such place, as in a long run of one character, is it cut at its
 * full length. Blocks bound the work done at a stretch, and the pattern's, which overflows the stack on runs of
 * millions of characters.
 */
export const blockEnd = (text: string, start: number, maxChars: number): number => {
  if (text.length - start <= maxChars) return text.length
  const last = start + maxChars
  for (let end = last; end > start; end--) {
    if (isPieceEnd(text, end)) return end
  }
  return isInsideSurrogatePair(text, last) ? last - 1 : last
}

// In a piece, only line breaks and other whitespace come before whitespace; and after a letter or a number come only
// their like, marks and apostrophes.
const isPieceEnd = (text: string, index: number): boolean => {
  const before = text.charAt(index - 1)
  const after = String.fromCodePoint(text.codePointAt(index) ?? 0)
  if (/\S/u.test(before) && /[^\S\r\n]/u.test(after)) return true
  return /[\p{L}\p{N}]/u.test(before) && /[^\p{L}\p{N}\p{M}']/u.test(after)
}

const isInsideSurrogatePair = (text: string, index: number): boolean =>
  /[\ud800-\udbff]/.test(text.charAt(index - 1)) && /[\udc00-\udfff]/.test(text.charAt(index))
