import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Budget } from "../../Budget.ts"
import type * as Recording from "../../Recording.ts"
import * as Usage from "../../Usage.ts"
import { anatomyOf } from "../budget.ts"
import { listening } from "../events.ts"
import { Recorder } from "./recorder.ts"
import { TRACE_MAX } from "./trace.ts"

/** Records a budget for as long as the scope is open. */
export const make = (
  budget: Budget,
  { tenants = [], title = budget.name, traceMax = TRACE_MAX }: Recording.Options = {}
): Effect.Effect<Recording.Recorder, never, Scope.Scope> =>
  Effect.gen(function* () {
    if (!Usage.isAmount(traceMax)) {
      throw new RangeError(`Recording.make: traceMax must be a whole number of zero or more, got ${traceMax}`)
    }
    const { admission, node } = anatomyOf(budget)
    const { timeline } = admission
    const recorder = new Recorder({
      title,
      startedAt: timeline.now() - timeline.wallOffset,
      budgets: [node, ...tenants.map((tenant) => anatomyOf(tenant).node)],
      now: () => timeline.now(),
      traceMax
    })
    yield* listening(node, recorder.hear)
    yield* Effect.forkScoped(lookAtEveryStep(recorder, () => timeline.now()))
    return { recording: Effect.sync(() => recorder.recording()) }
  })

/** Between two events, what counts only becomes less: it is enough to look where a step begins. */
const lookAtEveryStep = (recorder: Recorder, now: () => number): Effect.Effect<never> =>
  Effect.forever(
    Effect.suspend(() =>
      Effect.andThen(
        Effect.sleep(Duration.millis(Math.max(1, recorder.nextStepAt - now()))),
        Effect.sync(() => recorder.look())
      )
    )
  )
