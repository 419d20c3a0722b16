/**
 * `npm run bench:simulation`: what a simulated call takes, and whether memory grows with the length of a workload. Calls
 * are generated, read from CSV, or come to limits that are too tight for them: 100,000 and then a million of them. It prints
 * the processor time and the most that the heap held after collections on the way, and writes
 * `bench/results/simulation.json`. `--smoke` runs everything briefly and writes nothing.
 */
import { Effect, Stream } from "effect"
import { Limit, Simulation, Workload } from "effect-budget"
import { writeFileSync } from "node:fs"
import { availableParallelism, cpus } from "node:os"
import { fileURLToPath } from "node:url"

const isSmoke = process.argv.includes("--smoke")
const sizes = isSmoke ? [1_000, 2_000] : [100_000, 1_000_000]

/** What a million calls may take, in seconds of processor time, and how much more heap than a tenth of them. */
const SECONDS_MAX = 60
const HEAP_GROWTH_MAX = 1.25

const PER_MINUTE = 600

const generated = (calls: number) =>
  Workload.poisson({
    perMinute: PER_MINUTE,
    duration: (calls / PER_MINUTE) * 60_000,
    calls: { tenants: { acme: 2, umbrella: 1 }, maxOutputTokens: 1_000 }
  })

/** A table of calls that is written while it is read. */
const table = (calls: number) => {
  function* parts(): Generator<string> {
    yield "at,in,out,who\n"
    for (let from = 0; from < calls; from += 1_000) {
      const rows = Array.from({ length: Math.min(1_000, calls - from) }, (_, index) => {
        const number = from + index
        return `${number * 100},${500 + (number % 977)},${number % 401},${number % 3 === 0 ? "umbrella" : "acme"}`
      })
      yield `${rows.join("\n")}\n`
    }
  }
  const columns = { at: "at", inputTokens: "in", outputTokens: "out", tenant: "who" }
  return Workload.fromCsv(Stream.fromIterable({ [Symbol.iterator]: parts }, { chunkSize: 1 }), {
    columns,
    timeUnit: "millis",
    reserve: 1_000
  })
}

const scenarios = [
  { name: "generated", tokensPerMinute: 3_000_000, workload: generated },
  { name: "from CSV", tokensPerMinute: 3_000_000, workload: table },
  { name: "generated, under limits that are too tight", tokensPerMinute: 1_020_000, workload: generated },
  // Hundreds wait at any time, and whoever comes is compared with them: for this there is no target.
  { name: "generated, far too many", tokensPerMinute: 700_000, workload: generated, isHopeless: true }
]

const measure = async (
  tokensPerMinute: number,
  workload: Workload.Workload<Workload.WorkloadError>
): Promise<{
  readonly calls: number
  readonly waited: number
  readonly refused: number
  seconds: number
  heapMb: number
}> => {
  let heapBytes = 0
  let looked = 0
  const look = (calls: number): void => {
    if (calls < looked) return
    looked = calls + 20_000
    globalThis.gc?.()
    heapBytes = Math.max(heapBytes, process.memoryUsage().heapUsed)
  }
  const before = process.cpuUsage()
  const { calls } = await Effect.runPromise(
    Simulation.run({
      limits: [Limit.slidingWindow("tokens", tokensPerMinute, "1 minute"), Limit.concurrency(200)],
      tenants: [{ name: "acme", limits: [Limit.tokenBucket("requests", 1_000, "1 minute")] }, { name: "umbrella" }],
      provider: { limits: [Limit.slidingWindow("tokens", tokensPerMinute, "1 minute")] },
      maxWait: "30 seconds",
      workload,
      onProgress: ({ calls }) => Effect.sync(() => look(calls))
    })
  )
  const { system, user } = process.cpuUsage(before)
  const { asked, refused, waited } = calls
  return { calls: asked, waited, refused, seconds: (user + system) / 1_000_000, heapMb: heapBytes / 1_000_000 }
}

const results: Array<
  { readonly scenario: string; readonly isHopeless: boolean; readonly microsecondsPerCall: number } & Awaited<
    ReturnType<typeof measure>
  >
> = []
for (const { isHopeless = false, name, tokensPerMinute, workload } of scenarios) {
  // Code is compiled, and modules are loaded.
  await measure(tokensPerMinute, workload(1_000))
  for (const size of sizes) {
    const measured = await measure(tokensPerMinute, workload(size))
    const result = {
      scenario: name,
      isHopeless,
      ...measured,
      seconds: Math.round(measured.seconds * 10) / 10,
      microsecondsPerCall: Math.round((measured.seconds * 1e7) / measured.calls) / 10,
      heapMb: Math.round(measured.heapMb * 10) / 10
    }
    console.log(JSON.stringify(result))
    results.push(result)
  }
}

const misses = results.flatMap((result, index) => {
  const { calls, heapMb, isHopeless, scenario, seconds } = result
  const isLong = index % sizes.length === sizes.length - 1
  const shorter = results[index - 1]
  if (!isLong || shorter === undefined) return []
  return [
    ...(seconds > SECONDS_MAX && !isHopeless
      ? [`${scenario}: ${calls} calls took ${seconds} s, more than ${SECONDS_MAX} s`]
      : []),
    ...(heapMb > HEAP_GROWTH_MAX * shorter.heapMb ? [`${scenario}: the heap grew to ${heapMb} MB`] : [])
  ]
})
for (const miss of misses) console.error(miss)

if (!isSmoke) {
  const environment = { node: process.version, cpu: cpus()[0]?.model ?? "unknown", cores: availableParallelism() }
  const file = fileURLToPath(new URL("results/simulation.json", import.meta.url))
  writeFileSync(file, `${JSON.stringify({ environment, results }, undefined, 2)}\n`)
  process.exitCode = misses.length === 0 ? 0 : 1
}
