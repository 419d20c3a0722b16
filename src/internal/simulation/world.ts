import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Budget from "../../Budget.ts"
import { BudgetError } from "../../BudgetError.ts"
import type * as Limit from "../../Limit.ts"
import type { ProviderRecord, Recording } from "../../Recording.ts"
import * as Usage from "../../Usage.ts"
import { type Call, type Fleet, type FleetCall, WorkloadError } from "../../Workload.ts"
import type { BudgetNode } from "../admission/node.ts"
import { anatomyOf } from "../budget.ts"
import { Recorder } from "../recording/recorder.ts"
import { Provider } from "./provider.ts"
import type { Setting } from "./setting.ts"
import { VirtualTime } from "./virtualTime.ts"

type Request = Omit<Call, "at">

/** Budgets, a provider and whoever calls, in virtual time. The budgets are the real ones. */
export class World {
  readonly #time: VirtualTime
  readonly #recorder: Recorder
  readonly #root: Budget.Budget
  readonly #rootNode: BudgetNode
  readonly #tenants = new Map<string, Budget.Budget>()
  readonly #maxWait: Duration.Input | undefined
  readonly #provider: Provider | undefined
  /** The same provider, to whom calls are sent when they arrive. */
  readonly #unguarded: Provider | undefined
  readonly #providerLimits: ReadonlyArray<Limit.Limit>
  readonly #start: number
  #arrived = 0
  #running = 0
  #problem: WorkloadError | undefined
  #broken: Exit.Exit<unknown, unknown> | undefined

  constructor(setting: Setting, start: number) {
    const { limits, maxWait, name, provider, tenants = [], title = "simulation", traceMax } = setting
    const time = new VirtualTime(start)
    const make = (options: Budget.MakeOptions): Budget.Budget =>
      time.runNow(Effect.provideService(Budget.make(options), Scope.Scope, Scope.makeUnsafe()))
    this.#time = time
    this.#start = start
    this.#root = make({ name, limits })
    for (const { limits = [], name, weight } of tenants) {
      this.#tenants.set(name, make({ name, limits, weight, within: [this.#root] }))
    }
    this.#maxWait = maxWait
    this.#providerLimits = provider?.limits ?? []
    this.#provider = provider === undefined ? undefined : new Provider(provider.limits)
    this.#unguarded = provider === undefined ? undefined : new Provider(provider.limits)
    const nodes = [this.#root, ...this.#tenants.values()].map((budget) => anatomyOf(budget).node)
    this.#recorder = new Recorder({ title, startedAt: start, budgets: nodes, now: () => time.now, traceMax })
    this.#rootNode = anatomyOf(this.#root).node
    this.#rootNode.listeners = new Set([this.#recorder.hear])
  }

  get arrived(): number {
    return this.#arrived
  }

  get elapsedMillis(): number {
    return this.#time.now - this.#start
  }

  /** How many calls have had to wait so far, or wait, or were refused, when no call has come yet at this instant. */
  get hindered(): number {
    let waiting = 0
    for (const line of this.#rootNode.lines) waiting += line.size
    return this.#recorder.hindered + waiting
  }

  /** What is wrong with a call of a fleet. Nothing happens any more then. */
  get problem(): WorkloadError | undefined {
    return this.#problem
  }

  get isOver(): boolean {
    return this.#problem !== undefined || this.#time.nextAt === Number.POSITIVE_INFINITY
  }

  /** Lets time go on to an instant, so many milliseconds from the start, and everything happen that is due by then. */
  goTo(elapsedMillis: number): void {
    const at = this.#start + elapsedMillis
    while (this.#time.nextAt <= at) this.step()
    this.#passTo(at)
    this.#time.now = at
  }

  /** Lets a call come at its time. */
  arrive(call: Call): void {
    this.goTo(call.at)
    this.#ask(call, () => {})
    if (this.#unguarded !== undefined) this.#sendTo(this.#unguarded, call, () => {})
    this.#time.rest()
  }

  /** Lets the workers of a fleet begin. */
  employ(fleet: Fleet): void {
    const end = this.#start + fleet.durationMillis
    for (let worker = 0; worker < fleet.workers; worker++) {
      this.#work(fleet.callsOf(worker), worker, end, (call, then) => this.#ask(call, then))
      const unguarded = this.#unguarded
      if (unguarded !== undefined) {
        this.#work(fleet.callsOf(worker), worker, end, (call, then) => this.#sendTo(unguarded, call, then))
      }
    }
  }

  /** Lets the next thing happen. */
  step(): void {
    this.#passTo(this.#time.nextAt)
    this.#time.step()
    if (this.#broken !== undefined) Effect.runSync(this.#broken)
  }

  recording(): Recording {
    if (this.#running > 0) throw new Error(`Simulation: ${this.#running} calls have not come to an end`)
    return this.#recorder.recording(this.#providerRecord())
  }

  /** What is wrong with a call, if anything: the how manieth it is, and when the one ahead of it came. */
  problemOf(call: Call, number: number, last: number): WorkloadError | undefined {
    const { at } = call
    const problem =
      (Usage.isAmount(at) ? undefined : `at must be a whole number of milliseconds, got ${at}`) ??
      (at >= last ? undefined : `it comes at ${at} ms, before the one ahead of it (${last} ms)`) ??
      this.#problemOfRequest(call)
    return problem === undefined
      ? undefined
      : new WorkloadError({ problem: `call ${number} of the workload: ${problem}` })
  }

  #problemOfFleetCall(call: FleetCall, number: number, worker: number): WorkloadError | undefined {
    const { millis, thinkMillis } = call
    const problem =
      problemOfMillis("thinkMillis", thinkMillis) ??
      this.#problemOfRequest(call) ??
      // Who takes no time at all would never let the time pass.
      (thinkMillis + millis > 0 ? undefined : "with the thinking before it, it must take at least 1 ms")
    return problem === undefined
      ? undefined
      : new WorkloadError({ problem: `call ${number} of worker ${worker} of the workload: ${problem}` })
  }

  #problemOfRequest({ actual, estimate, millis, tenant }: Request): string | undefined {
    return (
      problemOfMillis("millis", millis) ??
      problemOf("estimate", estimate) ??
      problemOf("actual", actual) ??
      this.#problemOfTenant(tenant)
    )
  }

  #problemOfTenant(tenant: string | undefined): string | undefined {
    if (tenant === undefined || this.#tenants.size === 0 || this.#tenants.has(tenant)) return undefined
    return `it is of tenant "${tenant}", which is none of ${[...this.#tenants.keys()].join(", ")}`
  }

  /** Looks at the limits where steps of the recording begin, up to an instant. */
  #passTo(at: number): void {
    for (let next = this.#recorder.nextStepAt; next <= at && at < Number.POSITIVE_INFINITY;) {
      this.#time.now = next
      this.#recorder.look()
      next = this.#recorder.nextStepAt
    }
  }

  #ask(call: Request, then: (wasRefused: boolean) => void): void {
    const { actual, estimate, tenant } = call
    this.#arrived++
    this.#running++
    const budget = tenant === undefined ? this.#root : (this.#tenants.get(tenant) ?? this.#root)
    const spend = budget.spend<void>({ estimate, actual: () => actual, maxWait: this.#maxWait })
    this.#time.run(spend(this.#bodyOf(call)), (exit) => {
      this.#running--
      const wasRefused = isRefusal(exit)
      if (exit._tag === "Failure" && !wasRefused) this.#broken = exit
      then(wasRefused)
    })
  }

  #bodyOf({ actual, estimate, millis }: Request): Effect.Effect<void> {
    const running = this.#time.sleepMillis(millis)
    const provider = this.#provider
    if (provider === undefined) return running
    return Effect.suspend(() => {
      const sent = provider.send(estimate, this.#time.now)
      return sent === undefined ? running : Effect.map(running, () => provider.end(sent, actual, this.#time.now))
    })
  }

  #sendTo(provider: Provider, { actual, estimate, millis }: Request, then: (wasRefused: boolean) => void): void {
    const sent = provider.send(estimate, this.#time.now)
    this.#time.after(millis, () => {
      if (sent !== undefined) provider.end(sent, actual, this.#time.now)
      then(false)
    })
  }

  /** Makes one call after the other, as long as they begin before an instant. */
  #work(
    calls: Iterator<FleetCall, never>,
    worker: number,
    end: number,
    make: (call: Request, then: (wasRefused: boolean) => void) => void,
    number = 1
  ): void {
    const call = calls.next().value
    this.#problem ??= this.#problemOfFleetCall(call, number, worker)
    if (this.#problem !== undefined) return
    const next = (): void => this.#work(calls, worker, end, make, number + 1)
    this.#time.after(call.thinkMillis, () => {
      if (this.#time.now >= end) return
      make(call, (wasRefused) => {
        if (wasRefused) this.#time.after(call.millis, next)
        else next()
      })
    })
  }

  #providerRecord(): ProviderRecord | undefined {
    if (this.#provider === undefined || this.#unguarded === undefined) return undefined
    const told = ({ calls, throttled }: Provider) => ({ calls, throttled })
    return {
      limits: this.#providerLimits.map(({ max, meter, name }) => ({ name, meter: meter.name, max })),
      withBudget: told(this.#provider),
      withoutBudget: told(this.#unguarded)
    }
  }
}

const problemOfMillis = (what: string, millis: number): string | undefined =>
  Usage.isAmount(millis) ? undefined : `${what} must be a whole number of zero or more, got ${millis}`

const problemOf = (what: string, usage: Usage.Usage): string | undefined => {
  const problem = Usage.problem(usage)
  return problem === undefined ? undefined : `${what}: ${problem}`
}

const isRefusal = (exit: Exit.Exit<unknown, unknown>): boolean => {
  if (exit._tag === "Success") return false
  const error = Exit.findErrorOption(exit)
  return error._tag === "Some" && error.value instanceof BudgetError
}
