import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as OutputHistory from "../src/OutputHistory.ts"
import { forEachSeed, type Random } from "./support/random.ts"

const chat: OutputHistory.Kind = { model: "gpt-4o-mini", operation: "chat" }
const nonsense = [Number.NaN, -1, 0.5, Number.POSITIVE_INFINITY]

/** Notes a number of calls that all write the same, with everything reserved. */
const note = (history: OutputHistory.OutputHistory, calls: number, written: number, kind = chat) => {
  for (let call = 0; call < calls; call++) history.note(kind, { allowed: 1_000, reserved: 1_000, written })
}

describe("what a history expects", () => {
  it("is everything until there is enough evidence", () => {
    const history = OutputHistory.make()
    expect(history.expect(chat, 1_000)).toBe(1_000)
    note(history, 59, 125)
    expect(history.expect(chat, 1_000)).toBe(1_000)
    note(history, 1, 125)
    expect(history.expect(chat, 1_000)).toBe(125)
  })

  it("needs more evidence for a higher quantile, and as much as one asks for", () => {
    const strict = OutputHistory.make({ quantile: 0.99 })
    note(strict, 299, 125)
    expect(strict.expect(chat, 1_000)).toBe(1_000)
    note(strict, 1, 125)
    expect(strict.expect(chat, 1_000)).toBe(125)

    const patient = OutputHistory.make({ evidence: 500 })
    note(patient, 499, 125)
    expect(patient.expect(chat, 1_000)).toBe(1_000)
    note(patient, 100_000, 125)
    expect(patient.expect(chat, 1_000)).toBe(125)
  })

  it("is in proportion to what is allowed, in whole tokens, at least one and at most all", () => {
    const history = OutputHistory.make()
    note(history, 60, 125)
    expect(history.expect(chat, 4_096)).toBe(512)
    expect(history.expect(chat, 9)).toBe(2)
    expect(history.expect(chat, 1)).toBe(1)
    expect(history.expect(chat, 0)).toBe(0)
    note(history, 60, 0)
    expect(history.expect(chat, 1)).toBe(1)
  })

  it("leaves to others what makes no sense", () => {
    const history = OutputHistory.make()
    note(history, 60, 125)
    for (const allowed of nonsense) expect(history.expect(chat, allowed)).toBe(allowed)
  })

  it("is all that is allowed where calls write more than that", () => {
    const history = OutputHistory.make()
    note(history, 60, 1_300)
    expect(history.expect(chat, 1_000)).toBe(1_000)
  })

  it("is known of each model and operation apart", () => {
    const history = OutputHistory.make()
    note(history, 60, 125)
    expect(history.expect({ ...chat, operation: "embeddings" }, 1_000)).toBe(1_000)
    expect(history.expect({ ...chat, model: "gpt-4o" }, 1_000)).toBe(1_000)
  })

  it("does not change by what makes no sense", () => {
    const history = OutputHistory.make()
    note(history, 59, 125)
    for (const value of [...nonsense, Number.MAX_VALUE]) {
      history.note(chat, { allowed: value, reserved: 1, written: 1 })
      history.note(chat, { allowed: 1, reserved: value, written: 1 })
      history.note(chat, { allowed: 1, reserved: 1, written: value })
    }
    history.note(chat, { allowed: 0, reserved: 0, written: 0 })
    expect(history.expect(chat, 1_000)).toBe(1_000)
    expect(history.snapshot()[0]?.samples).toBe(59)
  })
})

/** Sorts of calls, by the share of the allowed output that they write. */
const workloads = {
  uniform: (random: Random) => random.fraction(),
  constant: () => 0.125,
  lognormal: (random: Random) => Math.exp(-3 + 0.8 * normal(random)),
  terse: (random: Random) => Math.exp(-5 + normal(random)),
  pareto: (random: Random) => 0.01 * (1 - random.fraction()) ** (-1 / 1.5),
  twoSorts: (random: Random) => (random.chance(0.97) ? 0.02 + 0.03 * random.fraction() : 1),
  overlong: (random: Random) => 0.8 + 0.4 * random.fraction()
}

const normal = (random: Random): number =>
  Math.sqrt(-2 * Math.log(1 - random.fraction())) * Math.cos(2 * Math.PI * random.fraction())

const CALLS = 10_000

/** Runs calls of one sort; what they wrote, and the shares that a call may have exceeded its reservation by. */
const run = (history: OutputHistory.OutputHistory, random: Random, share: (random: Random) => number) => {
  const totals = { allowed: 0, reserved: 0, written: 0, calls: 0, tokens: 0, avoidable: 0 }
  for (let call = 0; call < CALLS; call++) {
    const allowed = random.pick([256, 1_024, 4_096, 16_384])
    const written = Math.round(share(random) * allowed)
    const reserved = history.expect(chat, allowed)
    expect(reserved >= 1 && reserved <= allowed && Number.isInteger(reserved)).toBe(true)
    history.note(chat, { allowed, reserved, written })
    totals.allowed += allowed
    totals.reserved += reserved
    totals.written += written
    if (written <= reserved) continue
    totals.calls++
    totals.tokens += written - reserved
    // What writes more than is allowed overruns whatever is reserved.
    if (written <= allowed) totals.avoidable++
  }
  return totals
}

// Three deviations of the share of overruns in that many calls, and some for what the memory wavers.
const TOLERANCE = 0.01

describe("calls of one sort", () => {
  for (const [name, share] of Object.entries(workloads)) {
    it(`stay within what is reserved as often as is asked: ${name}`, () =>
      forEachSeed({ name: `history of ${name} calls`, runs: 5 }, (random) => {
        const quantile = random.pick([0.9, 0.95, 0.99])
        const history = OutputHistory.make({ quantile })
        const totals = run(history, random, share)
        random.note(quantile, totals)
        expect(totals.avoidable / CALLS).toBeLessThanOrEqual(1 - quantile + TOLERANCE)
        expect(totals.reserved).toBeLessThanOrEqual(totals.allowed)
        const { calls, tokens } = totals
        expect(history.snapshot()).toMatchObject([
          { kind: chat, samples: CALLS, overran: { calls, tokens, share: calls / CALLS } }
        ])
      }))
  }

  it("hold a fraction of what they may write, where few write much", () =>
    forEachSeed({ name: "what histories save", runs: 5 }, (random) => {
      for (const share of [workloads.lognormal, workloads.terse, workloads.pareto]) {
        const { allowed, reserved, written } = run(OutputHistory.make(), random, share)
        random.note(allowed, reserved, written)
        expect(allowed / written).toBeGreaterThan(10)
        expect(reserved / written).toBeLessThan(5)
      }
    }))
})

describe("calls that change", () => {
  const around = (random: Random, mean: number) => Math.round(mean * (0.5 + random.fraction()))

  /** Calls that write much more or less from some instant on; how many overran, and what was reserved, by hundreds. */
  const change = (random: Random, before: number, after: number) => {
    const history = OutputHistory.make()
    const past = 2_000 + random.int(0, 400)
    for (let call = 0; call < past; call++) note(history, 1, around(random, before))
    return Array.from({ length: 12 }, () => {
      let overran = 0
      for (let call = 0; call < 100; call++) {
        const reserved = history.expect(chat, 1_000)
        const written = around(random, after)
        if (written > reserved) overran++
        history.note(chat, { allowed: 1_000, reserved, written })
      }
      return { overran, reserved: history.expect(chat, 1_000) }
    })
  }

  it("are followed within two hundred when they write more", () =>
    forEachSeed({ name: "drift up", runs: 20 }, (random) => {
      const hundreds = change(random, 100, 500)
      random.note(hundreds)
      const [first, second, ...later] = hundreds.map(({ overran }) => overran)
      expect(first).toBeLessThan(60)
      expect(second).toBeLessThan(25)
      expect(later.reduce((sum, overran) => sum + overran, 0) / 1_000).toBeLessThan(0.05)
    }))

  it("are followed within twelve hundred when they write less, and overrun no more for that", () =>
    forEachSeed({ name: "drift down", runs: 20 }, (random) => {
      const hundreds = change(random, 500, 100)
      random.note(hundreds)
      expect(hundreds.at(0)?.reserved).toBeGreaterThan(600)
      expect(hundreds.at(-1)?.reserved).toBeLessThan(165)
      expect(hundreds.reduce((sum, { overran }) => sum + overran, 0) / 1_200).toBeLessThan(0.05)
    }))
})

describe("the memory of a history", () => {
  it("holds so many kinds, those used last", () => {
    const history = OutputHistory.make({ kinds: 2 })
    const kinds = ["a", "b", "c"].map((model) => ({ model, operation: "chat" }))
    for (const kind of kinds.slice(0, 2)) note(history, 60, 125, kind)
    history.expect({ model: "a", operation: "chat" }, 1_000)
    note(history, 60, 125, { model: "c", operation: "chat" })
    expect(history.snapshot().map(({ kind }) => kind.model)).toEqual(["a", "c"])
    expect(kinds.map((kind) => history.expect(kind, 1_000))).toEqual([125, 1_000, 125])
  })

  it("holds a thousand by default, however many names requests make up, and none that is longer than names are", () => {
    const history = OutputHistory.make()
    for (let name = 0; name < 5_000; name++) note(history, 1, 125, { model: `made-up-${name}`, operation: "chat" })
    const long = { model: "x".repeat(1_000), operation: "chat" }
    note(history, 60, 125, long)
    expect(history.snapshot()).toHaveLength(1_000)
    expect(history.expect(long, 1_000)).toBe(1_000)
  })

  it("does not grow by asking", () => {
    const history = OutputHistory.make()
    history.expect(chat, 1_000)
    expect(history.snapshot()).toEqual([])
  })
})

describe("the snapshot of a history", () => {
  it("says what is reserved, what overran, and the tokens of all calls", () => {
    const history = OutputHistory.make({ evidence: 20 })
    note(history, 20, 125)
    history.note(chat, { allowed: 1_000, reserved: 125, written: 150 })
    history.note(chat, { allowed: 1_000, reserved: 125, written: 1_100 })
    history.note(chat, { allowed: 1_000, reserved: 125, written: 125 })
    expect(history.snapshot()).toEqual([
      {
        kind: chat,
        samples: 23,
        ratio: 1,
        overran: { calls: 2, share: 2 / 23, tokens: 1_000 },
        tokens: { allowed: 23_000, reserved: 20_375, written: 3_875 }
      }
    ])
  })
})

describe("the options of a history", () => {
  it("are refused, by their name, where they are out of range", () => {
    const message = "OutputHistory.make: quantile must be above 0 and at most 0.9999, got"
    for (const quantile of [0, 1, 2, -0.5, Number.NaN]) {
      expect(() => OutputHistory.make({ quantile })).toThrow(new RangeError(`${message} ${quantile}`))
    }
    expect(() => OutputHistory.make({ evidence: 0 })).toThrow("evidence must be a whole number between 1 and 1000000")
    expect(() => OutputHistory.make({ kinds: 1.5 })).toThrow("kinds must be a whole number between 1 and 1000000")
    expect(() => OutputHistory.layer({ kinds: 0 })).toThrow("kinds must be")
  })
})

describe("the history that adapters use", () => {
  it.effect("keeps nothing and reserves everything, unless a layer says otherwise", () =>
    Effect.gen(function* () {
      const history = yield* OutputHistory.OutputHistory
      note(history, 100, 125)
      expect(history.expect(chat, 1_000)).toBe(1_000)
      expect(history.snapshot()).toEqual([])
    })
  )

  it.effect("is one for all who share the layer, and another for each time it is built", () => {
    const layer = OutputHistory.layer()
    const learn = Effect.map(OutputHistory.OutputHistory, (history) => {
      note(history, 60, 125)
      return history.snapshot()[0]?.samples
    })
    return Effect.gen(function* () {
      expect(yield* Effect.provide(Effect.all([learn, learn]), layer)).toEqual([60, 120])
      expect(yield* Effect.provide(learn, layer, { local: true })).toBe(60)
    })
  })
})
