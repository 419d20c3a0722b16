import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as BudgetError from "../BudgetError.ts"
import type { LimitOfBudget } from "../BudgetEvent.ts"
import type { Place } from "../Budget.ts"
import type * as Usage from "../Usage.ts"
import type { Admission, Obstacle } from "./admission/admission.ts"
import { boundOf } from "./bound.ts"
import { forecast } from "./admission/forecast.ts"
import type { Hold } from "./admission/hold.ts"
import type { Gate } from "./admission/node.ts"
import type { Outcome, Sleeper, Waiter } from "./admission/line.ts"
import type { Reply, Ticket } from "./admission/link.ts"
import { invalidEstimate, refusal } from "./admission/refusal.ts"
import { Carving } from "./admission/slice.ts"
import { isHeard, tell } from "./admission/listeners.ts"
import { NEVER } from "./limit/state.ts"

/** How a request asks. */
export interface Manner {
  /** The least that is acceptable, where the reservation is elastic. */
  readonly least: Usage.Usage | undefined
  readonly maxWaitMillis: number
  readonly priority: number
  readonly onWait: ((place: Effect.Effect<Place>) => Effect.Effect<void>) | undefined
}

/**
 * Lets a hold in, at once or after waiting as long as the manner and the deadline allow, and goes on with `proceed`.
 *
 * From here on the hold may wait or be open. Whoever calls this has seen to its end beforehand, with a settlement and
 * with `exitUnentered`, also on interruption. Before it returns, no code of the user's runs but `proceed` and the meters.
 */
export const enter = <A, E, R>(
  admission: Admission,
  hold: Hold,
  manner: Manner,
  proceed: (hold: Hold) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | BudgetError.BudgetError, R> => {
  const problem = hold.measureOn(admission.path(hold.node))
  if (problem !== undefined) return refuse(hold, invalidEstimate(hold, problem))
  const bound = boundOf()
  if (bound !== undefined && bound.millisLeft <= 0) return refuse(hold, bound.refusal(hold.node.name, undefined))
  const now = admission.timeline.now()
  hold.isPatient = manner.maxWaitMillis > 0
  const obstacle = admission.tryTake(hold, now)
  if (obstacle !== undefined) return obstructed({ admission, hold, manner, since: now, proceed }, obstacle, now)
  return hold.ticket === undefined || hold.ticket.isAdmitted
    ? admitted(hold, proceed)
    : asking({ admission, hold, manner, since: now, proceed }, hold.ticket)
}

/** A request on its way in. */
interface Entry<A, E, R> {
  readonly admission: Admission
  readonly hold: Hold
  readonly manner: Manner
  readonly since: number
  readonly proceed: (hold: Hold) => Effect.Effect<A, E, R>
}

/** Waits, or refuses where that is of no use. */
const obstructed = <A, E, R>(
  entry: Entry<A, E, R>,
  obstacle: Obstacle,
  now: number
): Effect.Effect<A, E | BudgetError.BudgetError, R> => {
  const { admission, hold, manner, since } = entry
  const until = since + manner.maxWaitMillis
  if (obstacle.at === NEVER || !(until > now) || admission.outlasts(obstacle, now, until)) {
    return refuse(hold, refusal(obstacle, now))
  }
  const bound = boundOf()
  const endsAt = bound === undefined ? Number.POSITIVE_INFINITY : now + bound.millisLeft
  // Who starts at the deadline has no time left.
  if (bound !== undefined && admission.outlasts(obstacle, now, endsAt - 1)) {
    return refuse(hold, bound.refusal(hold.node.name, refusal(obstacle, now).reason))
  }
  const waiter = admission.wait(hold, obstacle, Math.min(until, endsAt), now)
  const { onWait } = manner
  if (onWait === undefined) return awaiting(entry, waiter)
  // Whatever is done meanwhile must not keep a call that has been let in from starting.
  const meanwhile = Effect.andThen(
    Effect.suspend(() => onWait(placeOf(admission, hold))),
    Effect.never
  )
  return Effect.flatMap(
    Effect.raceFirst(
      awaiting({ ...entry, manner: { ...manner, onWait: undefined }, proceed: () => Effect.void }, waiter),
      meanwhile
    ),
    () => entry.proceed(hold)
  )
}

/** Suspends until a store has answered, and asks again when it has refused: now this process knows why. */
const asking = <A, E, R>(entry: Entry<A, E, R>, ticket: Ticket): Effect.Effect<A, E | BudgetError.BudgetError, R> =>
  Effect.callback((resume) => {
    const dispatcher = Fiber.getCurrent()?.currentDispatcher
    ticket.await((reply) => dispatcher?.scheduleTask(() => resume(Effect.suspend(() => replied(entry, reply))), 0))
  })

const replied = <A, E, R>(entry: Entry<A, E, R>, reply: Reply): Effect.Effect<A, E | BudgetError.BudgetError, R> => {
  const { admission, hold, proceed } = entry
  if (reply === "admitted") return admitted(hold, proceed)
  if (reply !== "refused") return refuse(hold, reply)
  const problem = hold.measureOn(admission.path(hold.node))
  if (problem !== undefined) return refuse(hold, invalidEstimate(hold, problem))
  const now = admission.timeline.now()
  const obstacle = admission.tryTake(hold, now)
  return obstacle === undefined ? taken(entry) : obstructed(entry, obstacle, now)
}

/** Goes on with a hold that the limits of this process have let in. */
const taken = <A, E, R>(entry: Entry<A, E, R>): Effect.Effect<A, E | BudgetError.BudgetError, R> =>
  entry.hold.ticket === undefined || entry.hold.ticket.isAdmitted
    ? admitted(entry.hold, entry.proceed)
    : asking(entry, entry.hold.ticket)

/** Sees to a hold that had to wait and did not become open: it leaves the line, and a refusal is reported. */
export const exitUnentered = (admission: Admission, hold: Hold, exit: Exit.Exit<unknown, unknown>): void => {
  admission.withdraw(hold)
  // Whoever was let in may have settled by itself and then fail, also with the refusal of another budget.
  if (hold.waiter === undefined || hold.status !== "asked" || !isHeard(hold.path)) return
  const error = Exit.findErrorOption(exit)
  if (Option.isSome(error) && error.value instanceof BudgetError.BudgetError) reportRefused(hold, error.value)
}

const refuse = (hold: Hold, error: BudgetError.BudgetError): Effect.Effect<never, BudgetError.BudgetError> => {
  // Of whoever has waited, the end of the waiting is reported.
  if (hold.waiter === undefined && isHeard(hold.path)) reportRefused(hold, error)
  return Effect.fail(error)
}

/** Where whoever waits stands, in the time of the clock. On its way to a store it stands nowhere. */
const placeOf = ({ timeline }: Admission, hold: Hold): Effect.Effect<Place> =>
  Effect.sync(() => {
    const { position, startsAt } = forecast(hold, timeline.now())
    return { position, startsAt: startsAt === undefined ? undefined : startsAt - timeline.wallOffset }
  })

/** Suspends until the waiting is over. What follows is resumed with, and little more is held: many may wait. */
const awaiting = <A, E, R>(entry: Entry<A, E, R>, waiter: Waiter): Effect.Effect<A, E | BudgetError.BudgetError, R> =>
  Effect.callback((resume) => waiter.await(new SleepingFiber(entry, resume)))

/** An object rather than a closure: it is smaller. */
class SleepingFiber<A, E, R> implements Sleeper {
  readonly #fiber = Fiber.getCurrent()
  readonly #entry: Entry<A, E, R>
  readonly #resume: (effect: Effect.Effect<A, E | BudgetError.BudgetError, R>) => void

  constructor(entry: Entry<A, E, R>, resume: (effect: Effect.Effect<A, E | BudgetError.BudgetError, R>) => void) {
    this.#entry = entry
    this.#resume = resume
  }

  wake(outcome: Outcome): void {
    this.#fiber?.currentDispatcher.scheduleTask(() => this.#resume(Effect.suspend(() => this.#next(outcome))), 0)
  }

  #next(outcome: Outcome): Effect.Effect<A, E | BudgetError.BudgetError, R> {
    if (outcome === "admitted") return taken(this.#entry)
    if (!(outcome instanceof BudgetError.BudgetError)) return Effect.interrupt
    const bound = boundOf(this.#fiber)
    const isOver = bound !== undefined && bound.millisLeft <= 0
    return Effect.fail(isOver ? bound.refusal(this.#entry.hold.node.name, outcome.reason) : outcome)
  }
}

const admitted = <A, E, R>(hold: Hold, proceed: (hold: Hold) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
  hold.hasEntered = true
  if (isHeard(hold.path)) reportAdmitted(hold)
  return proceed(hold)
}

const reportAdmitted = (hold: Hold): void => {
  // A slice is no call, and is not settled like one.
  if (hold instanceof Carving) return
  const { arrival: call, estimate, node, path, shadowed, takenAt, waiter } = hold
  if (shadowed !== undefined) tell(path, shadowed)
  const waitedMillis = waiter === undefined ? 0 : takenAt - waiter.since
  const waitedFor = waitedMillis === 0 ? undefined : limitAt(waiter?.gate)
  tell(path, { _tag: "Admitted", call, budget: node.name, estimate, waitedMillis, waitedFor })
}

const limitAt = (gate: Gate | undefined): LimitOfBudget | undefined => {
  const limit = gate?.state.limit
  return gate === undefined || limit === undefined || limit._tag === "Pause"
    ? undefined
    : { budget: gate.node.name, limit }
}

const reportRefused = ({ arrival: call, estimate, node, path }: Hold, { reason }: BudgetError.BudgetError): void =>
  tell(path, { _tag: "Refused", call, budget: node.name, estimate, reason })
