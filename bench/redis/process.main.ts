/** One of several client processes: it makes a contender of ours, and runs it as often as it is told to. */
import { Effect } from "effect"
import { oursAhead } from "./ours.ts"
import type { Place } from "./peer.ts"

/** What such a process is told: at first where to reserve and with how many in flight, then how often. */
export type Told = { readonly place: Place; readonly lanes: number } | { readonly runs: number }

const tell = (done: number): boolean | undefined => process.send?.(done)

const begin = ({ lanes, place }: Extract<Told, { lanes: number }>) =>
  Effect.gen(function* () {
    const { run } = yield* oursAhead.contender(place, lanes)
    yield* Effect.callback<never>(() => {
      process.on("message", (told: Told) => "runs" in told && void run(told.runs).then(tell))
      tell(0)
    })
  })

process.once("message", (told: Told) => {
  if ("lanes" in told) void Effect.runPromise(Effect.scoped(begin(told)))
})
process.once("disconnect", () => process.exit())
