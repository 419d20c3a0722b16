/**
 * Limits as people write them:
 *
 *     limit   = amount                                 the total                    50k tokens      $2
 *             | amount "/" span                        in every span of time        8k tokens / minute
 *             | amount "/" span "burst" number         flowing in, with bursts      30k tokens / minute burst 5k
 *             | amount "/" "calendar" unit [zone]      in each of the calendar      $20 / calendar day America/Denver
 *             | amount "/" "call"                      of every single call         4k tokens / call
 *             | number "concurrent"                    at once                      20 concurrent
 *     amount  = "$" number | number meter
 *     number  = digits, with "," or "_" among them, perhaps a fraction, perhaps "k" or "M" behind it; or "?"
 *     meter   = "requests" | "tokens" | "input tokens" | "uncached input tokens" | "output tokens"
 *     span    = [number] ("second" | "minute" | "hour" | "day"), in the plural, too
 *     unit    = "minute" | "hour" | "day" | "week" | "month"
 *
 * A "?" stands for what is to be found out.
 */
import * as Limit from "../Limit.ts"
import type * as Meter from "../Meter.ts"
import type { Mistake } from "./json.ts"

/** What a text says: a limit, once the number is known that its "?" stands for. */
export interface LimitText {
  readonly isOpen: boolean
  /** Throws a `RangeError` when the number makes no sense. */
  readonly limit: (wanted?: number) => Limit.Limit
  /** The text with the number in place. */
  readonly written: (wanted: number) => string
}

export const parseLimit = (text: string): LimitText | Mistake => {
  try {
    return new Parser(text).limit()
  } catch (mistake) {
    if (mistake instanceof Unexpected) return { problem: mistake.problem, offset: mistake.offset }
    throw mistake
  }
}

class Unexpected {
  readonly problem: string
  readonly offset: number

  constructor(problem: string, offset: number) {
    this.problem = problem
    this.offset = offset
  }
}

const UNKNOWN = "?"

const spans: Readonly<Record<string, number>> = { second: 1_000, minute: 60_000, hour: 3_600_000, day: 86_400_000 }

const periods = ["minute", "hour", "day", "week", "month"] as const

const meters: Readonly<Record<string, Meter.Name>> = {
  request: "requests",
  requests: "requests",
  token: "tokens",
  tokens: "tokens",
  "input tokens": "inputTokens",
  "uncached input tokens": "uncachedInputTokens",
  "output tokens": "outputTokens"
}

class Parser {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  limit(): LimitText {
    const isMoney = this.#takes(/\$\s*/y) !== undefined
    const numberAt = this.#at
    const amount = this.#number()
    const numberEnd = this.#at
    const make = this.#rest(isMoney)
    this.#skip()
    if (this.#at < this.#text.length) throw this.#expected("the end")
    const build = (value: number): Limit.Limit => {
      try {
        return make(value)
      } catch (error) {
        if (error instanceof RangeError) throw new Unexpected(withoutPlace(error.message), numberAt)
        throw error
      }
    }
    // What is known is wrong now or never.
    if (amount !== UNKNOWN) build(amount)
    return {
      isOpen: amount === UNKNOWN,
      limit: (wanted) => (amount === UNKNOWN ? make(wanted ?? Number.NaN) : make(amount)),
      written: (wanted) => this.#text.slice(0, numberAt) + wanted.toLocaleString("en-US") + this.#text.slice(numberEnd)
    }
  }

  #rest(isMoney: boolean): (max: number) => Limit.Limit {
    if (!isMoney && this.#takes(/concurrent\b|at once\b/y) !== undefined) return (max) => Limit.concurrency(max)
    const meter = isMoney ? "usd" : this.#meter()
    if (this.#takes(/\/|per\b/y) === undefined) return (max) => Limit.cap(meter, max)
    if (this.#takes(/call\b/y) !== undefined) return (max) => Limit.perCall(meter, max)
    if (this.#takes(/calendar\b/y) !== undefined) return this.#calendar(meter)
    const window = this.#span()
    if (this.#takes(/burst\b/y) === undefined) return (max) => Limit.slidingWindow(meter, max, window)
    const capacity = this.#number()
    if (capacity === UNKNOWN) throw new Unexpected('only the first number can be "?"', this.#at - 1)
    return (max) => Limit.tokenBucket(meter, max, window, { capacity })
  }

  #meter(): Meter.Name {
    const start = this.#skip()
    const word = this.#takes(/(?:uncached\s+)?(?:input\s+|output\s+)?[a-z]+/iy)
    const meter = meters[(word ?? "").replaceAll(/\s+/g, " ")]
    if (meter === undefined) throw this.#expected(`what is counted: "tokens", "requests", "concurrent", …`, start)
    return meter
  }

  #span(): number {
    const start = this.#skip()
    const count = /\d/.test(this.#text[this.#at] ?? "") ? this.#number() : 1
    const unit = this.#takes(/[a-z]+/iy)?.replace(/s$/, "")
    const millis = unit !== undefined && Object.hasOwn(spans, unit) ? spans[unit] : undefined
    if (millis === undefined || count === UNKNOWN) {
      throw this.#expected('a span such as "minute", "10 seconds" or "calendar day", or "call"', start)
    }
    return count * millis
  }

  #calendar(meter: Meter.Name): (max: number) => Limit.Limit {
    const start = this.#skip()
    const unit = this.#takes(/[a-z]+/iy)
    const period = periods.find((period) => period === unit)
    if (period === undefined) throw this.#expected(`one of ${periods.join(", ")}`, start)
    const zoneAt = this.#skip()
    const timeZone = this.#takes(/\S+/y)
    const make = (max: number) => Limit.fixedWindow(meter, max, period, timeZone === undefined ? {} : { timeZone })
    try {
      make(0)
    } catch (error) {
      if (error instanceof RangeError) throw new Unexpected(withoutPlace(error.message), zoneAt)
      throw error
    }
    return make
  }

  #number(): number | typeof UNKNOWN {
    this.#skip()
    if (this.#takes(/\?/y) !== undefined) return UNKNOWN
    const start = this.#at
    const [, digits, unit] = /^(\d[\d,_]*(?:\.\d+)?)\s*([kM](?![a-z]))?/.exec(this.#text.slice(start)) ?? []
    if (digits === undefined) throw this.#expected('a number, as "8k" or "2.5"')
    this.#takes(/\d[\d,_]*(?:\.\d+)?\s*(?:[kM](?![a-z]))?/y)
    const value = Number(digits.replaceAll(/[,_]/g, "")) * (unit === "k" ? 1_000 : unit === "M" ? 1_000_000 : 1)
    // 1.1k is 1,100, whatever the multiplication says.
    return Math.round(value * 1e9) / 1e9
  }

  #takes(token: RegExp): string | undefined {
    token.lastIndex = this.#skip()
    const found = token.exec(this.#text)?.[0]
    this.#at += found?.length ?? 0
    return found
  }

  #skip(): number {
    while (this.#text[this.#at] === " ") this.#at++
    return this.#at
  }

  #expected(what: string, at = this.#at): Unexpected {
    const found = /^\S+/.exec(this.#text.slice(at))?.[0]
    return new Unexpected(`expected ${what}, got ${found === undefined ? "the end" : `"${found}"`}`, at)
  }
}

/** The message without the name of the constructor, which nobody here has called. */
const withoutPlace = (message: string): string => message.replace(/^Limit\.\w+: /, "")
