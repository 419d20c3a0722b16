/** The same with many calls live in the window: each call ends a little later, and so one leaves the window for each. */
import { Clock, Effect } from "effect"
import { Budget, Limit } from "effect-budget"
import { actual, estimate, plenty } from "../amounts.ts"
import { floor } from "../floor.ts"
import type { Contender, Scenario } from "../harness.ts"
import { repeating } from "../loops.ts"
import { SettableClock } from "../settableClock.ts"
import { SPEND, WITH_RESERVATION } from "./ours.ts"

export const liveWindow = (live: number): Scenario => {
  const empty = "empty window"
  const crowded = `${live.toLocaleString("en")} live`
  return {
    name: `window with ${crowded}`,
    work: "reserve + run + commit at distinct milliseconds; the call moves the clock, by 1 ms or past the window",
    contenders: Effect.gen(function* () {
      const one = yield* windowOf(live, live)
      const other = yield* windowOf(live, 1)
      yield* Effect.promise(() => other.spending("").run(live))
      const tick = new SettableClock()
      return [
        floor(Effect.sync(() => tick.advance(1))),
        one.spending(`${SPEND}, ${empty}`),
        other.spending(`${SPEND}, ${crowded}`),
        one.withReservation(`${WITH_RESERVATION}, ${empty}`),
        other.withReservation(`${WITH_RESERVATION}, ${crowded}`)
      ]
    }),
    targets: [SPEND, WITH_RESERVATION].map((form) => ({
      library: `${form}, ${crowded}`,
      max: 1.3,
      of: { ratioTo: `${form}, ${empty}` }
    }))
  }
}

/** A window under a clock of its own, which each call moves on. */
const windowOf = Effect.fnUntraced(function* (windowMillis: number, callMillis: number) {
  const clock = new SettableClock()
  const limits = [Limit.slidingWindow("tokens", plenty, windowMillis)]
  const budget = yield* Effect.provideService(Budget.make({ name: "window", limits }), Clock.Clock, clock)
  const call = Effect.sync(() => clock.advance(callMillis))
  return {
    spending: (library: string): Contender =>
      repeating(library, budget.spend({ estimate, actual: () => actual })(call)),
    withReservation: (library: string): Contender =>
      repeating(
        library,
        budget.withReservation(estimate, (reservation) => Effect.andThen(call, reservation.commit(actual)))
      )
  }
})
