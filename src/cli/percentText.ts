/** A share as people write it: `5 %`, `0.5%` or `0.05`. Absent when it is none. */
export const shareOf = (text: string): number | undefined => {
  const [, number, percent] = /^(\d+(?:\.\d+)?)\s*(%)?$/.exec(text.trim()) ?? []
  if (number === undefined) return undefined
  const share = percent === undefined ? Number(number) : Number(number) / 100
  return share <= 1 ? share : undefined
}
