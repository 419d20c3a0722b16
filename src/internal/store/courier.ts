import * as Effect from "effect/Effect"
import type { Answer, Batch, Lapse, Operation, Store } from "../../StoreProtocol.ts"
import type { Timeline } from "../timeline.ts"
import type { Surroundings } from "./channel.ts"
import { Membership } from "./membership.ts"

/** How batches are sent. */
export interface Postage {
  readonly leaseMillis: number
  readonly lapse: Lapse
  /** When the store counts as unreachable. */
  readonly timeoutMillis: number
}

/** A batch on its way, and what its sender notes on it. */
export interface Sent<Note> {
  readonly membership: Membership
  readonly batch: Batch
  readonly note: Note
  /** When it is late. */
  overdueAt: number
  /** When it is sent again. */
  retryAt: number
  failures: number
}

/** What the sender is told. */
export interface Receiver<Note> {
  readonly onAnswer: (sent: Sent<Note>, answer: Answer) => void
  /** The store has failed, or has not answered in time. */
  readonly onTrouble: (cause: unknown) => void
}

/** Carries batches to the store, each again and again until it is answered. */
export class Courier<Note> {
  /** Who this process is now. */
  membership = new Membership()
  lastSentAt = Number.NEGATIVE_INFINITY
  readonly #group: string
  readonly #store: Store
  readonly #timeline: Timeline
  readonly #postage: Postage
  readonly #around: Surroundings
  readonly #receiver: Receiver<Note>
  readonly #sent = new Set<Sent<Note>>()
  #isStopped = false

  constructor(
    group: string,
    store: Store,
    timeline: Timeline,
    postage: Postage,
    around: Surroundings,
    receiver: Receiver<Note>
  ) {
    this.#group = group
    this.#store = store
    this.#timeline = timeline
    this.#postage = postage
    this.#around = around
    this.#receiver = receiver
  }

  get isIdle(): boolean {
    return this.#sent.size === 0
  }

  /** Whether another batch can go: while the store does one, this process makes the next. */
  get isFree(): boolean {
    return this.#sent.size < SENT_MAX
  }

  /** What is noted on the batches that are on their way. */
  *notes(): Generator<Note, void> {
    for (const { note } of this.#sent) yield note
  }

  send(operations: ReadonlyArray<Operation>, note: Note): void {
    const { membership } = this
    const { lapse, leaseMillis } = this.#postage
    const answered = membership.answeredUpTo
    const batch: Batch = {
      group: this.#group,
      member: membership.name,
      sequence: membership.next(),
      answered,
      leaseMillis,
      lapse,
      operations
    }
    const sent = { membership, batch, note, overdueAt: 0, retryAt: 0, failures: 0 }
    this.#sent.add(sent)
    this.#attempt(sent)
  }

  /** Begins anew as somebody else. What is on its way is still answered as it would have been. */
  rename(): void {
    this.membership = new Membership()
  }

  /** When there is something to do next. */
  get dueAt(): number {
    let next = Number.POSITIVE_INFINITY
    for (const { overdueAt, retryAt } of this.#sent) next = Math.min(next, overdueAt, retryAt)
    return next
  }

  /** Does what is due. */
  tend(now: number): void {
    for (const sent of this.#sent) {
      if (sent.retryAt <= now) this.#attempt(sent)
      else if (sent.overdueAt <= now) {
        sent.overdueAt = Number.POSITIVE_INFINITY
        sent.retryAt = now + GIVEN_UP_MILLIS
        this.#receiver.onTrouble(new Error(`no answer within ${this.#postage.timeoutMillis} ms`))
      }
    }
  }

  /** Sends nothing any more, and hears nothing. */
  stop(): void {
    this.#isStopped = true
  }

  #attempt(sent: Sent<Note>): void {
    const now = this.#timeline.now()
    this.lastSentAt = now
    sent.overdueAt = now + this.#postage.timeoutMillis
    sent.retryAt = Number.POSITIVE_INFINITY
    this.#around.fork(
      Effect.matchCause(this.#store.apply(sent.batch), {
        onSuccess: (answer) => this.#answered(sent, answer),
        onFailure: (cause) => this.#failed(sent, cause)
      })
    )
  }

  #answered(sent: Sent<Note>, answer: Answer): void {
    if (this.#isStopped || !this.#sent.delete(sent)) return
    sent.membership.answered(sent.batch.sequence)
    this.#receiver.onAnswer(sent, answer)
  }

  #failed(sent: Sent<Note>, cause: unknown): void {
    if (this.#isStopped || !this.#sent.has(sent)) return
    const wait = Math.min(RETRY_MAX_MILLIS, RETRY_MIN_MILLIS * 2 ** sent.failures++)
    sent.overdueAt = Number.POSITIVE_INFINITY
    // Not all processes at once.
    sent.retryAt = this.#timeline.now() + Math.ceil((wait * (1 + this.#around.random())) / 2)
    this.#receiver.onTrouble(cause)
  }
}

const SENT_MAX = 4

const RETRY_MIN_MILLIS = 50
const RETRY_MAX_MILLIS = 1_000

/** A batch that is late is not sent again before: the client may still have it in its own queue. */
const GIVEN_UP_MILLIS = 30_000
