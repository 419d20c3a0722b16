import type { Ticket } from "../admission/link.ts"
import type { Asking } from "./asking.ts"

/** What the store counts as reserved by this process. Tickets know their places: a map took a tenth of a granted call. */
export class Held {
  readonly #askings: Array<Asking> = []

  get size(): number {
    return this.#askings.length
  }

  add(asking: Asking): void {
    asking.ticket.place = this.#askings.push(asking) - 1
  }

  /** Takes out what is held for a ticket, if anything is. The last one moves to its place. */
  take(ticket: Ticket): Asking | undefined {
    const { place } = ticket
    const asking = this.#askings[place]
    if (asking?.ticket !== ticket) return undefined
    const last = this.#askings.pop()!
    if (last !== asking) this.#askings[(last.ticket.place = place)] = last
    return asking
  }

  values(): Iterable<Asking> {
    return this.#askings
  }

  clear(): void {
    this.#askings.length = 0
  }
}
