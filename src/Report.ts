/**
 * A recording as a page: one HTML file with charts, tables and a verdict in words, which needs nothing beside it.
 *
 * It reads files, so that it needs Node, Bun or Deno. Therefore it has an entry of its own, `effect-budget/Report`, and is
 * not in `effect-budget`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { assets } from "./internal/report/assets.ts"
import { document } from "./internal/report/document.ts"
import type { Recording } from "./Recording.ts"

/**
 * How a page is written.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Replaces the title of the recording, as the heading and in the title bar. */
  readonly title?: string | undefined
}

/**
 * Writes a recording as a page.
 *
 * **Details**
 *
 * The page says in words what happened and whether the limits fit the load: they are too tight when more than 5 % of
 * the calls waited or were refused. It shows what was in use at each limit beside its maximum, tokens, calls, waiting
 * and cost over time, the tenants side by side, and the provider's throttling with and without the budget where a
 * simulation knows it. All figures are in tables, too. It is light or dark as the reader's system is, fits a phone, and
 * prints.
 *
 * It makes no requests, and its content security policy allows none. The recording is in it as JSON, in
 * `script#recording`, without the trace of single calls. Names are escaped.
 *
 * **Gotchas**
 *
 * The scripts of the page are read from the files of this package and of `uplot`. A program that was bundled into one
 * file does not have them: there the effect dies, unless the bundler leaves `effect-budget` out.
 *
 * **Example** (The page of a recording)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Budget, Limit, Recording, Usage } from "effect-budget"
 * import * as Report from "effect-budget/Report"
 *
 * const program = Effect.gen(function* () {
 *   const key = yield* Budget.make({ name: "key", limits: [Limit.slidingWindow("tokens", 1_000, "1 minute")] })
 *   const recorder = yield* Recording.make(key, { title: "The night's batch" })
 *   yield* Effect.void.pipe(key.spend({ estimate: Usage.make({ inputTokens: 200, outputTokens: 500 }) }))
 *   return yield* Report.html(yield* recorder.recording)
 * })
 *
 * const page = await Effect.runPromise(Effect.scoped(program))
 *
 * page.includes("<h1>The night&#39;s batch</h1>") // => true
 * page.includes("The limits fit this load") // => true
 * ```
 *
 * @category rendering
 * @since 0.1.0
 */
export const html = (recording: Recording, options?: Options): Effect.Effect<string> =>
  Effect.promise(async () => document(recording, options?.title ?? recording.title, await assets()))
