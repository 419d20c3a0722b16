/**
 * `npm run bench:fetch`: what a budgeted `fetch` adds to a call, against a provider on this machine that answers at once
 * (the worst case: a real one takes a thousand times as long) or after 20 milliseconds. It prints the ratios to the bare `fetch` and writes
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

const answerAfter = (millis: number) => (fetch: BudgetedFetch.Fetch, url: string) => async (): Promise<boolean> => {
  const headers = { "content-type": "application/json", "x-latency": String(millis) }
  const response = await fetch(url, { method: "POST", headers, body })
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

const request = `a request of ${REQUEST_BYTES} bytes within limits on usd, tokens and open calls, `

const scenarios = [
  scenario("call", `${request}answered at once`, answerAfter(0)),
  scenario("call20ms", `${request}answered after 20 ms`, answerAfter(20)),
  scenario("stream", "a stream of 20,000 events", streamOf)
]

const program = Effect.gen(function* () {
  const rows: Array<ReturnType<typeof report>> = []
  for (const scenario of scenarios) {
    rows.push(report(scenario.name, scenario.work, yield* measure(scenario, effort)))
  }
  const verdicts = rows.map(({ ratio, scenario }) => {
    const [target, isMet] =
      scenario === "stream"
        ? [`throughput at least ${THROUGHPUT_MIN} ×`, 1 / ratio >= THROUGHPUT_MIN]
        : [`latency at most ${LATENCY_MAX} ×`, ratio <= LATENCY_MAX]
    return { scenario, target, ratio, isMet }
  })
  for (const { isMet, ratio, scenario, target } of verdicts) {
    console.log(`${isMet ? "met   " : "missed"} ${scenario}: ${target}, took ${ratio} ×`)
  }
  if (isSmoke) return
  const environment = { node: process.version, cpu: cpus()[0]?.model, cores: availableParallelism(), ...effort }
  writeFileSync(
    fileURLToPath(new URL("results/fetch.json", import.meta.url)),
    `${JSON.stringify({ environment, rows, verdicts }, undefined, 2)}\n`
  )
})

await Effect.runPromise(program)
