import { assert, it } from "@effect/vitest"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { describe } from "vitest"
import { writeFile } from "../../src/cli/files.ts"
import { ofAtMost } from "../../src/cli/plan.ts"
import { version } from "../../src/cli/version.ts"
import * as Simulation from "../../src/Simulation.ts"
import * as Workload from "../../src/Workload.ts"
import { effectBudget, folder } from "../support/commandLine.ts"

describe("effect-budget", () => {
  it.live("says what it can do", () =>
    Effect.gen(function* () {
      const { code, out } = yield* effectBudget([])
      assert.strictEqual(code, 0)
      for (const name of ["count", "price", "simulate", "plan", "advise", "report", "watch"]) assert.include(out, name)
    })
  )

  it.live("has the version of the package", () =>
    Effect.gen(function* () {
      assert.strictEqual(version, JSON.parse(readFileSync("package.json", "utf8")).version)
      assert.include((yield* effectBudget(["--version"])).out, version)
    })
  )

  it.live.each(["bash", "zsh", "fish"])("completes itself in %s", (shell) =>
    Effect.gen(function* () {
      const { code, out } = yield* effectBudget(["--completions", shell])
      assert.strictEqual(code, 0)
      for (const word of ["simulate", "max-wait", "cache-read"]) assert.include(out, word)
    })
  )

  it.live("answers a mistake with two, on standard error only, and says what was meant", () =>
    Effect.gen(function* () {
      const { code, err, out } = yield* effectBudget(["count", "--modle", "gpt-4o"])
      assert.deepStrictEqual([code, out], [2, ""])
      assert.include(err, "effect-budget: Unrecognized flag: --modle")
      assert.include(err, "--model")
      assert.include(err, "effect-budget count --help")
    })
  )
})

describe("count", () => {
  it.live("counts files, each by each model, and all of them", () =>
    Effect.gen(function* () {
      const file = yield* folder
      writeFileSync(file("a.txt"), "Hello, world!")
      writeFileSync(file("b.txt"), "予算とは約束です。")
      const args = ["count", file("a.txt"), file("b.txt"), "-m", "gpt-4o", "-m", "claude-sonnet-4-5"]
      const { code, err, out } = yield* effectBudget(args)
      assert.deepStrictEqual([code, err], [0, ""])
      const lines = out.split("\n")
      assert.match(lines[0]!, /characters +gpt-4o +claude-sonnet-4-5 ~$/)
      assert.match(lines[1]!, /a\.txt +13 +4 +5$/)
      assert.match(lines[3]!, /^total +22 +\d+ +13$/)
      assert.include(lines[4]!, "estimated")
    })
  )

  it.live("counts what is piped into it, and tells programs in JSON", () =>
    Effect.gen(function* () {
      const { out } = yield* effectBudget(["count", "--json"], { stdin: "Hello, world!" })
      assert.deepStrictEqual(JSON.parse(out), {
        models: [{ model: "o200k_base", isExact: true }],
        files: [{ file: "-", characters: 13, tokens: { o200k_base: 4 } }],
        total: { characters: 13, tokens: { o200k_base: 4 } }
      })
    })
  )

  it.live("counts a file in parts that add up to the whole", () =>
    Effect.gen(function* () {
      const file = yield* folder
      const text = readFileSync("README.md", "utf8")
      writeFileSync(file("large.txt"), text.repeat(60))
      writeFileSync(file("small.txt"), text.repeat(2))
      const count = (name: string) =>
        Effect.map(effectBudget(["count", "--json", file(name)]), ({ out }) => JSON.parse(out).total.tokens.o200k_base)
      const [large, small] = [yield* count("large.txt"), yield* count("small.txt")]
      // What stands at the seams of the copies is in both of them alike.
      assert.closeTo(large, small * 30, 60)
    })
  )

  it.live("counts what it can read, and says what it cannot", () =>
    Effect.gen(function* () {
      const file = yield* folder
      writeFileSync(file("a.txt"), "Hello, world!")
      const { code, err, out } = yield* effectBudget(["count", file("a.txt"), file("none"), file(".")])
      assert.strictEqual(code, 1)
      assert.match(out, /a\.txt/)
      assert.include(err, `effect-budget: cannot read ${file("none")}: there is no such file or folder`)
      assert.include(err, "it is a folder")
    })
  )
})

describe("price", () => {
  it.live("prices a call, and many of them", () =>
    Effect.gen(function* () {
      const call = ["price", "gpt-4o-mini", "--input", "1200", "--cache-read", "1000", "--output", "300"]
      const { out } = yield* effectBudget([...call, "--calls", "1000"])
      assert.match(out, /one call +\$0\.000285\n/)
      assert.match(out, /1,000 calls +\$0\.285\n/)
      const json = JSON.parse((yield* effectBudget([...call, "--json"])).out)
      assert.strictEqual(json.costNanoUsd, 285_000)
      assert.deepStrictEqual(json.rates, { input: 0.15, cacheRead: 0.075, cacheWrite: 0.15, output: 0.6 })
    })
  )

  it.live("names the models that may have been meant", () =>
    Effect.gen(function* () {
      const { code, err } = yield* effectBudget(["price", "gpt-4o-mimi"])
      assert.strictEqual(code, 1)
      assert.match(err, /Did you mean one of these\?\n +gpt-4o-mini\n/)
    })
  )

  it.live("refuses tokens that make no sense", () =>
    Effect.gen(function* () {
      const { code, err } = yield* effectBudget(["price", "gpt-4o", "--input", "5", "--cache-read", "6"])
      assert.strictEqual(code, 2)
      assert.include(err, "must not exceed inputTokens (5)")
    })
  )
})

const setting = {
  title: "Night",
  limits: ["20k tokens / minute"],
  provider: { limits: ["20k tokens / minute"] },
  maxWait: "30 seconds",
  workload: { kind: "poisson", perMinute: 30, duration: "20 minutes", calls: { inputTokens: 800, outputTokens: 100 } }
}

describe("simulate", () => {
  it.live("says the same of a file as of flags", () =>
    Effect.gen(function* () {
      const file = yield* folder
      writeFileSync(file("night.json"), JSON.stringify(setting))
      const limit = "20k tokens / minute"
      const flags = ["--rate", "30", "--duration", "20 minutes", "--input", "800", "--output", "100"]
      const from = yield* effectBudget(["simulate", file("night.json"), "--json"])
      const limits = ["--limit", limit, "--provider-limit", limit, "--max-wait", "30 seconds"]
      const typed = yield* effectBudget(["simulate", ...flags, ...limits, "--json"])
      assert.deepStrictEqual(JSON.parse(from.out), JSON.parse(typed.out))
      assert.isAbove(JSON.parse(from.out).calls.refused, 0)
      assert.strictEqual(JSON.parse(from.out).provider.withBudget.throttled, 0)
    })
  )

  it.live("writes a recording and a page, which report and advise read", () =>
    Effect.gen(function* () {
      const file = yield* folder
      writeFileSync(file("night.json"), JSON.stringify(setting))
      const args = ["simulate", file("night.json"), "--recording", file("r.json"), "--report", file("r.html")]
      const { code, out } = yield* effectBudget(args)
      assert.strictEqual(code, 0)
      assert.match(out, /^Night +2\d min/)
      assert.match(out, /without +\d+ +[1-9]\d*\n/)
      assert.strictEqual(JSON.parse(readFileSync(file("r.json"), "utf8")).title, "Night")
      const page = readFileSync(file("r.html"), "utf8")
      assert.include(page, "<h1>Night</h1>")

      const again = (yield* effectBudget(["report", file("r.json")])).out
      assert.strictEqual(again.length, page.length + 1)
      const advice = yield* effectBudget(["advise", file("r.json"), "--json"])
      assert.isAbove(JSON.parse(advice.out).limits[0].advised, 20_000)
      // Nothing but what was asked for.
      assert.deepStrictEqual(readdirSync(file(".")).sort(), ["night.json", "r.html", "r.json"])
    })
  )

  it.live("shows names without what would move the cursor, and so does advise", () =>
    Effect.gen(function* () {
      const file = yield* folder
      const evil = "a\u001B[2Jb\u009B2J"
      const setting = {
        title: evil,
        limits: ["100 tokens / minute"],
        tenants: [{ name: evil, limits: ["1 concurrent"] }],
        workload: {
          kind: "poisson",
          perMinute: 60,
          duration: "1 minute",
          calls: { inputTokens: 60, tenants: { [evil]: 1 } }
        }
      }
      writeFileSync(file("setting.json"), JSON.stringify(setting))
      const simulated = yield* effectBudget(["simulate", file("setting.json"), "--recording", file("recording.json")])
      const advised = yield* effectBudget(["advise", file("recording.json")])
      for (const { code, out } of [simulated, advised]) {
        assert.strictEqual(code, 0)
        assert.include(out, "a\uFFFD[2Jb\uFFFD2J")
        assert.notMatch(out, /(?!\n)\p{Cc}/u)
      }
    })
  )

  it.live("understands the file in the README", () =>
    Effect.gen(function* () {
      const file = yield* folder
      const [, json = ""] = /```json\n([\s\S]*?)```/.exec(readFileSync("README.md", "utf8")) ?? []
      writeFileSync(file("readme.json"), json)
      const args = ["simulate", file("readme.json"), "--duration", "1 hour", "--json"]
      const { err, out } = yield* effectBudget(args)
      assert.strictEqual(err, "")
      assert.isAbove(JSON.parse(out).calls.actual.costNanoUsd, 0)
      assert.strictEqual(JSON.parse(out).fairness.shares.length, 2)
    })
  )

  it.live("leaves what was there before when it is interrupted while it writes", () =>
    Effect.gen(function* () {
      const file = yield* folder
      writeFileSync(file("r.json"), "before")
      const written = yield* Deferred.make<void>()
      const fileSystem = yield* FileSystem.FileSystem
      const slow = {
        ...fileSystem,
        rename: () => Effect.andThen(Deferred.succeed(written, undefined), Effect.never)
      }
      const writing = yield* writeFile(file("r.json"), "after").pipe(
        Effect.provideService(FileSystem.FileSystem, slow),
        Effect.forkChild
      )
      yield* Deferred.await(written)
      assert.strictEqual(readdirSync(file(".")).length, 2)
      yield* Fiber.interrupt(writing)
      assert.deepStrictEqual(readdirSync(file(".")), ["r.json"])
      assert.strictEqual(readFileSync(file("r.json"), "utf8"), "before")
      yield* writeFile(file("r.json"), "after")
      assert.strictEqual(readFileSync(file("r.json"), "utf8"), "after")
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.live("shows how far it is on a terminal, and takes it away", () =>
    Effect.gen(function* () {
      const args = [
        "simulate",
        "--rate",
        "600",
        "--duration",
        "3 hours",
        "--limit",
        "9k tokens / minute",
        "--max-wait",
        "0 millis"
      ]
      const { err } = yield* effectBudget(args, { isTerminal: true })
      // oxlint-disable-next-line no-control-regex -- it is drawn over
      assert.match(err, /^\rsimulating {2}[█░]{24} +\d+ %\u001B\[K/)
      assert.isTrue(err.endsWith("\r\u001B[K"))
      assert.strictEqual((yield* effectBudget(["simulate", "--rate", "600", "--duration", "1 hour"])).err, "")
    })
  )

  it.live("replays a trace, and says where one is wrong", () =>
    Effect.gen(function* () {
      const file = yield* folder
      writeFileSync(file("trace.csv"), "time,in,out\n0,900,100\n1,900,100\n")
      const columns = ["--columns", "at=time,inputTokens=in,outputTokens=out", "--time-unit", "seconds"]
      const trace = ["simulate", "--trace", file("trace.csv"), ...columns, "--limit", "1k tokens / minute", "--json"]
      assert.strictEqual(JSON.parse((yield* effectBudget(trace)).out).waitMillis.max, 59_000)
      writeFileSync(file("trace.csv"), "time,in,out\n0,900,100\n1,many,100\n")
      const { code, err } = yield* effectBudget(trace)
      assert.strictEqual(code, 1)
      assert.include(err, `${file("trace.csv")}, line 3, column in: `)
    })
  )

  it.live("finds the trace that a file names, from where that file is or from the root", () =>
    Effect.gen(function* () {
      const file = yield* folder
      writeFileSync(file("trace.csv"), "TIMESTAMP,ContextTokens,GeneratedTokens\n2024-01-01 00:00:00,900,100\n")
      for (const trace of ["trace.csv", file("trace.csv")]) {
        writeFileSync(file("setting.json"), JSON.stringify({ workload: { kind: "trace", file: trace } }))
        const { err, out } = yield* effectBudget(["simulate", file("setting.json"), "--json"])
        assert.strictEqual(err, "")
        assert.strictEqual(JSON.parse(out).calls.asked, 1)
      }
    })
  )

  it.live.each([
    ['{\n  "limits": [\n}', ":3:1: this is no JSON: expected a value"],
    ['{\n  "limits": ["8k tokens / minit"]\n}', ":2:27: limits[0]: expected a span"],
    ['{\n  "limit": []\n}', ":2:12: limit: there is no such field"],
    ['{\n  "workload": {"kind": "poisson", "perMinute": "x", "duration": "1 hour"} }', ":2:48: workload.perMinute"],
    ['{\n  "workload": {"kind": "poisson", "perMinute": -1, "duration": "1 hour"} }', ":2:15: workload: perMinute"],
    ['{\n  "workload": {"kind": "poisson", "perMinute": 1, "duration": "1 our"} }', ":2:63: workload.duration"]
  ])("says where a file is wrong: %s", ([text, place]) =>
    Effect.gen(function* () {
      const file = yield* folder
      const started = text!.includes("workload")
        ? text!
        : text!.replace("\n}", ',\n  "workload": {"kind": "poisson", "perMinute": 1, "duration": "1 hour"}\n}')
      writeFileSync(file("bad.json"), text!.includes("[\n") ? text! : started)
      const { code, err, out } = yield* effectBudget(["simulate", file("bad.json")])
      assert.deepStrictEqual([code, out], [1, ""])
      assert.include(err, `effect-budget: ${file("bad.json")}${place}`)
    })
  )

  it.live("points at the mistake in a limit that was typed", () =>
    Effect.gen(function* () {
      const { code, err } = yield* effectBudget(["simulate", "--rate", "5", "--limit", "8k tokens / minit"])
      assert.strictEqual(code, 2)
      assert.include(err, "\n  8k tokens / minit\n              ^\n")
    })
  )

  it.live.each([
    [["--rate", "5", "--workers", "5"], "only one of"],
    [["--rate", "?"], "plan"],
    [["--limit", "$2"], "say what comes"],
    [["--rate", "5", "--input", "lots"], "--input"],
    [["--rate", "5", "--max-wait", "soon"], "--max-wait"],
    [["--trace", "x.csv", "--seed", "5"], "--seed"]
  ])("refuses what makes no sense together: %s", ([args, said]) =>
    Effect.gen(function* () {
      const { code, err } = yield* effectBudget(["simulate", ...(args as ReadonlyArray<string>)])
      assert.strictEqual(code, 2)
      assert.include(err, said as string)
    })
  )
})

describe("plan", () => {
  const calls = ["--duration", "20 minutes", "--input", "800", "--output", "100"]

  it.live("finds the least limit that is enough: a percent less is not", () =>
    Effect.gen(function* () {
      const args = ["plan", "--rate", "30", ...calls, "--limit", "? tokens / minute", "--json"]
      const { found } = JSON.parse((yield* effectBudget(args)).out)
      const hindered = (max: number) =>
        Effect.map(
          effectBudget(["simulate", "--rate", "30", ...calls, "--limit", `${max} tokens / minute`, "--json"]),
          ({ out }) => JSON.parse(out).calls.waited / JSON.parse(out).calls.asked
        )
      assert.isAtMost(yield* hindered(found), 0.05)
      assert.isAbove(yield* hindered(Math.floor(found * 0.99)), 0.05)
    })
  )

  it.live("finds the most workers", () =>
    Effect.gen(function* () {
      const target = ["--target", "p95 wait < 2 seconds"]
      const args = ["plan", "--workers", "?", ...calls, "--limit", "20k tokens / minute", ...target]
      const found = JSON.parse((yield* effectBudget([...args, "--json"])).out)
      assert.strictEqual(found.next.value, found.found + 1)
      assert.isAtMost(found.with.waitMillis.p95, 2_000)
      assert.isAbove(found.next.waitMillis.p95, 2_000)
      assert.include((yield* effectBudget(args)).out, `${found.found} workers`)
    })
  )

  it.live("says when nothing will do, and when nothing is asked for", () =>
    Effect.gen(function* () {
      const never = ["plan", "--rate", "?", ...calls, "--limit", "100 tokens", "--target", "refused < 1 %"]
      const { code, err } = yield* effectBudget(never)
      assert.strictEqual(code, 1)
      assert.include(err, "no number meets the target: refused < 1 %")
      assert.strictEqual((yield* effectBudget(["plan", "--rate", "5"])).code, 2)
    })
  )

  it.live("knows what is throttled only where the provider has limits, in the flags or in the file", () =>
    Effect.gen(function* () {
      const file = yield* folder
      const setting = {
        limits: ["? tokens / minute"],
        workload: { kind: "poisson", perMinute: 5, duration: "1 minute" }
      }
      const throttled = ["plan", file("setting.json"), "--target", "throttled < 1 %"]
      for (const provider of [{}, { provider: { limits: [] } }]) {
        writeFileSync(file("setting.json"), JSON.stringify({ ...setting, ...provider }))
        const { code, err } = yield* effectBudget(throttled)
        assert.strictEqual(code, 2)
        assert.include(err, "needs limits of the provider: --provider-limit, or provider in the file")
      }
      assert.strictEqual((yield* effectBudget([...throttled, "--provider-limit", "9k requests / minute"])).code, 0)
      writeFileSync(
        file("setting.json"),
        JSON.stringify({ ...setting, provider: { limits: ["9k requests / minute"] } })
      )
      assert.strictEqual((yield* effectBudget(throttled)).code, 0)
    })
  )

  // Without --max-wait nothing is refused.
  it.live("ends where the target sets no bound, and says so", () =>
    Effect.gen(function* () {
      const endless = ["--limit", "9M tokens / minute", "--target", "refused < 1 %", "--input", "10", "--output", "1"]
      const rate = yield* effectBudget(["plan", "--rate", "?", "--duration", "180 days", ...endless])
      assert.strictEqual(rate.code, 0)
      assert.include(rate.out, "met up to 1 calls per minute: the target sets no bound within 500,000 calls")
      // Workers make as many calls as they come to.
      const workload = Workload.fleet({ workers: 1, duration: "9999 days" })
      const endlessly = ofAtMost(
        3_000,
        () => Effect.void,
        (advance) => Simulation.run({ limits: [], workload, onProgress: ({ calls }) => advance(0, calls) })
      )
      assert.isUndefined(yield* endlessly)
      const never = yield* effectBudget(["plan", "--rate", "?", "--duration", "9999 days", ...endless])
      assert.strictEqual(never.code, 1)
      assert.include(never.err, "try a shorter --duration")
    })
  )
})
