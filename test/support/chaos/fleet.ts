/**
 * Two hundred agents of four tenants with everything on: a run with a session cap and so many steps, within a tenant's
 * budget or carved out of it, within the provider's key; a circuit, a deadline for each task, time-outs, retries, shorter
 * answers, other answers, and interruptions. It writes down what happened.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Agent from "../../../src/Agent.ts"
import * as Breaker from "../../../src/Breaker.ts"
import * as Budget from "../../../src/Budget.ts"
import * as Deadline from "../../../src/Deadline.ts"
import * as Degradation from "../../../src/Degradation.ts"
import * as Guard from "../../../src/Guard.ts"
import * as Limit from "../../../src/Limit.ts"
import * as Usage from "../../../src/Usage.ts"
import type { Random } from "../random.ts"
import { Day } from "./day.ts"
import { Provider, type Request } from "./provider.ts"

export const dayMillis = 86_400_000

/** What the key, each tenant and each run may use. */
export const limits = {
  windowTokens: 6_000,
  windowMillis: 60_000,
  concurrency: 12,
  tenantTokens: 2_500,
  runTokens: 1_200,
  /** In all, for each tenant. */
  tenantCapTokens: 24_000
}

export const retries = 2
export const timeoutMillis = 45_000

/** One attempt at a call, from its admission on. */
export interface Attempt {
  readonly call: number
  readonly run: number
  readonly tenant: number
  readonly admittedAt: number
  readonly admittedOrder: number
  readonly reservedTokens: number
  readonly request: Request
}

export interface Task {
  readonly startedAt: number
  readonly deadlineAt: number
  readonly interruptAt: number | undefined
  endedAt: number | undefined
  /** How it ended: "done", or the tag of what it failed with. */
  end: string | undefined
}

export interface Transition {
  readonly order: number
  readonly at: number
  readonly to: "Open" | "HalfOpen" | "Closed"
}

export interface Log {
  readonly requests: ReadonlyArray<Request>
  readonly attempts: ReadonlyArray<Attempt>
  readonly tasks: ReadonlyArray<Task>
  readonly transitions: ReadonlyArray<Transition>
  /** When every budget is at rest: the key, then the tenants, then the runs. */
  readonly snapshots: ReadonlyArray<Budget.Snapshot>
}

interface Place {
  readonly run: number
  readonly tenant: number
  readonly at: number
  readonly from: Budget.Budget
  readonly context: Context.Context<Breaker.CircuitBreaker>
}

const AGENTS = 200
const TENANTS = 4

/** Runs a day. */
export const liveThrough = (random: Random): Log => {
  const day = new Day(random.fork())
  const provider = new Provider(day, random.fork(), dayMillis)
  const attempts: Array<Attempt> = []
  const tasks: Array<Task> = []
  const transitions: Array<Transition> = []
  const budgets: Array<Budget.Budget> = []
  const scope = Scope.makeUnsafe()

  const breaker = Layer.provide(Breaker.layer(), observed(day, transitions))
  const bursts = Array.from({ length: random.int(1, 4) }, () => random.int(0, dayMillis))

  const setUp = Effect.gen(function* () {
    const key = yield* Budget.make({
      name: "key",
      limits: [
        Limit.slidingWindow("tokens", limits.windowTokens, limits.windowMillis),
        Limit.concurrency(limits.concurrency)
      ]
    })
    budgets.push(key)
    const tenants = yield* Effect.all(
      Array.from({ length: TENANTS }, (_, tenant) =>
        Budget.make({
          name: `tenant ${tenant}`,
          limits: [
            Limit.slidingWindow("tokens", limits.tenantTokens, limits.windowMillis),
            Limit.cap("tokens", limits.tenantCapTokens)
          ],
          within: [key],
          weight: random.pick([1, 1, 2])
        })
      )
    )
    budgets.push(...tenants)
    const context = yield* Layer.build(breaker)
    for (let run = 0; run < AGENTS; run++) {
      const tenant = run % TENANTS
      const at = random.pick(bursts) + random.int(0, 60_000)
      day.start(agent({ run, tenant, at, from: tenants[tenant]!, context }))
    }
  })

  /** Each has a run of its own: within its tenant, or carved out of it. */
  const agent = ({ at, context, from, run, tenant }: Place) =>
    Effect.gen(function* () {
      yield* Effect.sleep(at)
      const bounds = { name: `run ${run}`, limits: [Limit.cap("tokens", limits.runTokens)], steps: 4 }
      const isSlice = random.chance(0.3)
      const { budget } = yield* Agent.make(isSlice ? { ...bounds, from } : { ...bounds, within: [from] })
      budgets.push(budget)
      const guard = yield* Effect.provide(
        Guard.make({
          budget,
          key: "provider/model",
          timeout: timeoutMillis,
          retries,
          whenOpen: random.weighted({ fail: 9, wait: 1 })
        }),
        context
      )
      const count = random.weighted({ 1: 3, 2: 2, 3: 1 })
      for (let step = 0; step < Number(count); step++) yield* task(guard, run, tenant)
    }).pipe(Effect.scoped)

  const task = (guard: Guard.Guard, run: number, tenant: number) =>
    Effect.suspend(() => {
      const allowed = random.magnitude(500, 900_000)
      const lifetime = random.chance(0.1) ? random.magnitude(1, allowed) : undefined
      const record: Task = {
        startedAt: day.now,
        deadlineAt: day.now + allowed,
        interruptAt: lifetime === undefined ? undefined : day.now + lifetime,
        endedAt: undefined,
        end: undefined
      }
      const call = tasks.push(record)
      const outputTokens = random.int(50, 800)
      const work = guard
        .withReservation(
          Usage.make({ outputTokens }),
          (reservation) => {
            const admitted = { admittedAt: day.now, admittedOrder: day.tick() }
            const reservedTokens = reservation.granted.outputTokens
            const request = provider.receive()
            attempts.push({ ...admitted, call, run, tenant, reservedTokens, request })
            return Effect.flatMap(provider.answer(request, reservedTokens), (usedTokens) =>
              reservation.commit(Usage.make({ outputTokens: usedTokens }))
            )
          },
          {
            least: random.chance(0.2) ? Usage.make({ outputTokens: 50 }) : undefined,
            priority: random.chance(0.1) ? 1 : 0,
            maxWait: random.chance(0.3) ? random.magnitude(1, 600_000) : undefined
          }
        )
        .pipe(
          Degradation.orElse(({ reason }) => Effect.sync(() => void (record.end = `refused: ${reason._tag}`))),
          Deadline.within(allowed, { task: `task ${call}` })
        )
      const cut = lifetime === undefined ? work : Effect.asVoid(Effect.timeoutOption(work, lifetime))
      return Effect.map(Effect.exit(cut), (exit) => {
        record.endedAt = day.now
        const error = Exit.findErrorOption(exit)
        record.end ??= Option.isNone(error) ? exit._tag : nameOf(error.value)
      })
    })

  day.start(Scope.provide(setUp, scope))
  day.pass()
  const snapshots = budgets.map((budget) => Effect.runSync(budget.snapshot))
  return { requests: provider.requests, attempts, tasks, transitions, snapshots }
}

/** Effect's store in memory, which forgets nothing on that day, and lets us know of each transition at the very moment. */
const observed = (day: Day, transitions: Array<Transition>) =>
  Layer.effect(
    CircuitBreaker.CircuitBreakerStore,
    Effect.map(CircuitBreaker.CircuitBreakerStore, (store) => {
      const note = (transition: CircuitBreaker.Transition | undefined) => {
        if (transition !== undefined) transitions.push({ order: day.tick(), at: day.now, to: transition.to })
      }
      return CircuitBreaker.CircuitBreakerStore.of({
        admit: (key) => Effect.tap(store.admit(key), ({ transition }) => Effect.sync(() => note(transition))),
        record: (outcome) => Effect.tap(store.record(outcome), (transition) => Effect.sync(() => note(transition))),
        state: store.state
      })
    })
  ).pipe(Layer.provide(CircuitBreaker.layerStoreMemory({ idleTimeToLive: "2 days" })))

const nameOf = (error: object): string => ("_tag" in error ? String(error._tag) : "failed")
