/** How much of the server's memory budgets and open reservations take, as `MEMORY USAGE` says. */
import { Effect } from "effect"
import { connect } from "./client.ts"
import type { Peer, Place } from "./peer.ts"

export interface Footprint {
  readonly library: string
  /** A budget through which calls have come and gone. */
  readonly bytesPerBudget: number
  /** What each reservation adds that is not settled yet. */
  readonly bytesPerReservation: number
}

export interface Weighed {
  readonly budgets: number
  readonly reservations: number
}

/** Weighs whoever lets itself be weighed, or nothing. */
export const footprintOf = (peer: Peer, place: Place, weighed: Weighed): Effect.Effect<Footprint | undefined> =>
  Effect.scoped(
    Effect.gen(function* () {
      if (peer.keep === undefined) return undefined
      const { leaveOpen, pass } = yield* peer.keep(place)
      const bytes = bytesUnder(place)
      const before = yield* bytes
      for (let budget = 0; budget < weighed.budgets; budget++) yield* pass(nameOf(budget))
      const passed = yield* bytes
      // On one budget: what is shared by its reservations is not to count for each of them.
      for (let open = 0; open < weighed.reservations; open++) yield* leaveOpen(nameOf(0))
      const open = yield* bytes
      return {
        library: peer.library,
        bytesPerBudget: (passed - before) / weighed.budgets,
        bytesPerReservation: (open - passed) / weighed.reservations
      }
    })
  )

/** All names are as long as another. */
const nameOf = (index: number): string => `budget ${String(index).padStart(6, "0")}`

/** The memory of all keys with a prefix, names and all. */
const bytesUnder = ({ prefix, server }: Place): Effect.Effect<number> =>
  Effect.scoped(
    Effect.flatMap(connect(server.url), (client) =>
      Effect.promise(async () => {
        let bytes = 0
        for await (const keys of client.scanIterator({ MATCH: `${prefix}*`, COUNT: 1_000 })) {
          for (const key of keys) bytes += (await client.memoryUsage(key, { SAMPLES: 0 })) ?? 0
        }
        return bytes
      })
    )
  )
