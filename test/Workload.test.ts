import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type * as Duration from "effect/Duration"
import { readFileSync } from "node:fs"
import * as Usage from "../src/Usage.ts"
import * as Workload from "../src/Workload.ts"
import { forEachSeed } from "./support/random.ts"

const callsOf = <E>(workload: Workload.Open<E>) => Effect.runPromise(Stream.runCollect(workload.calls))

const HOUR = 3_600_000

describe("a generated workload", () => {
  it("is the same for the same seed, also a second time, and another one for another", async () => {
    const workload = (seed: number) => Workload.poisson({ perMinute: 10, duration: "1 hour", seed })
    const first = workload(1)
    const calls = await callsOf(first)
    expect(await callsOf(first)).toEqual(calls)
    expect(await callsOf(workload(1))).toEqual(calls)
    expect(await callsOf(workload(2))).not.toEqual(calls)
  })

  it("comes in order, within its duration, and makes sense", () =>
    forEachSeed({ name: "generated workloads", runs: 60 }, async (random) => {
      const seed = random.int(-1_000, 1_000)
      const durationMillis = random.magnitude(1, HOUR)
      const options = { seed, duration: durationMillis, perMinute: random.magnitude(1, 100) }
      const bursts = { size: random.int(1, 20), every: "2 minutes", within: random.int(0, 120_000) } as const
      const workload = random.pick([
        Workload.poisson(options),
        Workload.diurnal({ ...options, swing: random.fraction() }),
        Workload.bursts({ ...options, ...bursts })
      ])
      let last = 0
      for (const { actual, at, estimate, millis } of await callsOf(workload)) {
        expect(at).toBeGreaterThanOrEqual(last)
        expect(at).toBeLessThan(durationMillis)
        expect([Usage.problem(estimate), Usage.problem(actual)]).toEqual([undefined, undefined])
        expect(Usage.isAmount(millis)).toBe(true)
        last = at
      }
    }))

  it("has the rate that it says", async () => {
    const calls = await callsOf(Workload.poisson({ perMinute: 60, duration: "10 hours" }))
    // 36,000 are expected, with a deviation of 190.
    expect(Math.abs(calls.length - 36_000)).toBeLessThan(760)
  })

  it("has its sizes where it says", async () => {
    const calls = await callsOf(
      Workload.poisson({
        perMinute: 600,
        duration: "1 hour",
        calls: { inputTokens: { median: 500, p95: 3_000 }, outputTokens: { min: 3, max: 7 }, millis: 20 }
      })
    )
    const share = (holds: (call: Workload.Call) => boolean) => calls.filter(holds).length / calls.length
    expect(share(({ actual }) => actual.inputTokens <= 500)).toBeCloseTo(0.5, 1)
    expect(share(({ actual }) => actual.inputTokens <= 3_000)).toBeCloseTo(0.95, 1.5)
    expect(new Set(calls.map(({ actual }) => actual.outputTokens))).toEqual(new Set([3, 4, 5, 6, 7]))
    expect(share(({ millis }) => millis === 20)).toBe(1)
  })

  it("reserves what may be written, of which what is written is a part, and prices both", async () => {
    const [call] = await callsOf(
      Workload.bursts({
        size: 1,
        every: "1 minute",
        duration: "1 minute",
        calls: {
          inputTokens: 1_000,
          outputTokens: 300,
          maxOutputTokens: 200,
          pricePerMillion: { inputUsd: 3, outputUsd: 15 }
        }
      })
    )
    expect(call?.estimate).toEqual(Usage.make({ inputTokens: 1_000, outputTokens: 200, costUsd: 0.006 }))
    expect(call?.actual).toEqual(call?.estimate)
    expect(call?.millis).toBe(300 + 20 * 200)
  })

  it("comes so many at a time, in bursts", async () => {
    const calls = await callsOf(
      Workload.bursts({ size: 5, every: "10 minutes", within: "2 seconds", duration: "1 hour" })
    )
    expect(calls.length).toBe(30)
    expect(calls.every(({ at }) => at % 600_000 < 2_000)).toBe(true)
  })

  it("comes more by day than by night", async () => {
    const calls = await callsOf(Workload.diurnal({ perMinute: 10, swing: 1, duration: "24 hours", peak: "12 hours" }))
    const at = (hour: number) => calls.filter((call) => Math.floor(call.at / HOUR) === hour).length
    expect(calls.length / (24 * 60)).toBeCloseTo(10, 0)
    expect(at(12)).toBeGreaterThan(1_000)
    expect(at(0)).toBeLessThan(60)
  })

  it("belongs to tenants by their shares", async () => {
    const calls = await callsOf(
      Workload.poisson({
        perMinute: 600,
        duration: "10 minutes",
        calls: { tenants: { acme: 3, umbrella: 1, nobody: 0 } }
      })
    )
    const share = (name: string) => calls.filter(({ tenant }) => tenant === name).length / calls.length
    expect(share("acme")).toBeCloseTo(0.75, 1)
    expect(share("umbrella")).toBeCloseTo(0.25, 1)
    expect(share("nobody")).toBe(0)
  })

  const duration: Duration.Input = "1 hour"
  it.each<readonly [() => unknown, string]>([
    [
      () => Workload.poisson({ duration, perMinute: -1 }),
      "Workload.poisson: perMinute must be a positive number, got -1"
    ],
    [
      () => Workload.poisson({ duration, perMinute: Number.NaN }),
      "Workload.poisson: perMinute must be a positive number, got NaN"
    ],
    [
      () => Workload.poisson({ duration: 0, perMinute: 1 }),
      "Workload.poisson: duration must be a positive whole number of milliseconds, got 0 ms"
    ],
    [
      () => Workload.poisson({ duration, perMinute: 1, seed: 0.5 }),
      "Workload.poisson: seed must be a whole number, got 0.5"
    ],
    [
      () => Workload.poisson({ duration, perMinute: 1, calls: { inputTokens: Number.NaN } }),
      "Workload.poisson: inputTokens must be a whole number of zero or more, got NaN"
    ],
    [
      () => Workload.poisson({ duration, perMinute: 1, calls: { outputTokens: { min: 3, max: 2 } } }),
      "Workload.poisson: outputTokens: min (3) must not exceed max (2)"
    ],
    [
      () => Workload.poisson({ duration, perMinute: 1, calls: { outputTokens: { median: 3, p95: 2 } } }),
      "Workload.poisson: outputTokens: p95 (2) must not be below median (3)"
    ],
    [
      () => Workload.poisson({ duration, perMinute: 1, calls: { tenants: { acme: -1 } } }),
      'Workload.poisson: the share of tenant "acme" must be a number of zero or more, got -1'
    ],
    [
      () => Workload.poisson({ duration, perMinute: 1, calls: { tenants: {} } }),
      "Workload.poisson: tenants must name at least one with a share above zero"
    ],
    [
      () => Workload.bursts({ duration, size: 0, every: 10 }),
      "Workload.bursts: size must be a positive whole number, got 0"
    ],
    [
      () => Workload.bursts({ duration, size: 1, every: 10, within: 11 }),
      "Workload.bursts: within (11 ms) must lie between zero and every (10 ms)"
    ],
    [
      () => Workload.diurnal({ duration, perMinute: 1, swing: 2 }),
      "Workload.diurnal: swing must be between 0 and 1, got 2"
    ],
    [() => Workload.fleet({ duration, workers: 0 }), "Workload.fleet: workers must be a positive whole number, got 0"]
  ])("is refused when it makes no sense (%#)", (make, sentence) => {
    expect(make).toThrow(new RangeError(sentence))
  })
})

describe("a workload from CSV", () => {
  const header = "TIMESTAMP,ContextTokens,GeneratedTokens"
  const azure = { columns: Workload.azureColumns, file: "trace.csv" }
  const read = (text: string, options: Workload.CsvOptions = azure) => callsOf(Workload.fromCsv(text, options))

  it("has the calls of the table, in UTC, whole milliseconds", async () => {
    const calls = await read(`${header}\n2023-11-16 18:17:03.9799600,4808,10\n2023-11-16 18:17:04.0319600,3180,8\n`)
    expect(calls).toEqual([
      {
        at: Date.UTC(2023, 10, 16, 18, 17, 3, 979),
        tenant: undefined,
        estimate: Usage.make({ inputTokens: 4_808, outputTokens: 10 }),
        actual: Usage.make({ inputTokens: 4_808, outputTokens: 10 }),
        millis: 500
      },
      {
        at: Date.UTC(2023, 10, 16, 18, 17, 4, 31),
        tenant: undefined,
        estimate: Usage.make({ inputTokens: 3_180, outputTokens: 8 }),
        actual: Usage.make({ inputTokens: 3_180, outputTokens: 8 }),
        millis: 460
      }
    ])
  })

  it("finds its columns by name, and knows numbers as instants", async () => {
    const text = 'who,when,in,out,max,took\nacme,1.5,10,20,30,400\n"umb,rella",2,11,21,31,401\n'
    const columns = {
      at: "when",
      inputTokens: "in",
      outputTokens: "out",
      maxOutputTokens: "max",
      tenant: "who",
      millis: "took"
    }
    const calls = await read(text, { columns, timeUnit: "seconds", pricePerMillion: { inputUsd: 1, outputUsd: 2 } })
    expect(calls.map(({ at, millis, tenant }) => [at, millis, tenant])).toEqual([
      [1_500, 400, "acme"],
      [2_000, 401, "umb,rella"]
    ])
    expect(calls[0]?.estimate).toEqual(Usage.make({ inputTokens: 10, outputTokens: 30, costUsd: 0.000_07 }))
    expect(calls[0]?.actual).toEqual(Usage.make({ inputTokens: 10, outputTokens: 20, costUsd: 0.000_05 }))
  })

  it("reserves what it is told to", async () => {
    const text = `${header}\n2023-11-16,1,10\n`
    const reserved = async (reserve: Workload.CsvOptions["reserve"]) =>
      (await read(text, { ...azure, reserve }))[0]?.estimate.outputTokens
    expect(await reserved(500)).toBe(500)
    expect(await reserved((outputTokens) => 3 * outputTokens)).toBe(30)
  })

  it("is the same however it is cut into pieces", () => {
    const text = readFileSync("examples/data/llm-trace.csv", "utf8").split("\n").slice(0, 60).join("\r\n")
    const whole = read(text)
    return forEachSeed({ name: "csv in pieces", runs: 30 }, async (random) => {
      const bytes = new TextEncoder().encode(`\uFEFF${text}`)
      const pieces: Array<Uint8Array> = []
      for (let from = 0; from < bytes.length;) {
        const to = from + random.magnitude(1, 400)
        pieces.push(bytes.slice(from, to))
        from = to
      }
      expect(await callsOf(Workload.fromCsv(Stream.fromIterable(pieces), azure))).toEqual(await whole)
    })
  })

  it.each<readonly [string, string]>([
    ["", "trace.csv: there are no calls in it"],
    [`${header}\n`, "trace.csv: there are no calls in it"],
    [
      "TIMESTAMP,Tokens\n2023-11-16,1\n",
      'trace.csv, line 1: there is no column "ContextTokens" for inputTokens; there are TIMESTAMP, Tokens'
    ],
    [
      `${header}\n2023-11-16,1,1\n\nyesterday,1,1\n`,
      'trace.csv, line 4, column TIMESTAMP: a date and time is expected, as 2023-11-16 18:17:03, got "yesterday"'
    ],
    [
      `${header}\n17,1,1\n`,
      'trace.csv, line 2, column TIMESTAMP: "17" is a number: say with timeUnit whether it is seconds or milliseconds'
    ],
    [
      `${header}\n2023-11-17,1,1\n2023-11-16,1,1\n`,
      'trace.csv, line 3, column TIMESTAMP: "2023-11-16" comes before the row above it ("2023-11-17"): sort the table by time'
    ],
    [
      `${header}\n2023-11-16,-1,1\n`,
      'trace.csv, line 2, column ContextTokens: a whole number of zero or more is expected, got "-1"'
    ],
    [
      `${header}\n2023-11-16,1,\n`,
      'trace.csv, line 2, column GeneratedTokens: a whole number of zero or more is expected, got ""'
    ],
    [
      `${header}\n2023-11-16,NaN,1\n`,
      'trace.csv, line 2, column ContextTokens: a whole number of zero or more is expected, got "NaN"'
    ],
    [`${header}\n2023-11-16,1\n`, "trace.csv, line 2: it has 2 cells, and the header has 3"],
    [
      `${header}\n2023-11-16,1,1\n2023-11-16,1,2"2"\n`,
      'trace.csv, line 3: Invalid Opening Quote: a quote is found on field 2, value is "2"'
    ],
    [`${header}\n2023-11-16,1,"2\n`, "trace.csv, line 2: a quote is never closed in this row"]
  ])("says where it makes no sense: %j", async (text, sentence) => {
    const workload = Workload.fromCsv(text, azure)
    const error = await Effect.runPromise(Effect.flip(Stream.runCollect(workload.calls)))
    expect(error.message).toBe(sentence)
  })

  it("knows the lines of rows that come in many parts, and of cells with line ends in them", async () => {
    const row = (number: number) => `2023-11-16 10:00:00.${number},1,1,"a\nb""c"\n`
    const rows = Array.from({ length: 50 }, (_, index) => row(100 + index)).join("")
    const table = `${header},note\n${rows}2023-11-16 10:00:01,1,one,\n`
    const parts = Array.from(table, (letter) => letter)
    const workload = Workload.fromCsv(Stream.fromIterable(parts), azure)
    const error = await Effect.runPromise(Effect.flip(Stream.runCollect(workload.calls)))
    expect(error.message).toBe(
      'trace.csv, line 102, column GeneratedTokens: a whole number of zero or more is expected, got "one"'
    )
  })

  it("does not wait for the end of a quote that nobody closes", async () => {
    const line = `2023-11-16,1,1\n`
    let read = 0
    const parts = Stream.map(Stream.fromIterable(endless(line.repeat(1_000)), { chunkSize: 1 }), (part, index) => {
      read++
      return index === 0 ? `${header}\n2023-11-16,1,"${part}` : part
    })
    const error = await Effect.runPromise(Effect.flip(Stream.runDrain(Workload.fromCsv(parts, azure).calls)))
    expect(error.message).toBe("trace.csv, line 2: a quote is never closed in this row")
    expect(read).toBeLessThan(200)
  })

  it("says where a date stands for a number", async () => {
    const workload = Workload.fromCsv(`${header}\n2023-11-16,1,1\n`, { ...azure, timeUnit: "millis" })
    const error = await Effect.runPromise(Effect.flip(Stream.runCollect(workload.calls)))
    expect(error.message).toBe('trace.csv, line 2, column TIMESTAMP: a number of millis is expected, got "2023-11-16"')
  })

  it("fails as what it is read from does", async () => {
    const text = Stream.concat(Stream.succeed(`${header}\n2023-11-16,1,1\n`), Stream.fail("the disk is on fire"))
    const workload = Workload.fromCsv(text, azure)
    expect(await Effect.runPromise(Effect.flip(Stream.runCollect(workload.calls)))).toBe("the disk is on fire")
  })
})

function* endless<A>(value: A): Generator<A> {
  for (;;) yield value
}
