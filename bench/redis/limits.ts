/** The limits of everybody: they are never reached, and Lua writes them without an exponent. */
export const capTokensMax = 1e12
export const windowTokensMax = 1e12
export const openMax = 1e6

export const WINDOW_MILLIS = 60_000
