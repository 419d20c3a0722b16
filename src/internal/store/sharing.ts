import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Scheduler from "effect/Scheduler"
import type * as Scope from "effect/Scope"
import type { Options, WhenUnreachable } from "../../BudgetStore.ts"
import type { Store } from "../../StoreProtocol.ts"
import { Admission } from "../admission/admission.ts"
import { Channel, type Settings, type Surroundings } from "./channel.ts"

/** A store as the budgets of a process use it. */
export interface Sharing {
  /** Under whose clock it lives. */
  readonly admission: Admission
  /** The way to the store for the budgets of a group. */
  readonly channelOf: (group: string) => Channel
}

/** Lets the budgets of this process use a store, for as long as the scope is open. */
export const makeSharing = Effect.fnUntraced(function* (
  store: Store,
  options: Options
): Effect.fn.Return<Sharing, never, Scope.Scope> {
  const settings = settingsOf(options)
  const shutdown = positive("shutdown", options.shutdown ?? "5 seconds")
  const admission = yield* Admission.current
  const scope = yield* Effect.scope
  const around = yield* surroundings(scope)
  const channels = new Map<string, Channel>()
  yield* Effect.addFinalizer(() => Effect.forEach(channels.values(), close(shutdown), { concurrency: "unbounded" }))
  return {
    admission,
    channelOf: (group) => {
      const channel = channels.get(group) ?? new Channel(group, store, admission, settings, around)
      channels.set(group, channel)
      return channel
    }
  }
})

const surroundings = (scope: Scope.Scope): Effect.Effect<Surroundings> =>
  Effect.contextWith((context) =>
    Effect.withFiber((fiber) => {
      const fork = Effect.runForkWith(context)
      const scheduler = fiber.getRef(Scheduler.Scheduler)
      const next = promptly(scheduler).makeDispatcher()
      const soon = scheduler.makeDispatcher()
      const random = fiber.getRef(Random.Random)
      return Effect.succeed({
        scope,
        fork: (effect) => void fork(effect),
        next: (task) => next.scheduleTask(task, 0),
        soon: (task) => soon.scheduleTask(task, 0),
        random: () => random.nextDoubleUnsafe()
      })
    })
  )

/** As a scheduler that leaves it to the event loop when tasks run, but in the same turn of it. */
const promptly = (scheduler: Scheduler.Scheduler): Scheduler.Scheduler =>
  scheduler instanceof Scheduler.MixedScheduler
    ? new Scheduler.MixedScheduler("async", (task) => {
        let isCancelled = false
        queueMicrotask(() => isCancelled || task())
        return () => void (isCancelled = true)
      })
    : scheduler

const close = (shutdownMillis: number) => (channel: Channel) =>
  Effect.gen(function* () {
    channel.finish()
    yield* Effect.interruptible(Effect.timeoutOption(channel.whenIdle, Duration.millis(shutdownMillis)))
    const { open, undelivered } = channel.close()
    if (undelivered > 0) {
      yield* Effect.logError(
        `the store of the budgets of "${channel.group}" was not told of ${undelivered} settlements`
      )
    }
    if (open > 0) {
      yield* Effect.logWarning(`${open} reservations of "${channel.group}" are still open: their lease settles them`)
    }
  })

const settingsOf = ({ ahead, lease, onLapse, timeout, whenUnreachable }: Options): Settings => ({
  aheadMillis: ahead === undefined ? 0 : positive("ahead", ahead),
  leaseMillis: positive("lease", lease ?? "30 seconds"),
  lapse: onLapse ?? "charge",
  timeoutMillis: positive("timeout", timeout ?? "2 seconds"),
  whenUnreachable: sensible(whenUnreachable ?? "fail")
})

const positive = (name: string, input: Duration.Input): number => {
  const millis = Duration.toMillis(input)
  if (Number.isSafeInteger(millis) && millis > 0) return millis
  throw new RangeError(`BudgetStore: ${name} must be a positive whole number of milliseconds, got ${millis}`)
}

const sensible = (policy: WhenUnreachable): WhenUnreachable => {
  if (typeof policy === "string" || (policy.share >= 0 && policy.share <= 1)) return policy
  throw new RangeError(`BudgetStore: the share of each limit must be between 0 and 1, got ${policy.share}`)
}
