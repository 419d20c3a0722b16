/** The names most like what was typed, best first: those few letters away, then those that contain it. */
export const nearest = (typed: string, names: ReadonlyArray<string>, most = 5): ReadonlyArray<string> => {
  const wanted = typed.toLowerCase()
  const lettersMax = Math.max(2, Math.floor(wanted.length / 3))
  return [...new Set(names)]
    .map((name) => ({ name, letters: editDistance(wanted, name.toLowerCase()) }))
    .filter(({ letters, name }) => letters <= lettersMax || (wanted.length > 2 && name.toLowerCase().includes(wanted)))
    .sort((a, b) => a.letters - b.letters || (a.name < b.name ? -1 : 1))
    .slice(0, most)
    .map(({ name }) => name)
}

/** How many letters have to be put in, taken out or replaced. */
const editDistance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[b.length]!
}
