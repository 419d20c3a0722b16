import type { Effect, Scope } from "effect"
import type { Server } from "../../test/support/redis/server.ts"
import type { Contender } from "../harness.ts"

/** Somebody who keeps limits in Redis. */
export interface Peer {
  readonly library: string
  /** What it does here, and what it lacks beside a reservation over three limits. */
  readonly remark: string
  /** Reserves and settles on one budget, with so many in flight. */
  readonly contender: (place: Place, inFlight: number) => Effect.Effect<Contender, never, Scope.Scope>
  /** Whose memory is to be measured. */
  readonly keep?: (place: Place) => Effect.Effect<Keeper, never, Scope.Scope>
}

/** Where it keeps them: all of its keys begin with the prefix. Nobody else's do. */
export interface Place {
  readonly server: Server
  readonly prefix: string
}

/** What can be done to budgets, so that something of them is in memory. */
export interface Keeper {
  /** Reserves and settles. */
  readonly pass: (budget: string) => Effect.Effect<void>
  /** Reserves, and leaves it at that. */
  readonly leaveOpen: (budget: string) => Effect.Effect<void>
}
