/**
 * `npm run bench:counting`: how exactly tokens are counted and estimated, on texts that installed packages ship, beside
 * `tokenx` and chars/4. It prints a table and writes `bench/results/counting.json`.
 *
 * ```sh
 * npm run bench:counting                       # everything, in about a minute
 * npm run bench:counting -- --only base64      # the kinds with this in their names; nothing is written
 * npm run bench:counting -- --smoke            # a few documents of each kind; nothing is written
 * ```
 *
 * The errors are those of the half of the documents that no constant was fitted to, with two reservations: the costs of
 * Chinese and Japanese characters were raised by hand with this half in sight, and packages ship some modules twice
 * (`.js` and `.cjs`), so that a twin may be in the other half. Being worse than another is a result and no failure; an
 * exact count that differs from js-tiktoken's is one.
 */
import { Effect } from "effect"
import { Tiktoken } from "js-tiktoken/lite"
import o200k from "js-tiktoken/ranks/o200k_base"
import { parseArgs } from "node:util"
import * as TokenCounter from "../src/TokenCounter.ts"
import { contenders, type Counted, errorsOf } from "./counting/contenders.ts"
import { isForFitting, type Kind, kinds, sampleOf } from "./counting/kinds.ts"
import * as Report from "./counting/report.ts"
import { speeds } from "./counting/speed.ts"

const { values: args } = parseArgs({
  options: { smoke: { type: "boolean", default: false }, only: { type: "string", default: "" } }
})

const DOCUMENTS_MAX = args.smoke ? 8 : 400
const effort = args.smoke
  ? { warmUpRounds: 2, rounds: 3, roundMillis: 10 }
  : { warmUpRounds: 4, rounds: 11, roundMillis: 30 }

const tiktoken = new Tiktoken(o200k)

const rowOf = Effect.fnUntraced(function* (kind: Kind) {
  const counter = yield* TokenCounter.TokenCounter
  const counted: Array<Counted> = []
  let unequal = 0
  for (const document of sampleOf(kind, DOCUMENTS_MAX)) {
    const tokens = tiktoken.encode(document.text, [], []).length
    if ((yield* counter.count(document.text)) !== tokens) unequal++
    if (!isForFitting(document)) counted.push({ text: document.text, tokens })
  }
  const row: Report.Row = {
    kind: kind.kind,
    source: kind.source,
    documents: counted.length,
    characters: counted.reduce((total, { text }) => total + text.length, 0),
    tokens: counted.reduce((total, { tokens }) => total + tokens, 0),
    unequal,
    errors: contenders.map((contender) => errorsOf(contender, counted))
  }
  return row
})

const program = Effect.gen(function* () {
  console.log(Report.header)
  const rows: Array<Report.Row> = []
  for (const kind of kinds) {
    if (!kind.kind.includes(args.only)) continue
    const row = yield* rowOf(kind)
    console.log(Report.line(row))
    rows.push(row)
  }
  const throughput = yield* speeds(effort)
  console.log(Report.summary(rows, throughput))
  if (rows.some(({ unequal }) => unequal > 0)) process.exitCode = 1
  if (args.smoke || args.only !== "") return
  Report.write(new URL("results/counting.json", import.meta.url), rows, throughput)
})

await Effect.runPromise(Effect.provide(program, TokenCounter.layerEncoding("o200k_base")))
