/**
 * How full a limit is, as a fraction of its maximum: above one in debt. One that admits nothing is full, whatever
 * counts against it.
 *
 * Of whole numbers, so that it equals the fraction that a user writes: 55 of 100 is 0.55, where 0.55 of 100 is not 55.
 */
export const fullness = (used: number, max: number): number => (max === 0 ? 1 : used / max)
