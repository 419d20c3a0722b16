import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** Puts the reservations of a budget into spans. `call` is the number that the events of a request have. */
export interface Tracing {
  /** Runs a reservation within a span. What `run` puts beneath it has that span as its parent. */
  readonly around: <A, E, R>(call: number, run: (beneath: Beneath) => Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Opens a reservation whose span ends when it is settled, and with the scope at the latest. */
  readonly opening: <Opened extends object, E, R>(
    call: number,
    scope: Scope.Scope,
    open: Effect.Effect<Opened, E, R>
  ) => Effect.Effect<Opened, E, R>
}

type Beneath = <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
