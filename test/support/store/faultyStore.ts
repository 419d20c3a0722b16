/** A store between which and its users things go wrong on cue. */
import * as Effect from "effect/Effect"
import { type Batch, type Store, StoreError } from "../../../src/StoreProtocol.ts"

export type Fault =
  | "none"
  /** The connection is refused. */
  | "refuse"
  /** The batch is done, and the answer is lost. */
  | "loseAnswer"
  /** Nothing comes back, until there is no fault any more; then the batch is done. */
  | "silence"

export interface FaultyStore extends Store {
  fault: Fault
  /** How many milliseconds pass from when a batch was done until its answer arrives, and until who listens is heard. */
  answersAfter: number
  listensAfter: number
  /** Every batch that was sent, also in vain. */
  readonly sent: ReadonlyArray<Batch>
  /** Goes on with a store that knows nothing, as after a failover in which everything was lost. */
  readonly loseData: Effect.Effect<void>
}

export const makeFaulty = Effect.fnUntraced(function* (make: Effect.Effect<Store>): Effect.fn.Return<FaultyStore> {
  let store = yield* make
  const sent: Array<Batch> = []
  const faulty: FaultyStore = {
    fault: "none",
    answersAfter: 0,
    listensAfter: 0,
    sent,
    loseData: Effect.map(make, (fresh) => {
      store = fresh
    }),
    listen: (group, onWake) => Effect.suspend(() => Effect.delay(store.listen(group, onWake), faulty.listensAfter)),
    apply: (batch) =>
      Effect.suspend(() => {
        sent.push(batch)
        switch (faulty.fault) {
          case "none":
            return Effect.tap(store.apply(batch), () => Effect.sleep(faulty.answersAfter))
          case "refuse":
            return Effect.fail(new StoreError({ cause: new Error("refused") }))
          case "loseAnswer":
            return Effect.andThen(store.apply(batch), Effect.fail(new StoreError({ cause: new Error("cut") })))
          case "silence":
            return Effect.andThen(
              Effect.repeat(Effect.sleep("10 millis"), { until: () => faulty.fault !== "silence" }),
              Effect.suspend(() => store.apply(batch))
            )
        }
      })
  }
  return faulty
})
