import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Recording } from "effect-budget"
import * as Report from "effect-budget/Report"
import { budgetRecord, day, limitRecord, noCalls, recordingOf } from "./support/recordings.ts"

const calls = (asked: number, waited: number, refused: number): Recording.CallsRecord => ({
  ...noCalls,
  asked,
  admitted: asked - refused,
  waited,
  refused
})

const summary = (html: string): string =>
  (/<section class="summary[\s\S]*?<\/section>/.exec(html)?.[0] ?? "")
    .replaceAll(/<[^>]*>/g, "")
    .replaceAll(/\s+/g, " ")

describe("a report", () => {
  it.effect("says that limits are too tight when more than 5 % of the calls waited or were refused", () =>
    Effect.gen(function* () {
      expect(summary(yield* Report.html(recordingOf({ calls: calls(100, 4, 2) })))).toContain(
        "too tight for this load 6 %"
      )
      expect(summary(yield* Report.html(recordingOf({ calls: calls(100, 4, 1) })))).toContain("fit this load 5 %")
    })
  )

  it.effect("says what was asked, what waited how long, and for which limit most", () =>
    Effect.gen(function* () {
      const waitMillis = { count: 90, p50: 0, p90: 900, p95: 1_200, p99: 4_000, p999: 5_000, max: 6_000 }
      const text = summary(
        yield* Report.html(
          recordingOf({
            durationMillis: 7_200_000,
            calls: { ...calls(100, 20, 10), waitMillis },
            budgets: [
              budgetRecord({
                limits: [
                  limitRecord({ waited: 15, used: [80_000] }),
                  limitRecord({ name: "requests", waited: 5, refused: 10 })
                ]
              })
            ],
            provider: {
              limits: [],
              withBudget: { calls: 90, throttled: 0 },
              withoutBudget: { calls: 100, throttled: 25 }
            }
          })
        )
      )
      expect(text).toContain("Of 100 calls in 2 h, 90 were let in, 20 of them after waiting (20 %)")
      expect(text).toContain(
        "half of all passed at once, 95 % within 1.2 s, the last after 6 s; 10 were refused (10 %)"
      )
      expect(text).toContain("Most waited for slidingWindow(tokens, 1 min) of key (90k tokens): 15 calls")
      expect(text).toContain("at its peak 88.9 % of its maximum was in use")
      expect(text).toContain("Most were refused because of requests of key")
      expect(text).toContain("throttled 0 of 90 calls; without the budget it would have been 25 of 100 (25 %)")
    })
  )

  it.effect("of nothing says so", () =>
    Effect.gen(function* () {
      const html = yield* Report.html(recordingOf({ budgets: [budgetRecord({ limits: [limitRecord({})] })] }))
      expect(summary(html)).toContain("Nobody asked for anything")
      expect(html).toContain("Nothing was recorded.")
      expect(html.replaceAll(/<script[\s\S]*?<\/script>/g, "")).not.toMatch(/NaN|undefined|Infinity/)
    })
  )

  it.effect("carries the recording as JSON, without its trace", () =>
    Effect.gen(function* () {
      const recording = recordingOf({ ...day(), trace: [] })
      const html = yield* Report.html(recording)
      const text = /<script type="application\/json" id="recording">([\s\S]*?)<\/script>/.exec(html)?.[1] ?? ""
      const { trace: _, ...shown } = recording
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(shown)))
    })
  )

  it.effect("has the title that it is given", () =>
    Effect.gen(function* () {
      const html = yield* Report.html(recordingOf({}), { title: "Another one" })
      expect(html).toContain("<title>Another one</title>")
      expect(html).toContain("<h1>Another one</h1>")
    })
  )

  it.effect("refers to nothing outside", () =>
    Effect.gen(function* () {
      const html = yield* Report.html(day())
      expect(html).toContain("default-src 'none'")
      expect([...html.matchAll(/(?:src|href)="([^"]*)"/g)].map((match) => match[1])).toEqual(["data:,"])
      expect(html).not.toMatch(/@import|sourceMappingURL|url\(/)
    })
  )

  it.effect("lets no name out of its place", () =>
    Effect.gen(function* () {
      const evil = `"><img src=x onerror=alert(1)></script><script>alert(2)</script><!--' &amp;`
      const html = yield* Report.html(
        recordingOf({
          title: evil,
          calls: { ...calls(10, 1, 1), refusals: [{ reason: evil, budget: evil, limit: evil, count: 1 }] },
          budgets: [
            budgetRecord({
              name: evil,
              calls: calls(10, 1, 1),
              limits: [limitRecord({ name: evil, meter: evil, kind: evil, waited: 1, refused: 1, used: [1] })]
            }),
            budgetRecord({ name: evil, limits: [limitRecord({ name: evil })] })
          ]
        })
      )
      expect(html).not.toContain("<img")
      expect(html.match(/<script/g)).toHaveLength(3)
      expect(html.match(/<\/script/g)).toHaveLength(3)
      expect(html).not.toContain("<!--'")
      expect(html).toContain("<h1>&quot;&gt;&lt;img src=x onerror=alert(1)&gt;")
    })
  )
})
