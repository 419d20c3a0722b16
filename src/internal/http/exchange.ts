import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as CallFailure from "../../CallFailure.ts"
import type * as Dialect from "../../Dialect.ts"
import type { Ending, GovernedCall, Governor, Refusal } from "../../Governor.ts"
import { eventsAnswer, jsonAnswer } from "./answer.ts"
import type { Asked } from "./asked.ts"
import { isUnsent } from "../callFailure/unsent.ts"
import { watch } from "./watch.ts"

/**
 * Admits a request, sends it and settles what it has used when its answer has been read, which may be long after the
 * response is there. What is still open when the scope closes is charged as it was estimated. The headers of the
 * response say how the provider is: with them the circuit knows the outcome, and the deadline has been kept.
 *
 * `send` takes another body than the one that was asked with, if the answer has to be shorter.
 */
export const exchange = <E, R>(
  governor: Governor,
  scope: Scope.Scope,
  asked: Asked,
  send: (body: string | undefined) => Effect.Effect<Response, E, R>
): Effect.Effect<Response, E | Refusal, R> =>
  Effect.uninterruptibleMask((restore) => exchangeIn(governor, scope, asked, send, restore))

const exchangeIn = Effect.fnUntraced(function* <E, R>(
  governor: Governor,
  scope: Scope.Scope,
  asked: Asked,
  send: (body: string | undefined) => Effect.Effect<Response, E, R>,
  restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
): Effect.fn.Return<Response, E | Refusal, R> {
  const { call, dialect, url } = asked
  const callScope = yield* Scope.fork(scope)
  if (callScope.state._tag === "Closed") return yield* Effect.interrupt
  const settle = settling(callScope)
  const run = Effect.runForkWith(yield* Effect.context<never>())
  // Bodies are read outside of any fiber. A settlement that takes its time is waited for when the scope closes.
  const settleNow = (open: GovernedCall, ending: Ending): void => {
    const settling = run(Effect.uninterruptible(settle(open, ending)))
    if (settling.pollUnsafe() !== undefined) return
    run(Effect.forkIn(Effect.uninterruptible(Fiber.await(settling)), scope, { startImmediately: true }))
  }
  let open: GovernedCall | undefined
  let isSent = false
  let stopWaiting: (() => void) | undefined

  // A scope that closes with a failure gives back what nothing is known of. Something is: it was sent.
  const chargeIfSent = Effect.suspend(() =>
    open === undefined || !isSent ? Effect.void : open.settle({ _tag: "Unseen" })
  )

  const admitAndSend = Effect.gen(function* () {
    // Who was admitted after the scope has closed would be charged for nothing, and send. A fiber holds its response:
    // it must not be held for longer than it waits.
    yield* Scope.addFinalizer(
      callScope,
      Effect.sync(() => stopWaiting?.())
    )
    yield* Effect.withFiber((fiber) =>
      Effect.sync(() => {
        stopWaiting = () => fiber.interruptUnsafe()
      })
    )
    open = yield* Scope.provide(governor.admit(call, { url, provider: dialect.provider }), callScope)
    stopWaiting = undefined
    yield* Scope.addFinalizer(callScope, chargeIfSent)
    const bound = open.maxOutputTokens
    const body = bound === undefined ? undefined : JSON.stringify(dialect.limitOutput(asked.body, bound))
    const admitted = open
    const sending = Effect.suspend(() => {
      isSent = true
      return Effect.flatMap(send(body), (response) => receive(asked, admitted, response, settleNow))
    })
    return yield* open.send(sending, ({ status }) => status >= ERROR_FIRST)
  })

  return yield* Effect.onExit(restore(admitAndSend), (exit) => {
    stopWaiting = undefined
    if (exit._tag === "Success") return Effect.void
    if (open === undefined || !isSent) return Scope.close(callScope, exit)
    const ending: Ending = isUnsent(Cause.squash(exit.cause)) ? { _tag: "Unsent" } : { _tag: "Unseen" }
    return settle(open, ending)
  })
})

/** Hears what the response says of the provider's limits, and sees to it that the call ends when its body does. */
const receive = Effect.fnUntraced(function* (
  { dialect }: Asked,
  open: GovernedCall,
  response: Response,
  settleNow: (open: GovernedCall, ending: Ending) => void
) {
  const now = yield* Clock.currentTimeMillis
  const { status } = response
  const feedback = dialect.readHeaders((name) => response.headers.get(name), now)
  if (status < ERROR_FIRST) {
    yield* open.hear(feedback, status)
    const isEvents = response.headers.get("content-type")?.includes("text/event-stream") === true
    return watch(response, listener(isEvents ? eventsAnswer : jsonAnswer, dialect, open, settleNow))
  }
  const { ending } = CallFailure.of(response, now)
  settleNow(open, { _tag: ending })
  // A budget further in, or a circuit, has answered in the provider's place. It has no limits of its own to tell.
  if (ending !== "Rejected") return response
  const retryAfterMillis =
    feedback.retryAfterMillis ??
    (status === THROTTLED ? dialect.readRetryAfter(yield* errorBody(response.clone())) : undefined)
  yield* open.hear({ ...feedback, retryAfterMillis }, status)
  return response
})

/** Made here, where no closure holds the response: it would never be abandoned. */
const listener =
  (
    answer: typeof eventsAnswer,
    dialect: Dialect.Dialect,
    open: GovernedCall,
    settleNow: (open: GovernedCall, ending: Ending) => void
  ) =>
  () =>
    answer(dialect, (ending) => settleNow(open, ending))

const errorBody = (response: Response): Effect.Effect<unknown> =>
  Effect.orElseSucceed(
    Effect.tryPromise((): Promise<unknown> => response.json()),
    () => undefined
  )

/** Settles a call once, and closes its scope. One whose scope was closed by others has ended. */
const settling = (callScope: Scope.Closeable) => {
  let isEnding = false
  return (open: GovernedCall, ending: Ending): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (isEnding || callScope.state._tag === "Closed") return Effect.void
      isEnding = true
      return Effect.ensuring(open.settle(ending), Scope.close(callScope, Exit.void))
    })
}

const ERROR_FIRST = 400
const THROTTLED = 429
