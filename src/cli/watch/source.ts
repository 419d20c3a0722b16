import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as BudgetStatus from "../../BudgetStatus.ts"
import * as Meter from "../../Meter.ts"
import * as RedisBudgetStore from "../../RedisBudgetStore.ts"
import { CommandFailure } from "../failure.ts"

/** What is watched: budgets of a process, or of a store. */
export interface Source {
  /** For the heading, without passwords. */
  readonly name: string
  readonly look: Effect.Effect<Sight, Unreachable>
}

export interface Sight {
  readonly budgets: ReadonlyArray<BudgetStatus.BudgetStatus>
  /** How many processes use a store. */
  readonly processes?: number
}

/** Nobody answers, or not with counters of budgets. */
export class Unreachable extends Data.TaggedError("Unreachable")<{ readonly message: string }> {}

// Longer than any answer takes. A client of Redis that has lost its server would wait until it is back.
const ANSWERED_WITHIN = "5 seconds"

const inTime = <A, E, R>(look: Effect.Effect<A, E, R>) =>
  Effect.timeoutOrElse(look, {
    duration: ANSWERED_WITHIN,
    orElse: () => Effect.fail(new Unreachable({ message: `no answer within ${ANSWERED_WITHIN}` }))
  })

/** The budgets of a process that answers with a `BudgetStatus.Report`. */
export const processSource = (url: string): Source => ({
  name: withoutPassword(url),
  look: HttpClient.get(url).pipe(
    Effect.flatMap(HttpClientResponse.filterStatusOk),
    Effect.flatMap((response) => response.json),
    Effect.flatMap(Schema.decodeUnknownEffect(BudgetStatus.ReportSchema)),
    Effect.mapError((error) => new Unreachable({ message: reasonOf(error) })),
    inTime,
    Effect.provide(FetchHttpClient.layer)
  )
})

/** The budgets of a group in Redis. */
export const redisSource = Effect.fnUntraced(function* (options: {
  readonly url: string
  readonly group: string
  readonly prefix: string
}): Effect.fn.Return<Source, CommandFailure, Scope.Scope> {
  const { layer } = yield* Effect.tryPromise({
    try: () => import("@effect/platform-node/NodeRedis"),
    catch: (error) =>
      new CommandFailure({
        message: `to watch a Redis, its client has to be installed:\n\n  npm install redis\n\n(${String(error)})`
      })
  })
  const name = withoutPassword(options.url)
  const redis = yield* Layer.build(layer({ url: options.url })).pipe(
    inTime,
    Effect.mapError((error) => new CommandFailure({ message: `cannot reach ${name}: ${reasonOf(error)}` })),
    // The URL is not valid.
    Effect.catchDefect((defect) =>
      Effect.fail(new CommandFailure({ message: `cannot reach ${name}: ${reasonOf(defect)}` }))
    )
  )
  return {
    name: `${options.group} at ${name}`,
    look: RedisBudgetStore.inspect({ prefix: options.prefix })(options.group).pipe(
      Effect.mapError((error) => new Unreachable({ message: reasonOf(error) })),
      inTime,
      Effect.map(({ budgets, members }) => ({ budgets: budgets.map(statusOf), processes: members.length })),
      Effect.provide(redis)
    )
  }
})

const statusOf = (inspected: RedisBudgetStore.InspectedBudget): BudgetStatus.BudgetStatus => {
  const { asOf, key, limits, open, pausedUntil, spent } = inspected
  return {
    name: key,
    limits: limits.map(({ counters, kind, max, meter, name, used }) => ({
      name,
      kind,
      meter,
      // A meter of one's own is known by its name only.
      scale: meter === Meter.usd.name ? Meter.usd.scale : 1,
      max,
      used,
      reserved: counters["reserved"] ?? 0
    })),
    open,
    waiting: limits.reduce((sum, { waiting }) => sum + waiting.length, 0),
    spent: {
      requests: spent.requests ?? 0,
      inputTokens: spent.inputTokens ?? 0,
      outputTokens: spent.outputTokens ?? 0,
      costNanoUsd: spent.costNanoUsd ?? 0
    },
    ...(pausedUntil === undefined || pausedUntil <= asOf ? {} : { pausedUntil }),
    asOf
  }
}

const withoutPassword = (url: string): string => {
  if (!URL.canParse(url)) return url
  const parsed = new URL(url)
  parsed.username = ""
  parsed.password = ""
  return parsed.href.replace(/\/$/, "")
}

/** The innermost cause that says anything: clients wrap what the system has told them. */
const reasonOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0])
  const { cause, reason } = error as { readonly cause?: unknown; readonly reason?: unknown }
  const inner = cause ?? (reason instanceof Error ? reason : undefined)
  return inner instanceof Error ? reasonOf(inner) : error.message
}
