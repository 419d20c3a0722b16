import { assert, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { describe } from "vitest"
import * as Budget from "../../src/Budget.ts"
import * as BudgetStatus from "../../src/BudgetStatus.ts"
import * as Limit from "../../src/Limit.ts"
import * as RedisBudgetStore from "../../src/RedisBudgetStore.ts"
import * as Usage from "../../src/Usage.ts"
import { lineOf } from "../../src/cli/watch/view.ts"
import { effectBudget } from "../support/commandLine.ts"
import { layerOf } from "../support/redis/server.ts"
import { describeServerProcess } from "../support/redis/servers.ts"

/** What moves a cursor, apart from the end of a line. */
const control = /(?!\n)\p{Cc}/u

const limits = [
  Limit.slidingWindow("tokens", 1_000, "1 minute", { name: "window" }),
  Limit.cap("usd", 2, { name: "money" }),
  Limit.concurrency(4, { name: "at once" }),
  Limit.perCall("usd", 0.5, { name: "each" })
]

const used = Effect.gen(function* () {
  const budget = yield* Budget.make({ name: "app/Key", limits })
  yield* budget.charge(Usage.make({ inputTokens: 700, costUsd: 0.5 }))
  yield* budget.reserve(Usage.make({ inputTokens: 200, costUsd: 0.25 }))
  return budget
})

/** A process that tells its budgets. */
const serve = (answer: () => unknown) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(
        () =>
          new Promise<Server>((resolve) => {
            const server = createServer((_, response) => response.end(JSON.stringify(answer())))
            server.listen(0, "127.0.0.1", () => resolve(server))
          })
      ),
      (server) => Effect.sync(() => server.close().closeAllConnections())
    ),
    (server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}/budgets`
  )

describe("the status of a budget", () => {
  it.effect("is plain data that can be read again", () =>
    Effect.gen(function* () {
      const budget = yield* used
      yield* budget.pauseUntil(5_000)
      const report = BudgetStatus.report([yield* budget.snapshot])
      const read = yield* Schema.decodeUnknownEffect(BudgetStatus.ReportSchema)(JSON.parse(JSON.stringify(report)))
      assert.deepStrictEqual(read, report)
      assert.deepStrictEqual(report.budgets[0]?.limits[1], {
        name: "money",
        kind: "Cap",
        meter: "usd",
        scale: 1_000_000_000,
        max: 2_000_000_000,
        used: 750_000_000,
        reserved: 250_000_000
      })
      assert.strictEqual(report.budgets[0]?.pausedUntil, 5_000)
    })
  )
})

describe("watch", () => {
  it.live("shows the budgets of a process", () =>
    Effect.gen(function* () {
      const snapshot = yield* Effect.flatMap(used, (budget) => budget.snapshot)
      const url = yield* serve(() => BudgetStatus.report([snapshot]))
      const { code, out } = yield* effectBudget(["watch", url, "--once"])
      assert.strictEqual(code, 0)
      assert.deepStrictEqual(
        out.split("\n").map((line) => line.replaceAll(/ {2,}/g, "  ").trim()),
        [
          "app/Key  open 1  waiting 0  spent 700 tokens in 1 calls, $0.50",
          "window  ██████████████████░░  90 %  900 of 1,000 tokens  200 reserved",
          "money  ████████░░░░░░░░░░░░  37 %  $0.75 of $2.00  $0.25 reserved",
          "at once  █████░░░░░░░░░░░░░░░  25 %  1 of 4",
          "each  at most $0.50 a call",
          ""
        ]
      )
    })
  )

  it.live("lets nobody whom it watches write to the terminal", () =>
    Effect.gen(function* () {
      const evil = "a\u001B]0;owned\u0007\u009B2J\r\nb\u007F"
      const budget = yield* Budget.make({ name: evil, limits: [Limit.cap("tokens", 10, { name: evil })] })
      const snapshot = yield* budget.snapshot
      const url = yield* serve(() => BudgetStatus.report([snapshot]))
      const { out } = yield* effectBudget(["watch", url, "--once"])
      assert.notMatch(out, control)
      assert.strictEqual(out.split("a\uFFFD]0;owned\uFFFD\uFFFD2J\uFFFD\uFFFDb\uFFFD").length, 3)
      const nonsense = yield* effectBudget(["watch", yield* serve(() => ({ budgets: [{ name: 5, [evil]: 5 }] }))])
      assert.notMatch(nonsense.err, control)
      assert.notMatch(lineOf(BudgetStatus.report([snapshot]).budgets[0]!), control)
    })
  )

  it.live("draws in place on a terminal, says when nobody answers, and gives the cursor back", () =>
    Effect.gen(function* () {
      const snapshot = yield* Effect.flatMap(used, (budget) => budget.snapshot)
      let answers = 0
      const url = yield* serve(() => (answers++ === 1 ? "nonsense" : BudgetStatus.report([snapshot])))
      const shown = yield* Deferred.make<void>()
      let out = ""
      const watching = yield* effectBudget(["watch", url, "--every", "1 millis"], {
        isTerminal: true,
        onOut: (text) => {
          out += text
          if (answers > 3 && text.includes("\u001B[J")) Deferred.doneUnsafe(shown, Effect.void)
        }
      }).pipe(Effect.forkChild)
      yield* Deferred.await(shown)
      yield* Fiber.interrupt(watching)
      const [first = "", ...frames] = out.split("\u001B[J")
      assert.strictEqual(first, "\u001B[?25l\r")
      // Eight lines, and one more while something is wrong.
      assert.isTrue(frames[0]?.endsWith("\u001B[7A\r"), JSON.stringify(frames[0]))
      assert.match(frames[1] ?? "", /; this is .* old/)
      assert.isTrue(frames[1]?.endsWith("\u001B[8A\r"), JSON.stringify(frames[1]))
      assert.isTrue(out.endsWith("\u001B[?25h"))
    })
  )

  it.live("prints lines for programs, one for each look", () =>
    Effect.gen(function* () {
      const snapshot = yield* Effect.flatMap(used, (budget) => budget.snapshot)
      const url = yield* serve(() => BudgetStatus.report([snapshot]))
      const seen: Array<string> = []
      const enough = yield* Deferred.make<void>()
      const watching = yield* effectBudget(["watch", url, "--every", "1 millis", "--json"], {
        onOut: (text) => {
          if (seen.push(text) === 3) Deferred.doneUnsafe(enough, Effect.void)
        }
      }).pipe(Effect.forkChild)
      yield* Deferred.await(enough)
      yield* Fiber.interrupt(watching)
      for (const line of seen) assert.strictEqual(JSON.parse(line).budgets[0].limits[0].used, 900)
    })
  )

  it.live("fails at once where nothing is to be seen", () =>
    Effect.gen(function* () {
      const nobody = yield* effectBudget(["watch", "http://127.0.0.1:64998/"])
      assert.strictEqual(nobody.code, 1)
      assert.include(nobody.err, "ECONNREFUSED")
      const nonsense = yield* effectBudget(["watch", yield* serve(() => ({ budgets: [{ name: 5 }] }))])
      assert.strictEqual(nonsense.code, 1)
      assert.include(nonsense.err, "cannot watch http://127.0.0.1")
      assert.strictEqual((yield* effectBudget(["watch", "--redis", "redis://127.0.0.1:1"])).code, 2)
      assert.strictEqual((yield* effectBudget(["watch", "http://x", "--every", "soon"])).code, 2)
      const secret = yield* effectBudget(["watch", "--redis", "redis://me:secret@127.0.0.1:1", "--key", "openai"])
      assert.strictEqual(secret.code, 1)
      assert.include(secret.err, "cannot reach redis://127.0.0.1:1: connect ECONNREFUSED")
    })
  )
})

describeServerProcess("watch, with budgets that are shared", ({ start }) => {
  it.live(
    "shows what all processes have counted, without taking part",
    () =>
      Effect.gen(function* () {
        const server = yield* start
        const prefix = `watch of ${process.pid}`
        const args = ["watch", "--redis", server.url, "--key", "openai", "--prefix", prefix, "--once"]
        const unknown = yield* effectBudget(args)
        assert.strictEqual(unknown.code, 1)
        assert.include(unknown.err, "no budgets are known: openai at redis://")
        const store = RedisBudgetStore.layer({ prefix }).pipe(Layer.provide(layerOf(Effect.succeed(server))))
        const use = Effect.gen(function* () {
          const key = yield* Budget.make({ name: "Key", key: "openai", limits })
          yield* key.charge(Usage.make({ inputTokens: 700, costUsd: 0.5 }))
          yield* key.reserve(Usage.make({ inputTokens: 200, costUsd: 0.25 }))
          return [yield* effectBudget(args), yield* effectBudget([...args, "--json"])] as const
        })
        const [{ out }, json] = yield* Effect.provide(use, store)
        assert.match(out, /^openai +open 1 +waiting 0 +spent 700 tokens in 1 calls, \$0\.50\n/)
        assert.match(out, /window +█{18}░░ +90 % +900 of 1,000 tokens +200 reserved\n/)
        assert.match(out, /money +█{8}░{12} +37 % +\$0\.75 of \$2\.00 +\$0\.25 reserved\n/)
        assert.strictEqual(JSON.parse(json.out).processes, 1)
      }),
    120_000
  )
})
