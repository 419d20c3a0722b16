/** Runs a program and writes down what happens. */
import type * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { withSeed } from "effect/Random"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Budget from "../../../src/Budget.ts"
import { BudgetError } from "../../../src/BudgetError.ts"
import * as BudgetStore from "../../../src/BudgetStore.ts"
import type { BudgetEvent } from "../../../src/BudgetEvent.ts"
import * as Deadline from "../../../src/Deadline.ts"
import { makeMemory } from "../../../src/internal/store/memory.ts"
import type { Reservation } from "../../../src/Reservation.ts"
import type { Store } from "../../../src/StoreProtocol.ts"
import type * as Usage from "../../../src/Usage.ts"
import { Random } from "../random.ts"
import type { Entry, Happening, Log } from "./log.ts"
import { type BudgetPlan, type Call, type Deed, isExact, type Program, type Step } from "./program.ts"
import { World } from "./virtualTime.ts"

/** What is shared is in a store that is made for this run. */
export const run = (program: Program, makeStore: Effect.Effect<Store> = makeMemory): Log =>
  new Driver(program, makeStore).run()

/** How a call fails of its own accord. */
class CallFailed {
  readonly _tag = "CallFailed"
}

interface Made {
  readonly budget: Budget.Budget
  readonly scope: Scope.Closeable
}

class Driver {
  readonly #program: Program
  readonly #makeStore: Effect.Effect<Store>
  readonly #world: World
  readonly #made: Array<Made> = []
  readonly #entries: Array<Entry> = []
  readonly #fibers = new Map<number, Fiber.Fiber<unknown, unknown>>()
  /** Calls that have asked and neither gone on nor been interrupted since. */
  readonly #asking = new Set<number>()
  readonly #woken: Array<{ readonly call: Call; readonly entry: { open: number | undefined } }> = []
  readonly #events = new Map<number, Array<BudgetEvent>>()
  readonly #ties: Array<number> = []
  #sharing: Context.Context<BudgetStore.BudgetStore> | undefined
  #setBack = 0
  /** Whether the driver has nothing left to do. */
  #isEnding = false

  constructor(program: Program, makeStore: Effect.Effect<Store>) {
    this.#program = program
    this.#makeStore = makeStore
    this.#world = new World(program.startsAt, program, new Random(1))
    this.#world.afterTask = () => this.#interruptWoken()
  }

  run(): Log {
    for (const plan of this.#program.budgets) this.#made.push(this.#make(plan))
    for (const budget of this.#program.heard) this.#listen(budget)
    for (const call of this.#program.calls) if (call.isEarly) this.#start(call, this.#sleepUntil(call.at))
    this.#rest()
    for (const { at, act } of this.#schedule()) {
      this.#passTo(at)
      act()
      this.#rest()
    }
    this.#isEnding = true
    this.#passTo(Number.POSITIVE_INFINITY)
    return this.#end()
  }

  get #elapsed(): number {
    return this.#world.now + this.#setBack - this.#program.startsAt
  }

  /** Calls that are not over. */
  get #running(): ReadonlyArray<number> {
    return [...this.#fibers].filter(([, fiber]) => fiber.pollUnsafe() === undefined).map(([id]) => id)
  }

  #end(): Log {
    const stuck = this.#running
    this.#snapshots()
    const { fired, sleepingMax } = this.#world.budgetClock
    return {
      program: this.#program,
      entries: this.#entries,
      stuck,
      events: this.#events,
      ties: this.#ties,
      timersFired: fired,
      timersMax: sleepingMax
    }
  }

  #make({ isShadow, isShared, limits, name, onFailure, weight, within }: BudgetPlan): Made {
    const scope = Scope.makeUnsafe()
    const outer = within.map((index) => this.#made[index]!.budget)
    const options = { name, limits, weight, onFailure, shadow: isShadow, within: outer }
    const making = isShared
      ? Effect.provide(Budget.make({ ...options, key: `{all}/${name}` }), this.#store())
      : Budget.make(options)
    return { budget: this.#await(Effect.provideService(making, Scope.Scope, scope)), scope }
  }

  #store(): Context.Context<BudgetStore.BudgetStore> {
    const layer = BudgetStore.layer(this.#makeStore, { ahead: this.#program.aheadMillis })
    this.#sharing ??= this.#await(withSeed(Layer.buildWithScope(layer, Scope.makeUnsafe()), 1))
    return this.#sharing
  }

  /** Runs something that needs no time. */
  #await<A, E>(effect: Effect.Effect<A, E>): A {
    const fiber = this.#world.fork(effect, this.#world.budgetClock)
    this.#world.rest()
    return Effect.runSync(Effect.flatten(Effect.fromNullishOr(fiber.pollUnsafe())))
  }

  #listen(budget: number): void {
    const told: Array<BudgetEvent> = []
    this.#events.set(budget, told)
    this.#world.fork(Stream.runForEach(this.#budget(budget).events, (event) => Effect.sync(() => told.push(event))))
    this.#world.rest()
  }

  /** Everything that the driver itself does, in order. */
  #schedule(): ReadonlyArray<{ readonly at: number; readonly act: () => void }> {
    const { calls, deeds } = this.#program
    const starts = calls.flatMap((call) =>
      call.isEarly ? [] : [{ at: call.at, act: () => this.#start(call, Effect.void) }]
    )
    const interruptions = calls.flatMap((call) =>
      call.interruptAt === undefined ? [] : [{ at: call.interruptAt, act: () => this.#interrupt(call) }]
    )
    const others = deeds.map((deed) => ({ at: deed.at, act: () => this.#perform(deed) }))
    return [...starts, ...others, ...interruptions].sort((a, b) => a.at - b.at)
  }

  /** Lets time go on to an instant, and stops wherever something happens on the way. */
  #passTo(elapsed: number): void {
    for (let due = this.#world.nextDue; due < Number.POSITIVE_INFINITY; due = this.#world.nextDue) {
      if (due + this.#setBack - this.#program.startsAt > elapsed) break
      if (this.#world.budgetClock.nextDue === this.#world.programClock.nextDue) this.#ties.push(due + this.#setBack)
      this.#world.setTime(Math.max(due, this.#world.now))
      this.#rest()
    }
    if (elapsed === Number.POSITIVE_INFINITY || elapsed <= this.#elapsed) return
    this.#world.setTime(elapsed - this.#setBack + this.#program.startsAt)
    this.#rest()
  }

  #rest(): void {
    this.#world.rest()
    this.#write({ is: "rest", timers: this.#world.budgetClock.sleeping })
    // A store that is asked sets a timer, so that whoever watched on when all is over would never come to an end.
    if (this.#program.isWatched && !(this.#isEnding && this.#running.length === 0)) this.#snapshots()
  }

  #perform(deed: Deed): void {
    if (deed.do === "setBack") {
      this.#snapshots()
      this.#setBack += deed.millis
      this.#world.setTime(this.#world.now - deed.millis)
      this.#write({ is: "deed", deed, isRefused: false })
      this.#snapshots()
      return
    }
    const fiber = this.#world.fork(this.#deed(deed))
    this.#world.rest()
    const exit = fiber.pollUnsafe()
    if (exit === undefined || (exit._tag === "Failure" && Exit.findErrorOption(exit)._tag === "None")) {
      throw new Error(`${deed.do} did not end, or died: ${String(exit)}`)
    }
    if (exit._tag === "Failure") this.#write({ is: "deed", deed, isRefused: true })
  }

  #deed(deed: Exclude<Deed, { do: "setBack" }>): Effect.Effect<void, BudgetError> {
    const { budget, scope } = this.#made[deed.budget]!
    const done = Effect.sync(() => this.#write({ is: "deed", deed, isRefused: false }))
    switch (deed.do) {
      case "charge":
        // Written before, because whom a charge fails is told within it.
        return Effect.suspend(() => {
          const at = this.#entries.length
          this.#write({ is: "deed", deed, isRefused: false })
          return Effect.tapError(budget.charge(deed.usage), () => Effect.sync(() => this.#entries.splice(at, 1)))
        })
      case "pause":
        return Effect.andThen(
          done,
          budget.pauseUntil(DateTime.makeUnsafe(this.#world.now + deed.until - deed.at), {
            resume: deed.isGradual ? "gradual" : "atOnce"
          })
        )
      case "update":
        return Effect.andThen(done, budget.updateLimits(deed.limits))
      case "close":
        return Effect.andThen(done, Scope.close(scope, Exit.void))
    }
  }

  #start(call: Call, before: Effect.Effect<void>): void {
    const fiber = this.#world.fork(Effect.andThen(before, this.#call(call)), this.#world.programClock, () =>
      this.#noteWake(call)
    )
    this.#fibers.set(call.id, fiber)
    fiber.addObserver((exit) => {
      this.#asking.delete(call.id)
      const error = Exit.findErrorOption(exit)
      if (error._tag === "Some" && error.value instanceof BudgetError) {
        this.#write({ is: "refused", call: call.id, error: error.value })
      }
      const isInterrupted = exit._tag === "Failure" && exit.cause.reasons.some((reason) => reason._tag === "Interrupt")
      this.#write({
        is: "over",
        call: call.id,
        exit: exit._tag === "Success" ? "success" : isInterrupted ? "interruption" : "failure"
      })
    })
  }

  #call(call: Call): Effect.Effect<unknown, unknown> {
    return Effect.suspend(() => {
      this.#write({ is: "asked", call: call.id })
      this.#asking.add(call.id)
      const { hasDeadline, maxWait } = call
      return hasDeadline && maxWait !== undefined ? Deadline.within(maxWait)(this.#ask(call)) : this.#ask(call)
    })
  }

  #ask(call: Call): Effect.Effect<unknown, unknown> {
    const { estimate, hasDeadline, least, maxWait, onFailure, priority } = call
    const budget = this.#budget(call.budget)
    const options: Budget.ReserveOptions = {
      priority,
      least,
      ...(maxWait === undefined || hasDeadline ? {} : { maxWait }),
      ...(onFailure === undefined ? {} : { onFailure }),
      ...(call.hasOnWait ? { onWait: (place) => Effect.asVoid(place) } : {})
    }
    switch (call.via) {
      case "reserve":
        return Effect.scoped(Effect.flatMap(budget.reserve(estimate, options), (held) => this.#body(call, held)))
      case "tryReserve":
        return Effect.scoped(
          Effect.flatMap(
            budget.tryReserve(estimate, onFailure === undefined ? { least } : { least, onFailure }),
            (held) => this.#body(call, held)
          )
        )
      case "withReservation":
        return budget.withReservation(estimate, (held) => this.#body(call, held), options)
      case "spend": {
        const { actual } = call
        const body = this.#body(call, undefined)
        if (actual === undefined) return budget.spend({ ...options, estimate })(body)
        return budget.spend({ ...options, estimate, actual: () => thrownOr(actual) })(body)
      }
    }
  }

  #body(call: Call, held: Reservation | undefined): Effect.Effect<void, CallFailed> {
    const { end, id, steps } = call
    const started = Effect.sync(() => {
      this.#asking.delete(id)
      this.#write({ is: "started", call: id, granted: held?.granted })
    })
    const worked = Effect.forEach(steps, (step) => this.#step(id, step, held), { discard: true })
    const ending = {
      success: Effect.void,
      failure: Effect.fail(new CallFailed()),
      defect: Effect.die(new Error("defect")),
      never: Effect.never
    }[end]
    return started.pipe(
      Effect.andThen(worked),
      Effect.andThen(ending),
      Effect.onExit((exit) =>
        Effect.sync(() => {
          this.#write({ is: "ended", call: id, exit: exit._tag === "Success" ? "success" : "failure" })
        })
      )
    )
  }

  #step(id: number, step: Step, held: Reservation | undefined): Effect.Effect<void> {
    if (step.do === "sleep") return Effect.sleep(step.millis)
    if (held === undefined) throw new Error("spend holds no reservation")
    return Effect.suspend(() => {
      switch (step.do) {
        case "commit":
          this.#write({ is: "commit", call: id, usage: step.usage })
          return held.commit(step.usage)
        case "record":
          this.#write({ is: "record", call: id, usage: step.usage })
          return held.record(step.usage)
        case "release":
          this.#write({ is: "release", call: id })
          return held.release
      }
    })
  }

  #interrupt({ id }: Call): void {
    const fiber = this.#fibers.get(id)
    if (fiber === undefined || fiber.pollUnsafe() !== undefined) return
    this.#asking.delete(id)
    this.#write({ is: "interrupted", call: id })
    fiber.interruptUnsafe()
  }

  #noteWake(call: Call): void {
    if (!isExact(this.#program) || !this.#asking.has(call.id)) return
    this.#asking.delete(call.id)
    const entry: Extract<Happening, { is: "woken" }> = { is: "woken", call: call.id, open: undefined }
    this.#entries.push(Object.assign(entry, this.#times()))
    if (call.isInterruptedOnWake) this.#woken.push({ call, entry })
  }

  #interruptWoken(): void {
    for (let woken = this.#woken.pop(); woken !== undefined; woken = this.#woken.pop()) {
      woken.entry.open = Effect.runSync(this.#budget(woken.call.budget).snapshot).open
      this.#interrupt(woken.call)
    }
  }

  #sleepUntil(at: number): Effect.Effect<void> {
    return Effect.suspend(() => Effect.sleep(at - this.#elapsed))
  }

  #snapshots(): void {
    for (const [budget, made] of this.#made.entries()) {
      this.#write({ is: "snapshot", budget, snapshot: this.#snapshot(budget, made) })
    }
  }

  /** A store takes a moment to tell. What it tells is a snapshot only if nothing happens meanwhile. */
  #snapshot(budget: number, made: Made): Budget.Snapshot {
    if (!this.#program.budgets[budget]!.isShared) return Effect.runSync(made.budget.snapshot)
    for (;;) {
      this.#await(made.budget.snapshot)
      const happened = this.#entries.length
      const snapshot = this.#await(made.budget.snapshot)
      if (this.#entries.length === happened) return snapshot
    }
  }

  #budget(index: number): Budget.Budget {
    return this.#made[index]!.budget
  }

  #write(happening: Happening): void {
    this.#entries.push({ ...happening, ...this.#times() })
  }

  #times(): { readonly wall: number; readonly now: number; readonly step: number } {
    return { wall: this.#world.now, now: this.#world.now + this.#setBack, step: this.#world.steps }
  }
}

const thrownOr = (actual: Usage.Usage | "throws"): Usage.Usage => {
  if (actual === "throws") throw new Error("the result cannot be read")
  return actual
}
