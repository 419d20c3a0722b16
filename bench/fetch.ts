/**
 * `npm run bench:fetch`: what a budgeted `fetch` adds to a call, against a provider on this machine that answers at once:
 * the worst case, for a real one takes a thousand times as long. It prints the ratios to the bare `fetch` and writes
 * `bench/results/fetch.json`. `--smoke` runs everything briefly and writes nothing.
 */
import { Effect } from "effect"
import { Budget, BudgetedFetch, Limit } from "effect-budget"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { writeFileSync } from "node:fs"
import { availableParallelism, cpus } from "node:os"
import { fileURLToPath } from "node:url"
import { type Contender, type Measurement, measure, median, medianRatio, type Scenario } from "./harness.ts"

const isSmoke = process.argv.includes("--smoke")
const effort = isSmoke
  ? { warmUpRounds: 1, rounds: 2, roundMillis: 20 }
  : { warmUpRounds: 5, rounds: 25, roundMillis: 200 }

/** The most that a call may take, and the least of a stream's throughput, relative to the bare `fetch`. */
const LATENCY_MAX = 1.1
const THROUGHPUT_MIN = 0.95

const REQUEST_BYTES = 2_048

const frame = JSON.stringify({ model: "gpt-4o-mini", messages: [{ role: "user", content: "" }], max_tokens: 500 })
const prose = "The fleet of fifty agents hits the rate limit at two, and everyone waits for three quarters of an hour. "
const body = frame.replace(
  '"content":""',
  `"content":"${prose.repeat(REQUEST_BYTES / prose.length + 1).slice(0, REQUEST_BYTES - frame.length)}"`
)

const provider = Effect.acquireRelease(
  Effect.promise(async () => {
    const script = fileURLToPath(new URL("fetch/provider.ts", import.meta.url))
    const child = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] })
    const [address] = await once(child.stdout, "data")
    return { child, url: `${String(address).trim()}/v1/chat/completions` }
  }),
  ({ child }) => Effect.sync(() => child.kill())
)

const answerOf = (fetch: BudgetedFetch.Fetch, url: string) => async (): Promise<boolean> => {
  const response = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body })
  const { usage } = (await response.json()) as { usage: { total_tokens: number } }
  return usage.total_tokens === 680
}

const streamOf = (fetch: BudgetedFetch.Fetch, url: string) => async (): Promise<boolean> => {
  const response = await fetch(url, { method: "POST", headers: { "x-stream": "yes" }, body })
  const reader = response.body!.getReader()
  let bytes = 0
  for (let read = await reader.read(); !read.done; read = await reader.read()) bytes += read.value.length
  return bytes > 100_000
}

const contender = (library: string, call: () => Promise<boolean>): Contender => ({
  library,
  opsPerRun: 1,
  run: async (runs) => {
    let done = 0
    for (let run = 0; run < runs; run++) if (await call()) done++
    return done
  }
})

const scenario = (
  name: string,
  work: string,
  call: (fetch: BudgetedFetch.Fetch, url: string) => () => Promise<boolean>
): Scenario => ({
  name,
  work,
  contenders: Effect.gen(function* () {
    const { url } = yield* provider
    const budget = yield* Budget.make({
      name: "run",
      limits: [
        Limit.cap("usd", 1_000_000),
        Limit.slidingWindow("tokens", 1_000_000_000_000, "1 minute"),
        Limit.concurrency(40)
      ]
    })
    const budgeted = yield* BudgetedFetch.make({ budget })
    return [contender("fetch", call(fetch, url)), contender("budgeted fetch", call(budgeted, url))]
  }),
  targets: []
})

const report = (name: string, work: string, [bare, budgeted]: ReadonlyArray<Measurement>) => {
  if (bare === undefined || budgeted === undefined) throw new RangeError(`${name}: a contender is missing`)
  const row = {
    scenario: name,
    work,
    bareMicros: Math.round(median(bare.nsPerOp) / 1_000),
    budgetedMicros: Math.round(median(budgeted.nsPerOp) / 1_000),
    ratio: Number(medianRatio(budgeted, bare).toFixed(3))
  }
  console.log(
    `${name.padEnd(8)} ${String(row.bareMicros).padStart(7)} µs bare ${String(row.budgetedMicros).padStart(7)} µs budgeted` +
      `   ${row.ratio.toFixed(3)} ×   ${work}`
  )
  return row
}

const program = Effect.gen(function* () {
  const call = scenario(
    "call",
    `a request of ${REQUEST_BYTES} bytes, an answer in JSON: limits on usd, tokens, open calls`,
    answerOf
  )
  const stream = scenario("stream", "an answer of 2,000 events", streamOf)
  const rows = [
    report(call.name, call.work, yield* measure(call, effort)),
    report(stream.name, stream.work, yield* measure(stream, effort))
  ]
  const [latency, streaming] = rows.map(({ ratio }) => ratio)
  const verdicts = [
    { target: `latency at most ${LATENCY_MAX} ×`, measured: latency, isMet: latency! <= LATENCY_MAX },
    {
      target: `streaming throughput at least ${THROUGHPUT_MIN} ×`,
      measured: Number((1 / streaming!).toFixed(3)),
      isMet: 1 / streaming! >= THROUGHPUT_MIN
    }
  ]
  for (const { isMet, measured, target } of verdicts)
    console.log(`${isMet ? "met   " : "missed"} ${target}: ${measured}`)
  if (isSmoke) return
  const environment = { node: process.version, cpu: cpus()[0]?.model, cores: availableParallelism(), ...effort }
  writeFileSync(
    fileURLToPath(new URL("results/fetch.json", import.meta.url)),
    `${JSON.stringify({ environment, rows, verdicts }, undefined, 2)}\n`
  )
})

await Effect.runPromise(program)
