import type * as Effect from "effect/Effect"
import type { BudgetError } from "../../BudgetError.ts"
import type * as StoreProtocol from "../../StoreProtocol.ts"
import type * as Limit from "../../Limit.ts"
import type * as Meter from "../../Meter.ts"
import type * as Usage from "../../Usage.ts"
import type { SharedState } from "../limit/shared.ts"
import type { Tightening } from "../limit/tighten.ts"
import type { Hold } from "./hold.ts"
import type { BudgetNode, Gate, Path } from "./node.ts"

/** The shared budgets of a path, and the link to the store that has their counters. */
export interface SharedRoute extends StoreProtocol.Route {
  readonly link: Link
  /** Which gates of the path are the limits of the route, in its order; what is known of them, and what they measure. */
  readonly indices: ReadonlyArray<number>
  readonly states: ReadonlyArray<SharedState>
  readonly meters: ReadonlyArray<Meter.Meter>
  readonly nodes: ReadonlyArray<BudgetNode>
}

/** What a budget needs in order to be shared. */
export interface Shared {
  readonly key: string
  readonly link: Link
  /** What the store has told last of its counters, and when. */
  seen?: { readonly sight: StoreProtocol.Sight; readonly at: number }
}

/** What admissions use of a store. Nothing of it waits for an answer. */
export interface Link {
  /** Budgets of one group can be on one path. */
  readonly group: string
  /** Asks for what a hold has just taken from the limits of this process. */
  ask(hold: Hold, route: SharedRoute): Ticket
  /** Ends a hold, of which this was used: nothing when it was released. */
  settle(hold: Hold, route: SharedRoute, ticket: Ticket, actual: Usage.Usage | undefined): void
  /** A hold that the store knows as waiting does not wait any more. */
  leave(hold: Hold, route: SharedRoute): void
  /** Where a hold waits that the store knows as waiting. */
  waitsAt(hold: Hold): Gate | undefined
  charge(path: Path, route: SharedRoute, usage: Usage.Usage): void
  pause(node: BudgetNode, millis: number, isGradual: boolean): void
  /** Charges limits with what they have left beyond what a provider says, and tells by how much. */
  tighten(node: BudgetNode, limits: ReadonlyArray<Limit.Limit>, remaining: number, onTightened: OnTightened): void
  /** Asks how full budgets are, which is noted in them. Without an answer where the store cannot be reached. */
  look(nodes: ReadonlyArray<BudgetNode>): Effect.Effect<void>
  /** As long as a budget uses the link. */
  enter(node: BudgetNode): void
  exit(node: BudgetNode): void
}

export type OnTightened = (tightened: ReadonlyArray<Tightening>) => void

/** How the store has answered a hold. Whoever is refused finds out why by asking again: its limits know it now. */
export type Reply = "admitted" | "refused" | BudgetError

/** A hold on its way to the store, and back. */
export class Ticket {
  /** When the store has taken it, in the store's time. */
  takenAt = 0
  /** For how long that had been taken ahead. */
  aheadMillis = 0
  /** Where it is among those that are held. */
  place = 0
  /**
   * `asked`: there is no answer yet. `held`: the store counts it. `apart`: it goes on without the store, which cannot be
   * reached. `over`: it has ended, or was never let in.
   */
  state: "asked" | "held" | "apart" | "over" = "asked"
  #reply: Reply | undefined
  #onReply: ((reply: Reply) => void) | undefined

  /** Whether it is known already that the store has let it in. */
  get isAdmitted(): boolean {
    return this.#reply === "admitted"
  }

  /** Tells the answer, at once if it is there. */
  await(onReply: (reply: Reply) => void): void {
    if (this.#reply === undefined) this.#onReply = onReply
    else onReply(this.#reply)
  }

  answer(reply: Reply): void {
    if (this.#reply !== undefined) return
    this.#reply = reply
    this.#onReply?.(reply)
  }
}
