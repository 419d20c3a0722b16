import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describeServerProcess } from "./support/redis/servers.ts"
import { judge } from "./support/store/judge.ts"
import { budgetsOf, limitsOf, startLoad, type Tally } from "./support/store/load.ts"
import type { BatchRecord } from "./support/store/record.ts"
import { countersOf, userAt } from "./support/store/user.ts"

const PROCESSES = 8
const CALLERS = 12
/** A hundred thousand with `RUNS=10`, in two minutes: too long for every run of CI. */
const RESERVATIONS = Math.ceil(10_000 * Number(process.env["RUNS"] ?? 1))
/** A little more than what a call uses on average: the cap ends the load. */
const TOKENS_PER_CALL = 52

const SEED = Number(process.env["SEED"] ?? 20_260_401)

const temporaryDirectory = Effect.acquireRelease(
  Effect.sync(() => FileSystem.mkdtempSync(join(tmpdir(), "effect-budget-load-"))),
  (path) => Effect.sync(() => FileSystem.rmSync(path, { recursive: true, force: true }))
)

const readRecords = (file: string): ReadonlyArray<BatchRecord> =>
  FileSystem.readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line): BatchRecord => JSON.parse(line))

const sum = (tallies: ReadonlyArray<Tally>, field: keyof Tally): number =>
  tallies.reduce((total, tally) => total + tally[field], 0)

describeServerProcess("eight processes that share a tenant within a key", ({ start }) => {
  it.live(
    "never exceed a limit, lose nothing and count nothing twice, and all get on",
    () =>
      Effect.gen(function* () {
        const server = yield* start
        const directory = yield* temporaryDirectory
        const cap = RESERVATIONS * TOKENS_PER_CALL
        const files = Array.from({ length: PROCESSES }, (_, index) => join(directory, `${index}`))
        const processes = yield* Effect.forEach(
          files,
          (file, index) => startLoad(server, { seed: SEED + index, callers: CALLERS, file, cap }),
          { concurrency: 2 }
        )
        const since = performance.now()
        const tallies = yield* Effect.forEach(processes, ({ run }) => run, { concurrency: "unbounded" })
        const seconds = (performance.now() - since) / 1_000

        const records = files.map(readRecords)
        const limits = limitsOf(cap)
        const verdict = judge(records.flat(), { openai: limits.key, acme: limits.acme })
        const admitted = records.map((own) => verdict.admitted.get(own[0]!.member) ?? 0)
        report(tallies, admitted, verdict, seconds, records.flat().length)

        assert.deepStrictEqual(verdict.faults, [])
        assert.strictEqual(verdict.open, 0)
        assert.strictEqual(verdict.tokens, sum(tallies, "tokens"))
        assert.strictEqual(verdict.requests, sum(tallies, "requests"))
        assert.isAtLeast(
          [...verdict.admitted.values()].reduce((a, b) => a + b),
          RESERVATIONS
        )

        const { acme, key } = yield* Effect.provide(budgetsOf(cap), yield* userAt(server))
        const [inner, outer] = [yield* countersOf(acme), yield* countersOf(key)]
        assert.deepStrictEqual([inner.open, outer.open], [0, 0])
        assert.deepStrictEqual([inner.spent, outer.spent], [verdict.tokens, verdict.tokens])
        assert.deepStrictEqual([...inner.reserved, ...outer.reserved], [0, 0, 0, 0, 0, 0])
        assert.deepStrictEqual(inner.used.slice(0, 2), [verdict.tokens, 0])
        // Nobody starves. How even it is depends on the machine.
        for (const count of admitted) assert.isAbove(count, RESERVATIONS / PROCESSES / 10)
      }),
    600_000
  )
})

const report = (
  tallies: ReadonlyArray<Tally>,
  admitted: ReadonlyArray<number>,
  { passedOver, refused, tight, tokens }: ReturnType<typeof judge>,
  seconds: number,
  batches: number
): void => {
  const all = admitted.reduce((a, b) => a + b)
  const share = (count: number): string => `${((100 * count) / all).toFixed(2)}%`
  const waited = tallies.map(({ waitedMillisMax }) => Math.round(waitedMillisMax))
  console.log(
    [
      `${all} reservations in ${seconds.toFixed(1)} s (${Math.round(all / seconds)}/s), ${batches} batches, seed ${SEED}`,
      `${refused} requests refused by the store, ${passedOver} of them for others who had waited longer; ${tokens} tokens`,
      `refused at: ${[...tight].map(([name, count]) => `${name} ${count}`).join(", ")}`,
      `shares: ${admitted.map(share).join(" ")}; least to most ${(Math.min(...admitted) / Math.max(...admitted)).toFixed(3)}`,
      `the longest wait of each, in ms: ${waited.join(" ")}`
    ].join("\n")
  )
}
