import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import type { Happening } from "../admission/listeners.ts"
import type { Tracing } from "../admission/tracing.ts"
import { noteSpan } from "../observer.ts"
import { estimateAttributes, usageAttributes } from "./attributes.ts"
import { refusalAttributes } from "./refusal.ts"

/** The spans of one budget's reservations, from the asking to the settlement. */
export class Spans implements Tracing {
  readonly #attributes: Record<string, string>
  readonly #open = new Map<number, OpenSpan>()

  constructor(budget: string) {
    this.#attributes = { "effect_budget.budget": budget }
  }

  around<A, E, R>(
    call: number,
    run: (beneath: <B, E2, R2>(self: Effect.Effect<B, E2, R2>) => Effect.Effect<B, E2, R2>) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E, R> {
    return Effect.useSpan(NAME, { attributes: this.#attributes }, (span) =>
      Effect.withFiber((fiber) => {
        const open = new OpenSpan(span, fiber, false)
        this.#open.set(call, open)
        return Effect.onExitPrimitive(
          run((self) => Effect.provideService(self, Tracer.ParentSpan, span)),
          () => {
            this.#open.delete(call)
            return undefined
          }
        )
      })
    )
  }

  opening<Opened extends object, E, R>(
    call: number,
    scope: Scope.Scope,
    open: Effect.Effect<Opened, E, R>
  ): Effect.Effect<Opened, E, R> {
    return Effect.flatMap(Effect.makeSpan(NAME, { attributes: this.#attributes }), (span) =>
      Effect.withFiber((fiber) => {
        const opened = new OpenSpan(span, fiber, true)
        const end = (exit: Exit.Exit<unknown, unknown>) =>
          Effect.sync(() => {
            this.#open.delete(call)
            opened.end(exit)
          })
        this.#open.set(call, opened)
        // Before the settlement that the scope does: its finalizers run in the other order.
        return Effect.andThen(
          Scope.addFinalizerExit(scope, end),
          Effect.onExit(open, (exit) => {
            if (exit._tag === "Failure") return end(exit)
            noteSpan(exit.value, span)
            return Effect.void
          })
        )
      })
    )
  }

  /** Notes what happens to a request in its span. */
  hear(event: Happening): void {
    if (!("call" in event)) return
    const open = this.#open.get(event.call)
    if (open === undefined) return
    switch (event._tag) {
      case "Admitted": {
        const { estimate, waitedFor, waitedMillis } = event
        open.annotate(estimateAttributes(estimate))
        open.annotate({ "effect_budget.waited_millis": waitedMillis })
        return open.event("effect_budget.admitted", {
          "effect_budget.waited_millis": waitedMillis,
          ...(waitedFor === undefined
            ? {}
            : {
                "effect_budget.waited_for.budget": waitedFor.budget,
                "effect_budget.waited_for.limit": waitedFor.limit.name
              })
        })
      }
      case "Refused":
        open.annotate(estimateAttributes(event.estimate))
        open.annotate(refusalAttributes(event.reason))
        return open.event("effect_budget.refused", refusalAttributes(event.reason))
      case "Shadowed":
        return open.event("effect_budget.shadowed", refusalAttributes(event.reason))
      case "Settled":
        open.annotate(usageAttributes(event.actual))
        if (open.endsWithSettlement) this.#endSoon(event.call, open)
        return
      case "Overran":
        return open.event("effect_budget.overran", {
          "effect_budget.limit": event.limit.name,
          "effect_budget.overrun": event.overrun
        })
      case "InvalidReport":
        return open.event("effect_budget.invalid_report", { "effect_budget.problem": event.problem })
      case "LeaseExpired":
        return open.event("effect_budget.lease_expired", {})
      case "SettledAlready":
        return open.event("effect_budget.settled_already", { "effect_budget.attempted": event.attempted })
    }
  }

  /** Ends a span now, but lets it hear what the settlement still says: by how much it was overrun. */
  #endSoon(call: number, open: OpenSpan): void {
    const at = open.now()
    queueMicrotask(() => {
      this.#open.delete(call)
      open.end(Exit.void, at)
    })
  }

  /** The span of a request that is asking, or has not settled. */
  of(call: number): Tracer.Span | undefined {
    return this.#open.get(call)?.span
  }
}

/** One name for all: budgets can be many, and names of spans must not. */
const NAME = "effect_budget.reservation"

class OpenSpan {
  readonly span: Tracer.Span
  readonly endsWithSettlement: boolean
  readonly now: () => bigint

  constructor(span: Tracer.Span, fiber: Fiber.Fiber<unknown, unknown>, endsWithSettlement: boolean) {
    const clock = fiber.getRef(Clock.Clock)
    const isTimed = fiber.getRef(References.TracerTimingEnabled)
    this.span = span
    this.endsWithSettlement = endsWithSettlement
    this.now = () => (isTimed ? clock.currentTimeNanosUnsafe() : 0n)
  }

  annotate(attributes: Readonly<Record<string, unknown>>): void {
    for (const [name, value] of Object.entries(attributes)) this.span.attribute(name, value)
  }

  event(name: string, attributes: Record<string, unknown>): void {
    this.span.event(name, this.now(), attributes)
  }

  end(exit: Exit.Exit<unknown, unknown>, at = this.now()): void {
    if (this.span.status._tag !== "Ended") this.span.end(at, exit)
  }
}
