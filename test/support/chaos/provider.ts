/**
 * A provider on a bad day: it has outages, is slow, throttles everyone, or loses its answers. It writes
 * down every request, and what became of it.
 */
import * as Effect from "effect/Effect"
import type { Random } from "../random.ts"
import type { Day } from "./day.ts"

export type Weather = "calm" | "slow" | "outage" | "unreachable" | "storm" | "losing"

/** One request as the provider saw it. */
export interface Request {
  readonly order: number
  readonly at: number
  endedAt: number
  endedOrder: number
  /** What the caller got. `abandoned`: he had gone before. */
  outcome: "answered" | "failed" | "unreached" | "throttled" | "rejected" | "lost" | "abandoned"
  retryAfterMillis: number | undefined
  usedTokens: number
}

export class Provider {
  readonly requests: Array<Request> = []
  readonly #day: Day
  readonly #random: Random
  readonly #weather: ReadonlyArray<{ readonly from: number; readonly is: Weather }>

  constructor(day: Day, random: Random, dayMillis: number) {
    this.#day = day
    this.#random = random
    const weather: Array<{ from: number; is: Weather }> = []
    for (let from = 0; from < dayMillis; from += random.magnitude(60_000, dayMillis / 2)) {
      const is = random.weighted<Weather>({ calm: 4, slow: 1, outage: 2, unreachable: 1, storm: 2, losing: 1 })
      weather.push({ from, is })
    }
    this.#weather = weather
  }

  /** Takes a request in. */
  receive(): Request {
    const request: Request = {
      order: this.#day.tick(),
      at: this.#day.now,
      endedAt: Number.POSITIVE_INFINITY,
      endedOrder: Number.POSITIVE_INFINITY,
      outcome: "abandoned",
      retryAfterMillis: undefined,
      usedTokens: 0
    }
    this.requests.push(request)
    return request
  }

  /** Answers a request with at most so many tokens, or does not. */
  answer(request: Request, tokensMax: number): Effect.Effect<number, object> {
    return Effect.onExit(this.#answer(request, tokensMax), () =>
      Effect.sync(() => {
        request.endedAt = this.#day.now
        request.endedOrder = this.#day.tick()
      })
    )
  }

  #answer(request: Request, tokensMax: number): Effect.Effect<number, object> {
    const random = this.#random
    const end = (outcome: Request["outcome"], error: object): Effect.Effect<never, object> => {
      request.outcome = outcome
      return Effect.fail(error)
    }
    const after = (millis: number, then: () => Effect.Effect<number, object>) =>
      Effect.flatMap(Effect.sleep(millis), then)
    const answered = () => {
      request.outcome = "answered"
      request.usedTokens = random.int(1, tokensMax)
      return Effect.succeed(request.usedTokens)
    }
    if (random.chance(0.02)) return after(50, () => end("rejected", { status: 400 }))
    switch (this.#weatherAt(request.at)) {
      case "calm":
        return after(random.magnitude(200, 8_000), answered)
      case "slow":
        return after(random.magnitude(5_000, 200_000), answered)
      case "outage":
        return after(random.int(10, 300), () => end("failed", { status: random.pick([500, 502, 503, 529]) }))
      case "unreachable":
        return end("unreached", { code: "ECONNREFUSED" })
      case "storm": {
        const retryAfterMillis = random.chance(0.7) ? random.magnitude(100, 120_000) : undefined
        const headers = retryAfterMillis === undefined ? {} : { "retry-after-ms": String(retryAfterMillis) }
        return after(20, () => {
          request.retryAfterMillis = retryAfterMillis
          return end("throttled", { status: 429, headers })
        })
      }
      case "losing":
        return after(random.magnitude(500, 30_000), () => end("lost", { code: "ECONNRESET" }))
    }
  }

  #weatherAt(now: number): Weather {
    return this.#weather.findLast(({ from }) => from <= now)?.is ?? "calm"
  }
}
