import { readdirSync, readFileSync } from "node:fs"
import { join, posix } from "node:path"
import { describe, expect, it } from "vitest"

/** What the governor stands on, and with it the adapters. */
const ofGovernor: ReadonlyArray<string> = [
  "usage",
  "deadline",
  "error",
  "budget",
  "tokenCounter",
  "dialect",
  "callFailure",
  "breaker",
  "pricing",
  "outputHistory"
]

/**
 * What each part may import, besides itself. Parts are listed from the core outwards; a file belongs to the first part
 * that names it.
 */
const parts: ReadonlyArray<{ name: string; files: RegExp; mayImport: ReadonlyArray<string>; effect: RegExp }> = [
  { name: "usage", files: /^((Usage|Meter)\.ts|internal\/scaleUp\.ts)$/, mayImport: [], effect: /^$/ },
  {
    name: "limit",
    files: /^(Limit\.ts|internal\/limit\/.*)$/,
    mayImport: ["usage"],
    effect: /^effect\/(Cron|DateTime|Duration|Option)$/
  },
  { name: "recentMap", files: /^internal\/recentMap\.ts$/, mayImport: [], effect: /^$/ },
  { name: "heap", files: /^internal\/heap\.ts$/, mayImport: [], effect: /^$/ },
  { name: "traceless", files: /^internal\/traceless\.ts$/, mayImport: [], effect: /^$/ },
  { name: "deadline", files: /^Deadline\.ts$/, mayImport: ["traceless"], effect: /^effect\/\w+$/ },
  {
    name: "error",
    files: /^(BudgetError|BudgetEvent|internal\/limitBehind)\.ts$/,
    mayImport: ["usage", "limit", "deadline", "traceless"],
    effect: /^effect\/(Data|Duration)$/
  },
  { name: "ledger", files: /^internal\/ledger\.ts$/, mayImport: ["usage", "limit"], effect: /^$/ },
  { name: "timeline", files: /^internal\/timeline\.ts$/, mayImport: ["heap"], effect: /^effect\/\w+$/ },
  {
    name: "storeProtocol",
    files: /^StoreProtocol\.ts$/,
    mayImport: ["usage", "limit"],
    effect: /^effect\/(Data|Effect|Scope)$/
  },
  {
    name: "storeContract",
    files: /^BudgetStoreContract\.ts$|^internal\/storeContract\/.*$/,
    mayImport: ["usage", "limit", "storeProtocol"],
    effect: /^effect\/(Cron|Data|Effect|Formatter|Scope)$/
  },
  {
    name: "admission",
    files: /^internal\/admission\/.*$/,
    mayImport: ["usage", "limit", "heap", "error", "ledger", "timeline", "storeProtocol"],
    effect: /^effect\/(Effect|Duration|Predicate|Scope)$/
  },
  {
    name: "redisStore",
    files: /^RedisBudgetStore\.ts$|^internal\/store\/redis\/.*$/,
    mayImport: ["usage", "limit", "storeProtocol", "store"],
    effect: /^effect\/(\w+|persistence\/Redis)$/
  },
  {
    name: "store",
    files: /^BudgetStore\.ts$|^internal\/store\/.*$/,
    mayImport: ["usage", "limit", "heap", "error", "ledger", "timeline", "admission", "storeProtocol"],
    effect: /^effect\/\w+$/
  },
  {
    name: "budget",
    files:
      /^(Budget|BudgetMap|Reservation)\.ts$|^internal\/(bound|budget|enter|events|observer|retention|settlement)\.ts$/,
    mayImport: ["usage", "limit", "deadline", "error", "ledger", "timeline", "admission", "store"],
    effect: /^effect\/\w+$/
  },
  {
    name: "telemetry",
    files: /^Telemetry\.ts$|^internal\/telemetry\/.*$/,
    mayImport: ["usage", "limit", "error", "timeline", "admission", "budget"],
    effect: /^effect\/\w+$/
  },
  {
    name: "budgetStatus",
    files: /^BudgetStatus\.ts$/,
    mayImport: ["budget"],
    effect: /^effect\/(Effect|Layer|Schema|http\/(HttpRouter|HttpServerResponse))$/
  },
  {
    name: "agent",
    files: /^Agent\.ts$/,
    mayImport: ["usage", "limit", "error", "budget"],
    effect: /^effect\/(Effect|Scope)$/
  },
  {
    name: "testing",
    files: /^BudgetTesting\.ts$|^internal\/testing\/.*$/,
    mayImport: ["usage", "budget"],
    effect: /^effect\/(Duration|Effect|Layer|Scope)$/
  },
  { name: "messageFraming", files: /^internal\/messageFraming\.ts$/, mayImport: [], effect: /^$/ },
  {
    name: "tokenCounter",
    files: /^(TokenCounter\.ts|internal\/tokenCounter\/.*)$/,
    mayImport: ["heap", "messageFraming"],
    effect: /^(effect\/\w+|js-tiktoken\/.*)$/
  },
  {
    name: "aiTokenizer",
    files: /^AiTokenizer\.ts$/,
    mayImport: ["tokenCounter"],
    effect: /^effect\/(Effect|Layer|ai\/(Prompt|Tokenizer))$/
  },
  {
    name: "dialect",
    files: /^(Dialect|Feedback)\.ts$|^internal\/dialect\/.*$/,
    mayImport: ["usage", "messageFraming"],
    effect: /^$/
  },
  {
    name: "callFailure",
    files: /^CallFailure\.ts$|^internal\/callFailure\/.*$/,
    mayImport: ["dialect"],
    effect: /^effect\/(Cause|Duration|Predicate)$/
  },
  {
    name: "breaker",
    files: /^Breaker\.ts$/,
    mayImport: ["callFailure", "traceless"],
    effect: /^effect\/(\w+|persistence\/CircuitBreaker)$/
  },
  {
    name: "pricing",
    files: /^Pricing\.ts$|^internal\/pricing\/.*$/,
    mayImport: ["usage", "recentMap"],
    effect: /^(effect\/\w+|@pydantic\/genai-prices)$/
  },
  {
    name: "outputHistory",
    files: /^OutputHistory\.ts$|^internal\/outputHistory\/.*$/,
    mayImport: ["usage", "recentMap"],
    effect: /^effect\/\w+$/
  },
  {
    name: "governor",
    files: /^Governor\.ts$|^internal\/governor\/.*$/,
    mayImport: ofGovernor,
    effect: /^effect\/\w+$/
  },
  {
    name: "guard",
    files: /^Guard\.ts$|^internal\/guard\/.*$/,
    mayImport: ["usage", "deadline", "error", "budget", "dialect", "callFailure", "breaker", "governor"],
    effect: /^effect\/\w+$/
  },
  {
    name: "degradation",
    files: /^Degradation\.ts$/,
    mayImport: ["usage", "deadline", "error", "budget", "breaker", "guard"],
    effect: /^effect\/(Duration|Effect)$/
  },
  {
    name: "http",
    files: /^BudgetedFetch\.ts$|^BudgetedHttpClient\.ts$|^PromiseBudget\.ts$|^internal\/http\/.*$/,
    mayImport: [...ofGovernor, "limit", "governor"],
    effect: /^effect\/(\w+|encoding\/Sse|http\/\w+)$/
  },
  {
    name: "languageModel",
    files: /^BudgetedLanguageModel\.ts$|^internal\/languageModel\/.*$/,
    mayImport: [...ofGovernor, "governor"],
    effect: /^effect\/(\w+|ai\/\w+)$/
  },
  {
    name: "recording",
    files: /^Recording\.ts$|^internal\/recording\/.*$/,
    mayImport: ["usage", "limit", "error", "budget", "admission"],
    effect: /^effect\/(Cron|DateTime|Duration|Effect|Option|Schema|Scope)$/
  },
  {
    name: "workload",
    files: /^Workload\.ts$|^internal\/workload\/.*$/,
    mayImport: ["usage"],
    effect: /^(effect\/\w+|csv-parse\/(browser\/esm\/)?sync)$/
  },
  {
    name: "simulation",
    files: /^Simulation\.ts$|^internal\/simulation\/.*$/,
    mayImport: ["usage", "limit", "heap", "error", "admission", "budget", "recording", "workload"],
    effect: /^effect\/\w+$/
  },
  {
    name: "advice",
    files: /^Advice\.ts$|^internal\/advice\/.*$/,
    mayImport: ["usage", "limit", "recording", "workload", "simulation"],
    effect: /^effect\/\w+$/
  },
  {
    // What runs in the page of a report: it has nothing but itself, and uPlot, a script before it.
    name: "reportPage",
    files: /^internal\/report\/page\/.*$/,
    mayImport: ["recording"],
    effect: /^uplot$/
  },
  {
    name: "report",
    files: /^Report\.ts$|^internal\/report\/.*$/,
    mayImport: ["recording", "reportPage"],
    effect: /^(effect\/Effect|node:(module|fs\/promises))$/
  },
  {
    name: "cli",
    files: /^cli\/.*$/,
    mayImport: [
      "usage",
      "limit",
      "budget",
      "budgetStatus",
      "redisStore",
      "storeProtocol",
      "tokenCounter",
      "pricing",
      "recording",
      "workload",
      "simulation",
      "advice",
      "report"
    ],
    effect: /^(effect\/(\w+|cli\/\w+|http\/\w+|persistence\/Redis)|@effect\/platform-node\/\w+)$/
  },
  {
    name: "barrel",
    files: /^index\.ts$/,
    mayImport: [
      "usage",
      "limit",
      "deadline",
      "error",
      "storeProtocol",
      "storeContract",
      "store",
      "redisStore",
      "budget",
      "telemetry",
      "budgetStatus",
      "agent",
      "testing",
      "tokenCounter",
      "aiTokenizer",
      "dialect",
      "callFailure",
      "breaker",
      "pricing",
      "outputHistory",
      "governor",
      "guard",
      "degradation",
      "http",
      "report",
      "languageModel",
      "recording",
      "workload",
      "simulation",
      "advice"
    ],
    effect: /^$/
  }
]

const sources = readdirSync("src", { recursive: true, encoding: "utf8" })
  .map((file) => file.replaceAll("\\", "/"))
  .filter((file) => file.endsWith(".ts"))

const importsOf = (file: string): ReadonlyArray<string> =>
  [...readFileSync(join("src", file), "utf8").matchAll(/(?:from |import\()"([^"\n]+)"/g)]
    .filter((match) => !isInDocstring(file, match.index))
    .map((match) => match[1] ?? "")

const isInDocstring = (file: string, index: number): boolean => {
  const text = readFileSync(join("src", file), "utf8")
  return /^ *\*/.test(text.slice(text.lastIndexOf("\n", index) + 1, index))
}

const partOf = (file: string) => parts.find((part) => part.files.test(file))

describe("the architecture", () => {
  it("has a part for every file", () => {
    expect(sources.filter((file) => partOf(file) === undefined)).toEqual([])
  })

  it.each(sources)("lets dependencies point one way only: %s", (file) => {
    const part = partOf(file)
    const wrong = importsOf(file).filter((specifier) => {
      if (!specifier.startsWith(".")) return part === undefined || !part.effect.test(specifier)
      const target = partOf(posix.join(posix.dirname(file), specifier))
      return target === undefined || (target !== part && part?.mayImport.includes(target.name) !== true)
    })
    expect(wrong).toEqual([])
  })

  it("has a name in the barrel for every public module that needs nothing of Node", () => {
    const barrel = readFileSync("src/index.ts", "utf8")
    const missing = sources
      .filter((file) => !file.includes("/") && file !== "index.ts" && file !== "Report.ts")
      .filter((file) => !barrel.includes(`export * as ${file.replace(".ts", "")} from "./${file}"`))
    expect(missing).toEqual([])
  })
})
