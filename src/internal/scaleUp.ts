/**
 * Converts units to integers of which `scale` make one, rounding away from zero.
 *
 * A product that differs from a whole number only by the error of the multiplication counts as that number. Away from
 * zero, so that what is negative by less than one integer does not pass for nothing.
 */
export const scaleUp = (units: number, scale: number): number => {
  const exact = units * scale
  const nearest = Math.round(exact)
  if (Math.abs(exact - nearest) <= Math.abs(exact) * Number.EPSILON) return nearest
  return exact < 0 ? Math.floor(exact) : Math.ceil(exact)
}
