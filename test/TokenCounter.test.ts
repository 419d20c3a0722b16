import { execFile } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Tiktoken } from "js-tiktoken/lite"
import cl100k from "js-tiktoken/ranks/cl100k_base"
import o200k from "js-tiktoken/ranks/o200k_base"
import type OpenAI from "openai"
import { blockEnd } from "../src/internal/tokenCounter/blocks.ts"
import { loadEncoder } from "../src/internal/tokenCounter/encoder.ts"
import * as TokenCounter from "../src/TokenCounter.ts"
import { forEachSeed, Random } from "./support/random.ts"

const root = join(import.meta.dirname, "..")
const packageFile = (path: string) => readFileSync(join(root, "node_modules", path), "utf8")

const tiktoken: Record<TokenCounter.Encoding, Tiktoken> = {
  o200k_base: new Tiktoken(o200k),
  cl100k_base: new Tiktoken(cl100k)
}
const encodings: ReadonlyArray<TokenCounter.Encoding> = ["o200k_base", "cl100k_base"]

/** What js-tiktoken itself says, special tokens read as text. */
const reference = (text: string, encoding: TokenCounter.Encoding = "o200k_base") =>
  tiktoken[encoding].encode(text, [], []).length

const count = (text: string) => TokenCounter.TokenCounter.use((counter) => counter.count(text))
const countMessages = (messages: ReadonlyArray<TokenCounter.Message>) =>
  TokenCounter.TokenCounter.use((counter) => counter.countMessages(messages))
const withO200k = Effect.provide(TokenCounter.layerEncoding("o200k_base"))

/** By how much the count of an indivisible run may change where it is cut, as documented. */
const CUT_TOKENS_MAX = 3

const blocksOf = (text: string, maxChars: number): ReadonlyArray<string> => {
  const blocks: Array<string> = []
  for (let start = 0; start < text.length;) {
    const end = blockEnd(text, start, maxChars)
    blocks.push(text.slice(start, end))
    start = end
  }
  return blocks
}

/** The estimate as a share of the true count. */
const ratio = (text: string) => TokenCounter.estimate(text) / reference(text)

const example = (name: string, content: string) => ({ role: "system", name, content }) as const

/** The rank tables that a program loads which imports the module and runs the statement. */
const loadedBy = async (statement: string): Promise<ReadonlyArray<string>> => {
  const script = `
    import { registerHooks } from "node:module"
    registerHooks({ load: (url, context, next) => { console.log(url); return next(url, context) } })
    const Effect = await import("effect/Effect")
    const TokenCounter = await import("./src/TokenCounter.ts")
    ${statement}`
  const flags = ["--conditions=@effect-budget/source", "--input-type=module", "--eval", script]
  const { stdout } = await promisify(execFile)(process.execPath, flags, { cwd: root })
  return stdout.split("\n").filter((url) => url.includes("/js-tiktoken/") && url.includes("/ranks/"))
}

const samples: Record<string, string> = {
  English:
    "The budget is a promise that is made before the call. What the call really used is known only after it has ended, and the difference goes back to those who wait.",
  German:
    "Das Budget ist ein Versprechen, das vor dem Aufruf gegeben wird. Was der Aufruf wirklich verbraucht hat, weiß man erst danach, und der Unterschied geht an die Wartenden zurück.",
  French:
    "Le budget est une promesse faite avant l'appel. Ce que l'appel a réellement consommé n'est connu qu'à la fin, et la différence revient à ceux qui attendent.",
  Spanish:
    "El presupuesto es una promesa que se hace antes de la llamada. Lo que la llamada consumió de verdad solo se sabe al final, y la diferencia vuelve a quienes esperan.",
  Polish:
    "Budżet to obietnica złożona przed wywołaniem. Ile wywołanie naprawdę zużyło, wiadomo dopiero po jego zakończeniu, a różnica wraca do tych, którzy czekają.",
  Turkish:
    "Bütçe, çağrıdan önce verilen bir sözdür. Çağrının gerçekte ne kadar harcadığı ancak bittikten sonra bilinir ve aradaki fark bekleyenlere geri döner.",
  Finnish:
    "Budjetti on lupaus, joka annetaan ennen kutsua. Vasta kutsun päätyttyä tiedetään, paljonko se todella kulutti, ja erotus palautetaan odottaville.",
  Russian:
    "Бюджет — это обещание, данное до вызова. Сколько вызов действительно израсходовал, известно только после его завершения, и разница возвращается ожидающим.",
  Greek:
    "Ο προϋπολογισμός είναι μια υπόσχεση που δίνεται πριν από την κλήση. Το τι ξόδεψε πραγματικά γίνεται γνωστό μόνο στο τέλος, και η διαφορά επιστρέφει σε όσους περιμένουν.",
  Arabic:
    "الميزانية وعد يُقطع قبل الاستدعاء. ولا يُعرف ما استهلكه الاستدعاء فعلاً إلا بعد انتهائه، ويعود الفرق إلى من ينتظرون.",
  Hebrew: "התקציב הוא הבטחה שניתנת לפני הקריאה. מה שהקריאה באמת צרכה ידוע רק אחרי שהסתיימה, וההפרש חוזר למי שממתין.",
  Hindi:
    "बजट एक वादा है जो कॉल से पहले किया जाता है। कॉल ने वास्तव में कितना खर्च किया, यह उसके समाप्त होने के बाद ही पता चलता है, और अंतर प्रतीक्षा करने वालों को लौट जाता है।",
  Thai: "งบประมาณคือคำสัญญาที่ให้ไว้ก่อนการเรียก การเรียกใช้ไปเท่าไรจริง ๆ จะรู้ได้ก็ต่อเมื่อสิ้นสุดแล้ว และส่วนต่างจะกลับไปยังผู้ที่รออยู่",
  Vietnamese:
    "Ngân sách là một lời hứa được đưa ra trước cuộc gọi. Cuộc gọi thực sự đã dùng bao nhiêu chỉ được biết sau khi nó kết thúc, và phần chênh lệch trở về với những người đang chờ.",
  Chinese:
    "预算是在调用之前作出的承诺。调用实际消耗了多少，只有在它结束之后才知道，差额会退还给正在等待的人。如果没有足够的余量，请求就会排队，直到窗口重新打开为止。",
  Japanese:
    "予算とは、呼び出しの前に交わされる約束です。呼び出しが実際にどれだけ消費したかは、終わってからでなければ分かりません。差額は、待っている人たちに返されます。余裕がなければ、リクエストは窓が再び開くまで列に並びます。",
  Korean:
    "예산은 호출하기 전에 하는 약속입니다. 호출이 실제로 얼마나 썼는지는 끝난 뒤에야 알 수 있고, 남은 차이는 기다리는 사람들에게 돌아갑니다.",
  emoji: "🎉 Done! 👩‍💻🚀 Shipped to 🇫🇷 and 🇯🇵 ✅ ⚠️ see you 👍🏽❤️",
  code: "export const isAmount = (amount: number): boolean =>\n    Number.isSafeInteger(amount) && amount >= 0 // 0 is one\n",
  json: JSON.stringify([{ id: 4711, name: "user 12", at: "2024-08-06T12:00:00.000Z", cost: 0.0731, tags: ["a", "b"] }]),
  digits: "3.14159265358979, 1,234,567 and +49 30 1234567",
  whitespace: "a\n\n\n    b\t\tc \r\n   \n        d  1   2"
}

const documents: Record<string, string> = {
  "openai/README.md": packageFile("openai/README.md"),
  "effect/README.md": packageFile("effect/README.md"),
  "effect/src/RcMap.ts": packageFile("effect/src/RcMap.ts"),
  "effect/package.json": packageFile("effect/package.json")
}

describe("counting with an encoding", () => {
  for (const encoding of encodings) {
    it.effect(`gives js-tiktoken's count in ${encoding}, in every language`, () =>
      Effect.gen(function* () {
        for (const [name, text] of Object.entries({ ...samples, ...documents })) {
          expect(yield* count(text), name).toBe(reference(text, encoding))
        }
      }).pipe(Effect.provide(TokenCounter.layerEncoding(encoding)))
    )
  }

  it.effect("counts an empty text as nothing", () =>
    Effect.gen(function* () {
      expect(yield* count("")).toBe(0)
    }).pipe(withO200k)
  )

  it.effect("counts special tokens as the plain text they are", () =>
    Effect.gen(function* () {
      const text = "before <|endoftext|> after <|endofprompt|>"
      expect(yield* count(text)).toBe(reference(text))
      expect(yield* count("<|endoftext|>")).toBeGreaterThan(1)
    }).pipe(withO200k)
  )

  it.effect("counts half of a surrogate pair as js-tiktoken does", () =>
    Effect.gen(function* () {
      expect(yield* count("a\ud83d b")).toBe(reference("a\ud83d b"))
    }).pipe(withO200k)
  )

  it.effect("gives js-tiktoken's count of a text of many blocks", () =>
    Effect.gen(function* () {
      const text = packageFile("openai/CHANGELOG.md")
      const chinese = samples["Chinese"]!.repeat(500)
      expect(text.length).toBeGreaterThan(200_000)
      expect(yield* count(text)).toBe(reference(text))
      expect(yield* count(chinese)).toBe(reference(chinese))
    }).pipe(withO200k)
  )

  // Where time grows with the square of a piece, this takes hours: then the time of the test is over.
  it.effect("counts a million of one character as it does any other text", () =>
    Effect.gen(function* () {
      const perThousand = { a: 125, " ": 7.8125, "-": 15.625, "😀": 1_000, 漢: 1_000 }
      for (const [character, tokens] of Object.entries(perThousand)) {
        const counted = yield* count(character.repeat(1_000_000))
        expect(counted, character).toBeGreaterThanOrEqual(tokens * 1_000)
        expect(counted, character).toBeLessThanOrEqual(tokens * 1_000 + 62 * CUT_TOKENS_MAX)
      }
    }).pipe(withO200k)
  )

  it.effect("is off by a few tokens at most where an indivisible run is cut", () =>
    Effect.gen(function* () {
      const random = new Random(7)
      const letters = Array.from({ length: 100_000 }, () => random.pick([..."abcdefghijklmnopqrstuvwxyz"])).join("")
      const whole = (yield* Effect.promise(() => loadEncoder("o200k_base")))(letters)
      expect(Math.abs((yield* count(letters)) - whole)).toBeLessThanOrEqual(6 * CUT_TOKENS_MAX)
    }).pipe(withO200k)
  )

  it.effect("lets other fibers run while it counts a large text", () =>
    Effect.gen(function* () {
      let turns = 0
      const others = Effect.forever(Effect.andThen(Effect.yieldNow, () => Effect.sync(() => turns++)))
      yield* Effect.raceFirst(count("one more word ".repeat(20_000)), others)
      // 280,000 characters are 18 blocks; the two fibers take turns.
      expect(turns).toBeGreaterThanOrEqual(5)
    }).pipe(withO200k)
  )

  it("loads an encoding once and shares it", async () => {
    expect(loadEncoder("o200k_base")).toBe(loadEncoder("o200k_base"))
    expect(await loadEncoder("o200k_base")).not.toBe(await loadEncoder("cl100k_base"))
  })
})

describe("cutting a text into blocks", () => {
  const letters = ["a", "B", "s", "word", "I", " don", "漢", "か", "ไ", "𝒜", "ǅ", "ʰ", "e\u0301", "\u0e31"]
  const symbols = ["'", "'m", "'t", "'ll", "’", ".", "/", ";", "-", "😀", "<|endoftext|>", "\ud800"]
  const whitespace = [" ", "  ", "\n", "\r", "\t", "\u00a0", "\ufeff"]
  const alphabet = [...letters, ...symbols, ...whitespace, "9", "٣"]

  for (const encoding of encodings) {
    it(`changes no piece of ${encoding} where a block has a place to end`, async () => {
      const encode = await loadEncoder(encoding)
      let cuts = 0
      await forEachSeed({ name: `blocks of ${encoding}`, runs: 5_000 }, (random) => {
        const text = Array.from({ length: random.int(5, 65) }, () => random.pick(alphabet)).join("")
        random.note(text)
        const blocks = blocksOf(text, 40)
        // A block that is full was cut for want of a better place.
        if (blocks.slice(0, -1).some((block) => block.length >= 39)) return
        cuts += blocks.length - 1
        const total = blocks.reduce((sum, block) => sum + encode(block), 0)
        expect(total).toBe(reference(text, encoding))
      })
      expect(cuts).toBeGreaterThan(1_000)
    })
  }

  it("never cuts a surrogate pair, nor makes an empty block", () => {
    for (const maxChars of [2, 3, 7]) {
      const blocks = blocksOf("😀".repeat(20), maxChars)
      expect(blocks.join("")).toBe("😀".repeat(20))
      for (const block of blocks) expect(block).toMatch(/^(😀)+$/u)
    }
  })
})

describe("the encoding of a model", () => {
  const names: Record<TokenCounter.Encoding, ReadonlyArray<string>> = {
    o200k_base: [
      "gpt-4o",
      "gpt-4o-2024-08-06",
      "gpt-4o-2031-01-01",
      "ft:gpt-4o-mini:org::id",
      "ft:gpt-4.1-nano-2025-04-14:org:name:id",
      "openai/gpt-4o-mini",
      "gpt-4.1",
      "gpt-5",
      "gpt-5.1-codex",
      "gpt-oss-120b",
      "o1",
      "o3-2031-01-01",
      "o4-mini",
      "chatgpt-4o-latest"
    ],
    cl100k_base: [
      "gpt-4",
      "gpt-4-turbo-2031-01-01",
      "ft:gpt-3.5-turbo-0125:org::id",
      "gpt-35-turbo",
      "text-embedding-3-small",
      "davinci-002"
    ]
  }
  const telling = "多语言🦜"

  for (const encoding of encodings) {
    it.effect(`is ${encoding} for its models, dated, fine-tuned and by gateway`, () =>
      Effect.gen(function* () {
        expect(reference(telling, "o200k_base")).not.toBe(reference(telling, "cl100k_base"))
        for (const model of names[encoding]) {
          const tokens = yield* Effect.provide(count(telling), TokenCounter.layerModel(model))
          expect(tokens, model).toBe(reference(telling, encoding))
        }
      })
    )
  }

  it.effect("is a typed error that names the model and the ways out where nobody knows it", () =>
    Effect.gen(function* () {
      for (const model of ["claude-sonnet-4-5", "gpt-6", "text-davinci-003", "ft:", ""]) {
        const error = yield* Effect.flip(Effect.provide(count("text"), TokenCounter.layerModel(model)))
        expect(error).toBeInstanceOf(TokenCounter.EncodingNotFound)
        expect(error).toMatchObject({ _tag: "EncodingNotFound", model })
        expect(error.message).toContain(`"${model}"`)
        expect(error.message).toContain("layerEncoding")
        expect(error.message).toContain("layerHeuristic")
      }
    })
  )
})

describe("counting messages", () => {
  const system = "You are a helpful, pattern-following assistant that translates corporate jargon into plain English."
  const cookbook: ReadonlyArray<OpenAI.ChatCompletionMessageParam> = [
    { role: "system", content: system },
    example("example_user", "New synergies will help drive top-line growth."),
    example("example_assistant", "Things working well together will increase revenue."),
    example(
      "example_user",
      "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage."
    ),
    example("example_assistant", "Let's talk later when we're less busy about how to do better."),
    {
      role: "user",
      content: "This late pivot means we don't have time to boil the ocean for the client deliverable."
    }
  ]

  it.effect("gives what OpenAI's API reports for the messages of its cookbook", () =>
    Effect.gen(function* () {
      expect(yield* Effect.provide(countMessages(cookbook), TokenCounter.layerModel("gpt-4o"))).toBe(124)
      expect(yield* Effect.provide(countMessages(cookbook), TokenCounter.layerModel("gpt-4"))).toBe(129)
    })
  )

  // A counter of letters, so that the sums can be read off.
  const letters = TokenCounter.make((text) => Effect.succeed(text.length))

  it.effect("counts the reply's three tokens even where there are no messages", () =>
    Effect.gen(function* () {
      expect(yield* letters.countMessages([])).toBe(3)
    })
  )

  it.effect("adds three tokens for a message and one for a name", () =>
    Effect.gen(function* () {
      expect(yield* letters.countMessages([{ role: "user", content: "12345" }])).toBe(3 + 3 + 4 + 5)
      expect(yield* letters.countMessages([{ role: "user", name: "ann", content: "12345" }])).toBe(
        3 + 3 + 4 + 5 + 1 + 3
      )
      expect(yield* letters.countMessages([{ role: "assistant", content: null }])).toBe(3 + 3 + 9)
      expect(yield* letters.countMessages([{ role: "assistant" }])).toBe(3 + 3 + 9)
    })
  )

  it.effect("counts text parts by their text and all others by the same constant", () =>
    Effect.gen(function* () {
      const tokens = yield* letters.countMessages([
        {
          role: "user",
          content: [
            { type: "text", text: "12345" },
            { type: "image_url", image_url: { url: "https://example.com/a.png", detail: "high" } },
            { type: "input_audio", input_audio: { data: "…", format: "wav" } },
            { type: "refusal", refusal: "no" }
          ]
        }
      ])
      expect(tokens).toBe(3 + 3 + 4 + 5 + 2 * TokenCounter.tokensPerOtherPart + 2)
    })
  )

  it.effect("counts the names and arguments of tool calls, but no identifiers", () =>
    Effect.gen(function* () {
      const messages: ReadonlyArray<OpenAI.ChatCompletionMessageParam> = [
        {
          role: "assistant",
          content: null,
          tool_calls: [
            { id: "call_1", type: "function", function: { name: "find", arguments: `{"q":1}` } },
            { id: "call_2", type: "custom", custom: { name: "run", input: "ls" } }
          ]
        },
        { role: "tool", tool_call_id: "call_1", content: "found" }
      ]
      const calls = 4 + 7 + 3 + 2 + 2 * TokenCounter.tokensPerToolCall
      expect(yield* letters.countMessages(messages)).toBe(3 + (3 + 9 + calls) + (3 + 4 + 5))
    })
  )
})

describe("estimating", () => {
  it("is a little above o200k_base for the READMEs of packages", () => {
    const readmes = readdirSync(join(root, "node_modules"))
      .flatMap((name) => (name.startsWith(".") || name.startsWith("@") ? [] : [`${name}/README.md`]))
      .flatMap((path) => {
        try {
          return [packageFile(path)]
        } catch {
          return []
        }
      })
    expect(readmes.length).toBeGreaterThan(15)
    const total = ratio(readmes.join("\n"))
    expect(total).toBeGreaterThan(1)
    expect(total).toBeLessThan(1.1)
    for (const readme of readmes) {
      expect(ratio(readme), readme.slice(0, 80)).toBeGreaterThan(0.9)
      expect(ratio(readme), readme.slice(0, 80)).toBeLessThan(1.4)
    }
  })

  it("is between 10 % below and 45 % above o200k_base in every language, code and data", () => {
    for (const [name, text] of Object.entries({ ...samples, ...documents })) {
      expect(ratio(text), name).toBeGreaterThanOrEqual(0.9)
      expect(ratio(text), name).toBeLessThanOrEqual(1.45)
    }
  })

  it("is within 10 % of o200k_base for base64 and hexadecimal digits, which have no words", () => {
    const random = new Random(11)
    const bytes = Buffer.from(Array.from({ length: 6_000 }, () => random.int(0, 255)))
    for (const encoding of ["base64", "base64url", "hex"] as const) {
      expect(Math.abs(ratio(bytes.toString(encoding)) - 1), encoding).toBeLessThan(0.1)
    }
  })

  it("takes a word for more tokens the stranger its letters are", () => {
    expect(TokenCounter.estimate(" interesting")).toBe(1)
    expect(TokenCounter.estimate(" xqzkvjwgbpf")).toBeGreaterThanOrEqual(5)
  })

  it("takes camelCase for as many words as it has humps", () => {
    const perName = TokenCounter.estimate(" inTheAtOf".repeat(100)) / 100
    expect(perName).toBeGreaterThanOrEqual(4)
    expect(perName).toBeLessThan(4.5)
    expect(TokenCounter.estimate(" intheatof")).toBeLessThan(4)
  })

  it("takes the space or the symbol before a word for a part of it", () => {
    expect(TokenCounter.estimate(" word")).toBe(1)
    expect(TokenCounter.estimate(" this.id".repeat(100))).toBe(200)
    expect(TokenCounter.estimate(" this .id".repeat(100))).toBe(300)
  })

  it("counts digits in threes, with a space before them apart", () => {
    expect(TokenCounter.estimate("123")).toBe(1)
    expect(TokenCounter.estimate("1234")).toBe(2)
    expect(TokenCounter.estimate("a 1")).toBe(3)
  })

  it("does not take four Japanese characters for a token", () => {
    const japanese = samples["Japanese"]!
    expect(japanese.length).toBeGreaterThan(100)
    expect(TokenCounter.estimate(japanese)).toBeGreaterThan(japanese.length * 0.6)
  })

  it("is not far below for runs of one character, digits and identifiers", () => {
    const runs = ["a", " ", "\n", "\t", "-", "7", "漢", "😀"].map((character) => character.repeat(400))
    for (const text of [...runs, "0123456789abcdef".repeat(30), "cc8a-4f07-9b2d ".repeat(30)]) {
      expect(ratio(text), text.slice(0, 10)).toBeGreaterThanOrEqual(0.85)
    }
  })

  it("costs nothing for an empty text and something for any other", () => {
    expect(TokenCounter.estimate("")).toBe(0)
    for (const text of ["a", "1", ".", "é", "漢"]) expect(TokenCounter.estimate(text), text).toBeGreaterThanOrEqual(1)
  })

  it("takes time that grows no faster than the text", () => {
    const started = performance.now()
    for (const text of ["a", " ", "\n", "(", "漢"]) TokenCounter.estimate(text.repeat(2_000_000))
    expect(performance.now() - started).toBeLessThan(5_000)
  })

  it.effect("is what the heuristic layer counts", () =>
    Effect.gen(function* () {
      const text = samples["English"]!
      expect(yield* count(text)).toBe(TokenCounter.estimate(text))
      const messages = [{ role: "user", content: text }]
      expect(yield* countMessages(messages)).toBe(3 + 3 + TokenCounter.estimate("user") + TokenCounter.estimate(text))
    }).pipe(Effect.provide(TokenCounter.layerHeuristic))
  )
})

describe("the counter of a model", () => {
  const text = "Пример на русском языке"
  const countFor = (model: string) =>
    Effect.gen(function* () {
      const counterOf = yield* TokenCounter.ByModel
      return yield* (yield* counterOf(model)).count(text)
    })

  it.effect("estimates every model where nothing is provided", () =>
    Effect.gen(function* () {
      for (const model of ["gpt-4o", "gpt-4", "claude-sonnet-4-5", ""]) {
        expect(yield* countFor(model), model).toBe(TokenCounter.estimate(text))
      }
    })
  )

  it.effect("counts exactly where the encoding is known, and estimates where it is not", () =>
    Effect.gen(function* () {
      expect(new Set([reference(text), reference(text, "cl100k_base"), TokenCounter.estimate(text)]).size).toBe(3)
      expect(yield* countFor("gpt-4o-2024-08-06")).toBe(reference(text))
      expect(yield* countFor("gpt-4")).toBe(reference(text, "cl100k_base"))
      expect(yield* countFor("claude-sonnet-4-5")).toBe(TokenCounter.estimate(text))
    }).pipe(Effect.provide(TokenCounter.layerByEncoding))
  )

  it.effect("is one for all models of an encoding", () =>
    Effect.gen(function* () {
      const counterOf = yield* TokenCounter.ByModel
      const counter = yield* counterOf("gpt-4o")
      expect(yield* counterOf("gpt-5.1")).toBe(counter)
      expect(yield* counterOf("gpt-4")).not.toBe(counter)
    }).pipe(Effect.provide(TokenCounter.layerByEncoding))
  )

  it.effect("is what a function of one's own says", () =>
    Effect.gen(function* () {
      const letters = TokenCounter.make((text) => Effect.succeed(text.length))
      const counted = Effect.provideService(countFor("any"), TokenCounter.ByModel, () => Effect.succeed(letters))
      expect(yield* counted).toBe(text.length)
    })
  )
})

describe("the rank tables", () => {
  it("are not loaded with the module", async () => {
    expect(await loadedBy("TokenCounter.estimate('text')")).toEqual([])
  })

  it("are loaded by the layer of all models when the first model needs them, and not before", async () => {
    const counts = (model: string) => `
      const counted = Effect.gen(function* () {
        const counterOf = yield* TokenCounter.ByModel
        return yield* (yield* counterOf("${model}")).count("text")
      })
      await Effect.runPromise(Effect.provide(counted, TokenCounter.layerByEncoding))`
    expect(await loadedBy(counts("claude-sonnet-4-5"))).toEqual([])
    const urls = await loadedBy(counts("gpt-4o"))
    expect(urls.map((url) => url.slice(url.lastIndexOf("/")))).toEqual(["/o200k_base.js"])
  })

  it("are loaded with the layer, and only the one that is needed", async () => {
    const urls = await loadedBy(`
      const counted = TokenCounter.TokenCounter.use((counter) => counter.count("text"))
      await Effect.runPromise(Effect.provide(counted, TokenCounter.layerModel("gpt-4")))`)
    expect(urls.map((url) => url.slice(url.lastIndexOf("/")))).toEqual(["/cl100k_base.js"])
  })
})
