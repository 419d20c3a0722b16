/**
 * The values that a label may have: as many as fit, then one for all others. A metric forgets nothing, so that names
 * which come with requests must not become series without end.
 */
export class BoundedLabel {
  readonly #max: number
  readonly #labelOf: (name: string) => string
  readonly #known: Set<string>

  /** `known` are the values so far, of everybody who counts in the same registry. */
  constructor(known: Set<string>, max: number, labelOf: (name: string) => string) {
    this.#known = known
    this.#max = max
    this.#labelOf = labelOf
  }

  of(name: string): string {
    const label = this.#read(name)
    if (this.#known.has(label)) return label
    if (this.#known.size >= this.#max) return OTHERS
    this.#known.add(label)
    return label
  }

  /** What a user's function does wrong must not keep a call out. */
  #read(name: string): string {
    try {
      return this.#labelOf(name)
    } catch {
      return OTHERS
    }
  }
}

/** All values beyond the bound. */
export const OTHERS = "other"
