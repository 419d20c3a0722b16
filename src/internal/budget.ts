import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as Budget from "../Budget.ts"
import * as BudgetError from "../BudgetError.ts"
import type { BudgetEvent } from "../BudgetEvent.ts"
import { BudgetStore } from "../BudgetStore.ts"
import type * as Limit from "../Limit.ts"
import * as Meter from "../Meter.ts"
import type { Reservation } from "../Reservation.ts"
import * as Usage from "../Usage.ts"
import { Admission } from "./admission/admission.ts"
import { type Hold, problemWith } from "./admission/hold.ts"
import type { Shared } from "./admission/link.ts"
import { BudgetNode, type Conduct } from "./admission/node.ts"
import { isCarvedTwice, SliceNode } from "./admission/slice.ts"
import { enter, exitUnentered, type Manner } from "./enter.ts"
import { isHeard, tell } from "./admission/listeners.ts"
import { events } from "./events.ts"
import { Ledger } from "./ledger.ts"
import { CurrentObserver, type Observer } from "./observer.ts"
import { fullness } from "./limit/fullness.ts"
import type { LimitState } from "./limit/state.ts"
import { commit, commitResult, OpenReservation, settleAtEnd } from "./settlement.ts"
import type { Sharing } from "./store/sharing.ts"

/** A budget over a ledger: the shell of effects around the admission. */
class BudgetImpl implements Budget.Budget {
  readonly name: string
  readonly admission: Admission
  readonly node: BudgetNode
  readonly within: ReadonlyArray<Budget.Budget>
  readonly #onFailure: Budget.OnFailure

  constructor(
    admission: Admission,
    node: BudgetNode,
    within: ReadonlyArray<Budget.Budget>,
    onFailure: Budget.OnFailure
  ) {
    this.name = node.name
    this.admission = admission
    this.node = node
    this.within = within
    this.#onFailure = onFailure
  }

  reserve(
    estimate: Usage.Usage,
    options?: Budget.ReserveOptions
  ): Effect.Effect<Reservation, BudgetError.BudgetError, Scope.Scope> {
    const manner = mannerOf(options)
    const onFailure = options?.onFailure ?? this.#onFailure
    const { admission, node } = this
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.scope, (scope) => {
        const hold = admission.ask(node, estimate, manner.least, manner.priority)
        const settleWithScope = (): Effect.Effect<Reservation> => {
          hold.hasBegun = true
          return Effect.as(
            Scope.addFinalizerExit(scope, (exit) =>
              Effect.suspend(() => settleAtEnd(admission, hold, exit, onFailure))
            ),
            new OpenReservation(admission, hold)
          )
        }
        const open = (): Effect.Effect<Reservation, BudgetError.BudgetError> => {
          const entering = enter(admission, hold, manner, settleWithScope)
          if (hold.waiter === undefined && (hold.ticket?.isAdmitted ?? true)) return entering
          // An interruption can replace the success of a waiting that has ended: then the hold is open, and nobody's.
          return Effect.onExit(restore(entering), (exit) => {
            if (exit._tag === "Success") return Effect.void
            exitUnentered(admission, hold, exit)
            return settleAtEnd(admission, hold, exit, "release")
          })
        }
        const { tracing } = node
        return tracing === undefined ? open() : tracing.opening(hold.arrival, scope, Effect.suspend(open))
      })
    )
  }

  tryReserve(
    estimate: Usage.Usage,
    options?: Budget.TryReserveOptions
  ): Effect.Effect<Reservation, BudgetError.BudgetError, Scope.Scope> {
    return this.reserve(estimate, { ...options, maxWait: 0 })
  }

  withReservation<A, E, R>(
    estimate: Usage.Usage,
    body: (reservation: Reservation) => Effect.Effect<A, E, R>,
    options?: Budget.ReserveOptions
  ): Effect.Effect<A, E | BudgetError.BudgetError, R> {
    const { admission } = this
    const onFailure = options?.onFailure ?? this.#onFailure
    return this.#use(
      estimate,
      mannerOf(options),
      beginning(onFailure, (hold) => body(new OpenReservation(admission, hold))),
      (hold, exit) => settleAtEnd(admission, hold, exit, onFailure)
    )
  }

  spend<A>(
    options: Budget.SpendOptions | Budget.SpendActualOptions<A>
  ): <E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | BudgetError.BudgetError, R> {
    const { admission } = this
    const { actual, estimate } = options
    const manner = mannerOf(options)
    const onFailure = options.onFailure ?? this.#onFailure
    return <E, R>(self: Effect.Effect<A, E, R>) =>
      this.#use<A, E, R>(
        estimate,
        manner,
        beginning(onFailure, () => self),
        (hold, exit) =>
          actual !== undefined && exit._tag === "Success"
            ? commitResult(admission, hold, actual, exit.value)
            : settleAtEnd(admission, hold, exit, onFailure)
      )
  }

  charge(usage: Usage.Usage): Effect.Effect<void, BudgetError.BudgetError> {
    return Effect.suspend(() => {
      const path = this.admission.path(this.node)
      const problem = problemWith(path, usage)
      if (problem !== undefined) {
        return Effect.fail(BudgetError.make(new BudgetError.InvalidUsage({ budget: this.name, problem })))
      }
      this.admission.charge(path, usage)
      if (isHeard(path)) tell(path, { _tag: "Charged", budget: this.name, usage })
      return Effect.void
    })
  }

  get snapshot(): Effect.Effect<Budget.Snapshot> {
    const { admission, node } = this
    const here = Effect.sync(() => snapshotOf(node, admission))
    return node.shared === undefined ? here : Effect.andThen(node.shared.link.look([node]), here)
  }

  get events(): Stream.Stream<BudgetEvent> {
    return events(this.node, this.admission.timeline)
  }

  pauseUntil(instant: DateTime.DateTime.Input, options?: Budget.PauseOptions): Effect.Effect<void> {
    return Effect.sync(() => {
      const untilWall = DateTime.makeUnsafe(instant).epochMilliseconds
      this.admission.pause(this.node, untilWall, options?.resume === "gradual")
    })
  }

  tighten(window: Budget.ProviderWindow): Effect.Effect<void> {
    return Effect.sync(() => {
      const meter = Meter.fromInput(window.meter)
      const limit = Meter.amount(meter, window.limit)
      const remaining = Meter.amount(meter, window.remaining)
      if (!Usage.isAmount(limit) || !Usage.isAmount(remaining)) return
      const path = this.admission.path(this.node)
      this.admission.tighten(this.node, { meter, limit, remaining }, (tightened) => {
        for (const { by, limit } of tightened) tell(path, { _tag: "Tightened", budget: this.name, limit, by })
      })
    })
  }

  updateLimits(limits: ReadonlyArray<Limit.Limit>): Effect.Effect<void> {
    return Effect.sync(() => this.admission.update(this.node, limits))
  }

  /** Runs a body while a hold is open. The settlement is in place before anything is taken. */
  #use<A, E, R>(
    estimate: Usage.Usage,
    manner: Manner,
    body: (hold: Hold) => Effect.Effect<A, E, R>,
    settle: (hold: Hold, exit: Exit.Exit<A, E | BudgetError.BudgetError>) => Effect.Effect<void>
  ): Effect.Effect<A, E | BudgetError.BudgetError, R> {
    const { admission, node } = this
    return Effect.suspend(() => {
      const hold = admission.ask(node, estimate, manner.least, manner.priority)
      const { tracing } = node
      if (tracing === undefined) return use(admission, hold, manner, body, settle)
      return tracing.around(hold.arrival, (beneath) =>
        use(admission, hold, manner, (hold) => beneath(body(hold)), settle)
      )
    })
  }
}

const use = <A, E, R>(
  admission: Admission,
  hold: Hold,
  manner: Manner,
  body: (hold: Hold) => Effect.Effect<A, E, R>,
  settle: (hold: Hold, exit: Exit.Exit<A, E | BudgetError.BudgetError>) => Effect.Effect<void>
): Effect.Effect<A, E | BudgetError.BudgetError, R> =>
  Effect.onExit(
    Effect.suspend(() => enter(admission, hold, manner, body)),
    (exit) => {
      if (hold.status === "open") return settle(hold, exit)
      exitUnentered(admission, hold, exit)
      return Effect.void
    }
  )

/** Makes a budget whose counters live as long as its scope, or in a store. */
export function make(
  options: MakeOptions & { readonly key: string }
): Effect.Effect<Budget.Budget, never, Scope.Scope | BudgetStore>
export function make(
  options: MakeOptions & { readonly key?: undefined }
): Effect.Effect<Budget.Budget, never, Scope.Scope>
export function make(
  options: MakeOptions & { readonly key?: string | undefined }
): Effect.Effect<Budget.Budget, never, Scope.Scope | BudgetStore> {
  const { key } = options
  return Effect.flatMap(Admission.current, (admission) =>
    key === undefined
      ? open(admission, makeNode(admission, options), options)
      : BudgetStore.use((sharing) => open(admission, makeSharedNode(admission, sharing, key, options), options))
  )
}

/** Makes the node of a budget. Throws when the options make no sense. */
export const makeNode = (admission: Admission, options: MakeOptions): BudgetNode =>
  nodeOf(admission, options, admission.start, undefined)

/** Makes the node of a budget whose counters are found in a store, under a key. */
export const makeSharedNode = (
  admission: Admission,
  sharing: Sharing,
  key: string,
  options: MakeOptions
): BudgetNode => {
  const { name, within = [] } = options
  if (sharing.admission !== admission) {
    throw new RangeError(`Budget "${name}": it and its store must be made under the same Clock`)
  }
  const around = sharedAround(
    admission,
    within.map((budget) => implementationOf(name, budget).node)
  )
  if (around.some(({ shared }) => shared?.key === key)) {
    throw new RangeError(`Budget "${name}": a budget around it has the key "${key}", too`)
  }
  const group = around[0]?.shared?.link.group ?? groupOf(key)
  const channel = sharing.channelOf(group)
  const start = (limit: Limit.Limit) => (limit._tag === "PerCall" ? admission.start(limit) : channel.stateOf(limit))
  return nodeOf(admission, options, start, { key, link: channel })
}

/** Budgets that are reserved together have to be in one place of a store: that of the outermost one. */
const sharedAround = (admission: Admission, outer: ReadonlyArray<BudgetNode>): ReadonlyArray<BudgetNode> =>
  outer.flatMap((node) => admission.path(node).nodes.filter(({ shared }) => shared !== undefined)).toReversed()

/** As Redis reads keys: what stands in braces says where a key belongs. */
export const groupOf = (key: string): string => /\{([^{}]+)\}/.exec(key)?.[1] ?? key

const nodeOf = (
  admission: Admission,
  options: MakeOptions,
  start: (limit: Limit.Limit) => LimitState,
  shared: Shared | undefined
): BudgetNode => {
  const { limits, name, weight = 1, within = [] } = options
  const outer = within.map((budget) => implementationOf(name, budget))
  if (outer.some((budget) => budget.admission !== admission)) {
    throw new RangeError(`Budget "${name}": it and the budgets it is within must be made under the same Clock`)
  }
  const node = new BudgetNode(
    name,
    positiveWeight(name, weight),
    outer.map(({ node }) => node),
    new Ledger(limits, start),
    conductOf(name, options),
    shared
  )
  const links = new Set(admission.path(node).nodes.flatMap(({ shared }) => shared?.link ?? []))
  if (links.size > 1) {
    const groups = [...links].map(({ group }) => `"${group}"`).join(" and ")
    throw new RangeError(
      `Budget "${name}": budgets that are reserved together must be of one group of one store, got ${groups}. Put the ` +
        `same word in braces into their keys, as in "{acme}/key"`
    )
  }
  if (outer.length < 2 || !isCarvedTwice(admission.path(node))) return node
  throw new RangeError(`Budget "${name}": it cannot be within two slices that are carved out of the same budget`)
}

/** Carves a budget out of another one, for as long as its scope is open. */
export const slice = (options: SliceOptions): Effect.Effect<Budget.Budget, BudgetError.BudgetError, Scope.Scope> => {
  const manner: Manner = { ...patient, maxWaitMillis: Duration.toMillis(options.maxWait ?? 0) }
  return Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.zip(Admission.current, Effect.scope), ([admission, scope]) => {
      const node = makeSlice(admission, options)
      let unobserve: (() => void) | undefined
      const end = Effect.sync(() => {
        admission.close(node)
        admission.endSlice(node)
        unobserve?.()
      })
      const hold = admission.askToCarve(node)
      const entering = enter(admission, hold, manner, () =>
        Effect.flatMap(CurrentObserver, (observer) => {
          unobserve = observer?.observe(node, admission.timeline)
          return Effect.as(
            Scope.addFinalizer(scope, end),
            new BudgetImpl(admission, node, [options.from], options.onFailure ?? "release")
          )
        })
      )
      if (hold.waiter === undefined) return entering
      return Effect.onExit(restore(entering), (exit) => {
        if (exit._tag === "Success") return Effect.void
        exitUnentered(admission, hold, exit)
        return end
      })
    })
  )
}

const makeSlice = (admission: Admission, options: SliceOptions): SliceNode => {
  const { from, limits, name, weight = 1 } = options
  const outer = implementationOf(name, from)
  if (outer.admission !== admission) {
    throw new RangeError(`Budget "${name}": it and the budget it is carved out of must be made under the same Clock`)
  }
  if (!limits.some((limit) => limit._tag === "Cap")) {
    throw new RangeError(`Budget "${name}": a slice needs a cap, which says how much is set aside for it`)
  }
  const conduct = conductOf(name, options)
  if (conduct.isShadow) throw new RangeError(`Budget "${name}": a slice cannot be a shadow: others rely on its caps`)
  return new SliceNode(name, positiveWeight(name, weight), outer.node, new Ledger(limits, admission.start), conduct)
}

/** Room that is kept in a budget's own caps. */
export interface KeptRoom {
  readonly giveBack: Effect.Effect<void>
  /** How much of a limit it is, or was before it was given back. */
  readonly amountOf: (limit: Limit.Limit) => number
}

/** Keeps room for a usage in a budget's own caps until it is given back. Nobody waits for that room. */
export const keep = (budget: Budget.Budget, usage: Usage.Usage): Effect.Effect<KeptRoom> =>
  Effect.sync(() => {
    const { admission, node } = implementationOf(budget.name, budget)
    const kept = admission.keep(node, usage)
    let isKept = true
    return {
      giveBack: Effect.sync(() => {
        if (isKept) admission.giveBack(node, kept)
        isKept = false
      }),
      amountOf: (limit) => kept.find(({ state }) => state.limit === limit)?.amount ?? 0
    }
  })

/**
 * Spends a usage at once or not at all, without being open in between: nobody is refused for what may yet come back.
 */
export const spendAtOnce = (budget: Budget.Budget, usage: Usage.Usage): Effect.Effect<void, BudgetError.BudgetError> =>
  Effect.suspend(() => {
    const { admission, node } = implementationOf(budget.name, budget)
    const hold = admission.ask(node, usage, undefined, patient.priority)
    return enter(admission, hold, { ...patient, maxWaitMillis: 0 }, () => commit(admission, hold, usage))
  })

/** Gives a node that was left other limits, another weight and another conduct. */
export const reopenNode = (admission: Admission, node: BudgetNode, options: Budget.Options): void => {
  const { limits, weight = 1 } = options
  admission.update(node, limits, conductOf(node.name, options))
  node.weight = positiveWeight(node.name, weight)
}

const positiveWeight = (name: string, weight: number): number => {
  if (weight > 0 && Number.isFinite(weight)) return weight
  throw new RangeError(`Budget "${name}": weight must be a positive number, got ${weight}`)
}

const conductOf = (name: string, { shadow = false, thresholds = [] }: Budget.Options): Conduct => {
  const wrong = thresholds.find((threshold) => !(threshold > 0 && Number.isFinite(threshold)))
  if (wrong === undefined) return { isShadow: shadow, thresholds }
  throw new RangeError(`Budget "${name}": thresholds must be finite numbers above zero, got ${String(wrong)}`)
}

/** A budget over a node, in whose line nobody waits any longer than the scope is open. */
export const open = (
  admission: Admission,
  node: BudgetNode,
  { onFailure = "release", within = [] }: Pick<MakeOptions, "onFailure" | "within">
): Effect.Effect<Budget.Budget, never, Scope.Scope> =>
  Effect.withFiber((fiber) => {
    node.shared?.link.enter(node)
    const unobserve = fiber.getRef(CurrentObserver)?.observe(node, admission.timeline)
    const close = Effect.sync(() => {
      admission.close(node)
      node.shared?.link.exit(node)
      unobserve?.()
    })
    return Effect.as(
      Effect.addFinalizer(() => close),
      new BudgetImpl(admission, node, within, onFailure)
    )
  })

/** Lets an observer see a budget as long as the scope is open, unless it was not made here: then there is nothing to see. */
export const observe = (observer: Observer, budget: Budget.Budget): Effect.Effect<void, never, Scope.Scope> =>
  budget instanceof BudgetImpl
    ? Effect.asVoid(
        Effect.acquireRelease(
          Effect.sync(() => observer.observe(budget.node, budget.admission.timeline)),
          (unobserve) => Effect.sync(unobserve)
        )
      )
    : Effect.void

/** Whether the reservations of a budget are put into spans. */
export const isTraced = (budget: Budget.Budget): boolean =>
  budget instanceof BudgetImpl && budget.node.tracing !== undefined

/** The budgets of a path that are within no other, each once: they stand for the provider's key. */
export const outermostOf = (budget: Budget.Budget): ReadonlyArray<Budget.Budget> =>
  budget instanceof BudgetImpl && budget.within.length > 0 ? [...new Set(budget.within.flatMap(outermostOf))] : [budget]

/**
 * Whether any limit on the path of a budget counts money, as far as anybody knows: a meter of the user's own may, and
 * so may a budget that was not made here. Shadow limits do not ask for it, because no call may fail for them.
 */
export const countsMoney = (budget: Budget.Budget): boolean => {
  if (!(budget instanceof BudgetImpl)) return true
  const { gates } = budget.admission.path(budget.node)
  return gates.some(({ isShadow, meter }) => !isShadow && (meter === Meter.usd || !Meter.isBuiltIn(meter)))
}

/** How full the fullest limit is that can keep a request of a budget out, as a fraction of its maximum. */
export const utilisation = (budget: Budget.Budget): Effect.Effect<number> =>
  budget instanceof BudgetImpl
    ? Effect.suspend(() => {
        const { shared } = budget.admission.path(budget.node)
        const here = Effect.sync(() => utilisationOf(budget))
        return shared === undefined ? here : Effect.andThen(shared.link.look(shared.nodes), here)
      })
    : Effect.map(budget.snapshot, ({ limits }) => fullest(limits))

const utilisationOf = ({ admission, node }: BudgetImpl): number => {
  const now = admission.timeline.now()
  return fullest(
    admission.path(node).gates.flatMap(({ isShadow, state }) => {
      const { limit } = state
      return isShadow || limit._tag === "Pause" ? [] : [{ limit, used: state.used(now) }]
    })
  )
}

const fullest = (limits: ReadonlyArray<Pick<Budget.LimitSnapshot, "limit" | "used">>): number => {
  let most = 0
  for (const { limit, used } of limits) {
    if (limit._tag !== "PerCall") most = Math.max(most, fullness(used, limit.max))
  }
  return most
}

/** What a budget is made of, its name and surroundings included. */
type MakeOptions = Budget.MakeOptions

type SliceOptions = Parameters<typeof Budget.slice>[0]

/** Notes that the call has begun, where that makes a difference to what an interruption costs. */
const beginning = <A, E, R>(
  onFailure: Budget.OnFailure,
  body: (hold: Hold) => Effect.Effect<A, E, R>
): ((hold: Hold) => Effect.Effect<A, E, R>) =>
  onFailure === "release"
    ? body
    : (hold) =>
        Effect.suspend(() => {
          hold.hasBegun = true
          return body(hold)
        })

const implementationOf = (name: string, budget: Budget.Budget): BudgetImpl => {
  if (budget instanceof BudgetImpl) return budget
  throw new RangeError(`Budget "${name}": within takes budgets made by Budget.make or Budget.Service`)
}

/** What is behind a budget, for whoever watches it from within the library. */
export const anatomyOf = (budget: Budget.Budget): { readonly admission: Admission; readonly node: BudgetNode } => {
  if (budget instanceof BudgetImpl) return budget
  throw new RangeError(`Budget "${budget.name}": only budgets made by Budget.make or Budget.Service can be recorded`)
}

const mannerOf = (options: Budget.ReserveOptions | undefined): Manner =>
  options === undefined
    ? patient
    : {
        least: options.least,
        maxWaitMillis: options.maxWait === undefined ? Number.POSITIVE_INFINITY : Duration.toMillis(options.maxWait),
        priority: options.priority ?? 0,
        onWait: options.onWait
      }

const patient: Manner = { least: undefined, maxWaitMillis: Number.POSITIVE_INFINITY, priority: 0, onWait: undefined }

const snapshotOf = (node: BudgetNode, { timeline }: Admission): Budget.Snapshot => {
  const now = timeline.now()
  const { ledger, shared } = node
  const seen = shared?.seen
  const sight = seen?.sight
  const pausedUntil = seen === undefined ? ledger.pause?.until : seen.at + seen.sight.pausedMillis
  return {
    name: node.name,
    limits: ledger.states.flatMap((state) => {
      const { limit, reserved } = state
      if (limit._tag === "Pause") return []
      const used = state.used(now)
      return [{ limit, used, reserved, available: Math.max(0, limit.max - used) }]
    }),
    open: sight?.open ?? ledger.open,
    waiting: [...node.lines].reduce((sum, line) => sum + line.size, 0),
    spent: { ...(sight?.spent ?? ledger.spent) },
    pausedUntil: pausedUntil === undefined || pausedUntil <= now ? undefined : pausedUntil - timeline.wallOffset,
    asOf: (shared === undefined ? now : (shared.seen?.at ?? 0)) - timeline.wallOffset
  }
}
