import { afterAll, describe, expect, it } from "vitest"
import * as Limit from "../src/Limit.ts"
import { noticed } from "./support/programs/absence.ts"
import { admissionsIn, everyCheck, problemsOf, promisesAreKept } from "./support/programs/checker.ts"
import { run } from "./support/programs/driver.ts"
import { drawProgram, everySecond, type Kind } from "./support/programs/generator.ts"
import { countUntil, lasting, plainProgram, startOf, startsOf, times, tokens } from "./support/programs/handwritten.ts"
import type { Log } from "./support/programs/log.ts"
import { brokenPromises, drawPast } from "./support/programs/probe.ts"
import type { Call, Program } from "./support/programs/program.ts"
import { forEachSeed, type Random } from "./support/random.ts"

const counts = { programs: 0, admissions: 0 }

const runCounted = (program: Program): Log => {
  const log = run(program)
  counts.programs++
  counts.admissions += admissionsIn(log)
  return log
}

/** Runs random programs of a kind and expects that a judge finds nothing wrong with any. */
const expectNothingWrong = (name: string, runs: number, kind: Kind, judge: (log: Log) => ReadonlyArray<string>) =>
  forEachSeed({ name, runs }, (random: Random) => {
    const program = drawProgram(random, kind)
    for (const plan of program.budgets) random.note(plan.name, plan)
    for (const call of program.calls) random.note(`call ${call.id}`, call)
    for (const deed of program.deeds) random.note(deed)
    expect(judge(runCounted(program))).toEqual([])
  })

afterAll(() => {
  console.log(`${counts.programs} programs, ${counts.admissions} admissions checked`)
})

describe("random programs", () => {
  it("keep every guarantee", () =>
    expectNothingWrong("every guarantee", 6_000, { callsMax: 30 }, (log) => problemsOf(log)))

  it("keep every guarantee where fibers yield anywhere", () =>
    expectNothingWrong("fibers yield", 2_000, { callsMax: 30, yields: 0.15 }, (log) => problemsOf(log)))

  it("never move the start of who is first in line, once it is known", () =>
    expectNothingWrong("promises", 3_000, steady, (log) => problemsOf(log, { ...everyCheck, promisesAreKept })))

  it("go on as if those had never asked who were not admitted", () =>
    expectNothingWrong("absence", 1_200, withoutBuckets, (log) => noticed(log, runCounted)))

  it("admit at retryAfter and no millisecond earlier, and never what is refused for ever", () =>
    forEachSeed({ name: "retryAfter", runs: 1_500 }, (random) => {
      expectPromisesKept(random, drawPast(random))
    }))

  it("keep every guarantee where calls are elastic, have a ceiling, and pauses are resumed gradually", () =>
    expectNothingWrong("elastic", 4_000, { callsMax: 30, ...elastic }, (log) => problemsOf(log)))

  it("keep every guarantee where elastic calls yield anywhere", () =>
    expectNothingWrong("elastic yields", 700, { callsMax: 30, yields: 0.15, ...elastic }, (log) => problemsOf(log)))

  it("keep every guarantee where tasks have deadlines", () =>
    expectNothingWrong("deadlines", 3_000, { callsMax: 30, hasDeadlines: true, hasSetBacks: false }, (log) =>
      problemsOf(log)
    ))

  it("keep every guarantee where some budgets are only tried out", () =>
    expectNothingWrong("shadows", 4_000, { callsMax: 30, shadows: 0.5, ...elastic }, (log) => problemsOf(log)))

  it("keep every guarantee where some budgets are only tried out and fibers yield anywhere", () =>
    expectNothingWrong("shadows yield", 700, { callsMax: 30, yields: 0.15, shadows: 0.5, ...elastic }, (log) =>
      problemsOf(log)
    ))

  it("never wait where all budgets are only tried out, and are told what real ones would have said", () =>
    expectNothingWrong(
      "only shadows",
      1_500,
      { callsMax: 30, shadows: 1, hasInterruptions: false, ...elastic },
      (log) => [...problemsOf(log), ...log.entries.flatMap(({ is }) => (is === "woken" ? ["somebody waited"] : []))]
    ))

  it("never move the start of who is first in line for what elastic calls are granted beyond the least", () =>
    expectNothingWrong("elastic promises", 2_000, { ...steady, hasElastic: true }, (log) =>
      problemsOf(log, { ...everyCheck, promisesAreKept })
    ))

  it("go on as if those had never asked who were not admitted, also where calls are elastic", () =>
    expectNothingWrong("elastic absence", 600, { ...withoutBuckets, hasElastic: true }, (log) =>
      noticed(log, runCounted)
    ))

  it("admit elastic calls, and after a gradual pause, at retryAfter and no millisecond earlier", () =>
    forEachSeed({ name: "elastic retryAfter", runs: 800 }, (random) => {
      expectPromisesKept(random, drawPast(random, elastic))
    }))
})

const expectPromisesKept = (random: Random, program: Program): void => {
  const last = Math.max(...program.calls.map(({ at }) => at), ...program.deeds.map(({ at }) => at))
  random.note(program)
  counts.programs++
  expect(brokenPromises(program, last + random.pick([1, 2, 10, 50, 500]))).toEqual([])
}

const elastic: Partial<Kind> = {
  hasElastic: true,
  hasGradual: true,
  limitKinds: ["Cap", "SlidingWindow", "SlidingWindow", "FixedWindow", "TokenBucket", "Concurrency", "PerCall"]
}

// One budget asks, and nothing but time and settlements makes room.
const steady: Kind = {
  callsMax: 30,
  asksOne: true,
  hasDeeds: false,
  hasOverruns: false,
  hasSetBacks: false,
  hasPriorities: false
}

// A bucket may lose one unit of a refund whenever it is asked.
const withoutBuckets: Kind = {
  callsMax: 30,
  hasSetBacks: false,
  hasShuffles: false,
  limitKinds: ["Cap", "SlidingWindow", "FixedWindow", "Concurrency"]
}

describe("fairness", () => {
  it("lets a tenant with a single call go next, whatever another one has waiting", () => {
    const log = run(
      plainProgram(
        [{ limits: [Limit.slidingWindow("requests", 10, 100)] }, { within: [0] }, { within: [0] }],
        [...times(1_000, () => ({ budget: 1 })), { budget: 2, at: 1 }]
      )
    )
    expect(startOf(log, 1_000)).toBe(100)
  })

  it("shares a saturated limit in proportion to the weights", () => {
    const log = run(
      plainProgram(
        [
          { limits: [Limit.slidingWindow("requests", 70, 100)] },
          { within: [0], weight: 1 },
          { within: [0], weight: 2 },
          { within: [0], weight: 4 }
        ],
        [...times(70, () => ({ budget: 0 })), ...times(1_500, (index) => ({ budget: 1 + (index % 3), at: 1 }))]
      )
    )
    const shares = [1, 2, 3].map((budget) => countUntil(startsOf(log, budget), 1_000))
    expect(shares.reduce((a, b) => a + b)).toBe(700)
    // One call each, as none can be divided.
    for (const [index, fair] of [100, 200, 400].entries())
      expect(Math.abs(shares[index]! - fair)).toBeLessThanOrEqual(1)
  })

  it("shares among tenants first and among their runs then", () => {
    const runsOfA = times(100, (index) => 3 + index)
    const log = run(
      plainProgram(
        [
          { limits: [Limit.slidingWindow("requests", 20, 100)] },
          { within: [0] },
          { within: [0] },
          ...runsOfA.map(() => ({ within: [1] })),
          { within: [2] }
        ],
        [
          ...times(20, () => ({ budget: 0 })),
          ...runsOfA.flatMap((budget) => times(4, () => ({ budget, at: 1 }))),
          ...times(400, () => ({ budget: 103, at: 2 }))
        ]
      )
    )
    const [a, b] = [runsOfA.flatMap((budget) => startsOf(log, budget)), startsOf(log, 103)]
    expect([countUntil(a, 2_000), countUntil(b, 2_000)]).toEqual([200, 200])
    // Each run of the first tenant has had its two.
    expect(new Set(runsOfA.map((budget) => countUntil(startsOf(log, budget), 2_000)))).toEqual(new Set([2]))
  })

  it("does not let a tenant that is stuck on its own limit delay another", () => {
    const log = run(
      plainProgram(
        [
          { limits: [Limit.concurrency(5), Limit.slidingWindow("requests", 1_000, 100)] },
          { within: [0], limits: [Limit.slidingWindow("requests", 1, 86_400_000)] },
          { within: [0] }
        ],
        [...times(50, () => ({ budget: 1 })), ...times(50, (index) => ({ budget: 2, at: 1 + index }))]
      )
    )
    expect(startsOf(log, 2)).toEqual(times(50, (index) => 1 + index))
  })

  it("does not let one that its own tenant has shut out since it began to wait elsewhere delay another", () => {
    for (const large of [90, 100]) {
      const log = run(
        plainProgram(
          [
            { limits: [Limit.slidingWindow("inputTokens", 100, 1_000)] },
            { within: [0], limits: [Limit.concurrency(1)] },
            { within: [1] },
            { within: [1] },
            { within: [0] }
          ],
          [
            { budget: 0, estimate: tokens(50) },
            { budget: 2, at: 1, estimate: tokens(large) },
            { budget: 3, at: 2, ...lasting(5_000) },
            ...times(40, (index) => ({ budget: 4, at: 10 + index, estimate: tokens(1) }))
          ]
        )
      )
      expect(startsOf(log, 4)).toEqual(times(40, (index) => 10 + index))
    }
  })

  it("lets a large request start when it can be promised to, through a stream of small ones", () => {
    const log = run(
      plainProgram(
        [{ limits: [Limit.slidingWindow("inputTokens", 10, 100)] }, { within: [0] }, { within: [0] }],
        [
          { budget: 1, estimate: tokens(6) },
          { budget: 1, at: 5, estimate: tokens(10) },
          ...times(300, (index) => ({ budget: 1 + (index % 2), at: 6 + index * 3, estimate: tokens(1) }))
        ]
      )
    )
    expect(startOf(log, 1)).toBe(100)
  })

  it("lets a large request be overtaken a bounded number of times where only settlements make room for it", () => {
    for (const others of [1, 2]) {
      const log = run(plainProgram(crowded, [...times(3, () => small(0, 2)), large, ...streamOfSmall(others)]))
      const overtaking = startsOf(log, 1)
        .concat(startsOf(log, 2))
        .filter((start) => start > 5 && start < startOf(log, 3)!)
      // Those that the library lets pass without knowing whether they delay it.
      expect(overtaking.length).toBeLessThanOrEqual(8)
    }
  })

  it("lets a request that needs several contended limits start after a bounded number of overtakings", () => {
    for (const others of [1, 2]) {
      const log = run(plainProgram(contended, [...times(3, () => small(0, 2)), large, ...streamOfSmall(others)]))
      const overtaking = startsOf(log, 1)
        .concat(startsOf(log, 2))
        .filter((start) => start > 5 && start < startOf(log, 3)!)
      // It is passed on at most four times, each time in favour of those whom it has not yet met.
      expect(overtaking.length).toBeLessThanOrEqual(8)
    }
  })
})

const crowded = [{ limits: [Limit.cap("inputTokens", 10), Limit.concurrency(4)] }, { within: [0] }, { within: [0] }]
const contended = [
  { limits: [Limit.concurrency(3), Limit.slidingWindow("inputTokens", 10, 50, { chargeAt: "settle" })] },
  { within: [0], limits: [Limit.slidingWindow("outputTokens", 10, 70, { chargeAt: "settle" })] },
  { within: [0] }
]
const small = (at: number, budget: number): Partial<Call> => ({
  budget,
  at,
  estimate: tokens(1, 1),
  steps: [{ do: "sleep", millis: 13 }, { do: "release" }]
})
const large: Partial<Call> = { budget: 1, at: 5, estimate: tokens(9, 9) }
const streamOfSmall = (budgets: number) => times(900, (index) => small(6 + index * 4, 1 + (index % budgets)))

describe("background work", () => {
  it("is none while nobody waits", () => {
    const log = run(
      plainProgram(
        [{ limits: [Limit.slidingWindow("requests", 3, 86_400_000), Limit.tokenBucket("requests", 3, 86_400_000)] }],
        times(3, (index) => ({ at: index, ...lasting(50) })),
        { deeds: [{ do: "pause", at: 10, budget: 0, until: 86_400_000, isGradual: false }] }
      )
    )
    expect(admissionsIn(log)).toBe(3)
    expect(log.timersMax).toBe(0)
  })

  it("is one timer at a time, at the instants at which somebody can go", () => {
    const log = run(
      plainProgram(
        [{ limits: [Limit.slidingWindow("requests", 4, 86_400_000)] }, ...times(10, () => ({ within: [0] }))],
        times(200, (index) => ({ budget: index % 11 }))
      )
    )
    const instants = new Set(startsOf(log, 0).concat(...times(10, (index) => startsOf(log, index + 1))))
    expect(log.timersMax).toBe(1)
    expect(instants.size).toBe(50)
    expect(log.timersFired).toBe(49)
  })
})

describe("what random programs have found is no more:", () => {
  it("who was admitted and interrupted before it began is told as settled, but not as admitted", () => {
    const budgets = [{ limits: [Limit.concurrency(1)] }]
    const log = run(plainProgram(budgets, [lasting(10), { isInterruptedOnWake: true }], { heard: [0] }))
    const told = log.events.get(0)!.map(({ _tag }) => _tag)
    expect(told.filter((tag) => tag === "Settled").length).toBe(told.filter((tag) => tag === "Admitted").length)
  })

  it("who passes the first of its line at a limit where that one does not wait moves its start", () => {
    const limits = [Limit.slidingWindow("inputTokens", 10, 100), Limit.slidingWindow("outputTokens", 6, 300)]
    const log = run(
      plainProgram(
        [{ limits }],
        [{ estimate: tokens(3, 5) }, { estimate: tokens(8, 1) }, { at: 1, estimate: tokens(0, 1) }]
      )
    )
    expect(startOf(log, 1)).toBe(100)
  })

  it("who asks at the very instant at which room comes passes an equal who waits for it", () => {
    const limits = [Limit.fixedWindow("inputTokens", 11, everySecond, { chargeAt: "settle" })]
    const log = run(
      plainProgram(
        [{ limits }],
        [
          { estimate: tokens(4) },
          { estimate: tokens(7), ...lasting(90) },
          { at: 7, estimate: tokens(5) },
          { at: 12, estimate: tokens(1) },
          { at: 13, isEarly: true, estimate: tokens(1) }
        ],
        { startsAt: 1_000_000_000 - 13 }
      )
    )
    expect(problemsOf(log)).toEqual([])
  })

  it("who waits behind another at one limit is not told that there is room at the limit that it lacks", () => {
    const log = run(
      plainProgram(
        [
          { limits: [Limit.concurrency(2)] },
          { within: [0], limits: [Limit.slidingWindow("tokens", 10, 100, { chargeAt: "settle" })] },
          { within: [1] },
          { within: [1] }
        ],
        [
          { budget: 1, estimate: tokens(6), ...lasting(1_000) },
          { budget: 2, at: 51, estimate: tokens(5) },
          { budget: 3, at: 52, estimate: tokens(3) },
          { budget: 0, at: 60, ...lasting(60) }
        ],
        { deeds: [{ do: "charge", budget: 1, at: 0, usage: tokens(4) }] }
      )
    )
    expect(startOf(log, 2)).toBe(120)
  })

  it("who can never be admitted waits behind others until he is told so", () => {
    const log = run(
      plainProgram(
        [{ limits: [Limit.slidingWindow("inputTokens", 3, 300)] }],
        [{ estimate: tokens(3) }, { at: 1, estimate: tokens(1) }, { at: 2, estimate: tokens(4) }]
      )
    )
    expect(problemsOf(log)).toEqual([])
  })

  it("a head that is gone leaves its place among the budgets to those behind it", () => {
    const log = run(
      plainProgram(
        [{ limits: [Limit.concurrency(1)] }, { within: [0] }, { within: [0] }],
        [
          lasting(10),
          { budget: 1, at: 1, interruptAt: 4 },
          { budget: 2, at: 2, ...lasting(1) },
          { budget: 1, at: 3, ...lasting(1) }
        ]
      )
    )
    expect(noticed(log, run)).toEqual([])
  })

  it("one of a higher priority who is gone costs those behind it their place among the budgets", () => {
    const log = run(
      plainProgram(
        [{ limits: [Limit.concurrency(1)] }, { within: [0] }, { within: [0] }],
        [
          lasting(10),
          { budget: 1, at: 1, ...lasting(1) },
          { budget: 2, at: 2, ...lasting(1) },
          { budget: 1, at: 3, priority: 1, interruptAt: 4 }
        ]
      )
    )
    expect(noticed(log, run)).toEqual([])
  })

  it("who is refused by a bucket makes a later refund smaller by more than the one unit that is documented", () => {
    const log = run(
      plainProgram(
        [{ limits: [Limit.tokenBucket("requests", 1, 10)] }],
        [{}, { end: "failure", ...lasting(3) }, { at: 1 }, { at: 12, via: "tryReserve" }]
      )
    )
    // Without the refusal it would start at 13. One unit flows in within 10 milliseconds.
    expect(startOf(log, 2)).toBeLessThanOrEqual(23)
  })
  it("one who comes passes an equal that waits, when a higher priority has made the first one's start unknown", () => {
    const log = run(
      plainProgram(
        [{ limits: [Limit.fixedWindow("inputTokens", 7, everySecond, { chargeAt: "settle" })] }],
        [
          { estimate: tokens(1), ...lasting(700) },
          { estimate: tokens(1) },
          { at: 5, estimate: tokens(6) },
          { at: 11, estimate: tokens(1) },
          { at: 100, estimate: tokens(1), priority: 1, ...lasting(1) },
          { at: 100, estimate: tokens(1) }
        ],
        { startsAt: 1_000_000_000 - 105 }
      )
    )
    expect(problemsOf(log)).toEqual([])
  })

  it("who waits behind one whom others keep back waits for it also at limits that it does not need", () => {
    const log = run(
      plainProgram(
        [
          { limits: [Limit.slidingWindow("outputTokens", 8, 100), Limit.slidingWindow("inputTokens", 10, 100)] },
          { within: [0] }
        ],
        [
          { budget: 1, estimate: tokens(0, 6) },
          { budget: 1, at: 1, estimate: tokens(0, 8) },
          { budget: 0, at: 2, estimate: tokens(0, 1) },
          { budget: 0, at: 3, estimate: tokens(3) }
        ]
      )
    )
    expect(startOf(log, 3)).toBe(3)
    expect(problemsOf(log)).toEqual([])
  })

  // The one thing found that stays: of two equals behind a head, the older one is also older than somebody of another
  // budget who keeps back the younger one of higher priority, so that the older one goes first.
  it("one of a lower priority passes an equal behind a head, unless another budget asked between the two", () => {
    const log = run(
      plainProgram(
        [
          { limits: [Limit.slidingWindow("requests", 1, 300)] },
          { within: [0], limits: [Limit.fixedWindow("inputTokens", 4, everySecond)] }
        ],
        [
          { budget: 1, estimate: { ...tokens(3), requests: 1 } },
          { budget: 1, at: 1, estimate: tokens(4), priority: 5 },
          { budget: 1, at: 2, estimate: { ...tokens(1), requests: 1 } },
          { budget: 0, at: 3 },
          { budget: 1, at: 4, estimate: { ...tokens(1), requests: 1 }, priority: 1 }
        ]
      )
    )
    expect(problemsOf(log)).toHaveLength(1)
  })

  it("one who leaves changes the order in which a pause and a window end at the same instant", () => {
    const log = run(
      plainProgram(
        [{ limits: [Limit.slidingWindow("tokens", 8, 100)] }, { within: [0] }, { within: [1] }],
        [
          { budget: 0, estimate: tokens(2) },
          { budget: 2, estimate: tokens(7) },
          { budget: 2, at: 1, estimate: tokens(1) },
          { budget: 0, at: 1, estimate: tokens(1) },
          { budget: 0, at: 10, maxWait: 10 }
        ],
        {
          deeds: [
            { do: "pause", at: 0, budget: 0, until: 100, isGradual: false },
            { do: "charge", at: 19, budget: 2, usage: tokens(5) }
          ]
        }
      )
    )
    expect(noticed(log, run)).toEqual([])
  })

  it("one who leaves changes the order of those who have waited long enough at the same instant", () => {
    const log = run(
      plainProgram(
        [{ limits: [Limit.cap("inputTokens", 10)] }, ...times(4, () => ({ within: [0] }))],
        [
          { budget: 0, estimate: tokens(5), ...lasting(1_000) },
          { budget: 1, at: 1, estimate: tokens(9), maxWait: 19 },
          { budget: 2, at: 2, estimate: tokens(2), maxWait: 18 },
          { budget: 3, at: 3, estimate: tokens(9), maxWait: 87 },
          { budget: 4, at: 4, estimate: tokens(9), maxWait: 11 }
        ]
      )
    )
    expect(noticed(log, run)).toEqual([])
  })

  it("one who is refused at once lets another wait at a limit at which it waits only later otherwise", () => {
    const log = run(
      plainProgram(
        [
          { limits: [Limit.slidingWindow("outputTokens", 9, 1, { chargeAt: "settle" })] },
          { within: [0] },
          { within: [0], limits: [Limit.slidingWindow("inputTokens", 12, 100)] },
          { within: [0] }
        ],
        [
          { budget: 2, steps: [{ do: "commit", usage: tokens(16, 23) }] },
          { budget: 2, estimate: tokens(7, 9) },
          { budget: 3, estimate: tokens(1, 1), ...lasting(300) },
          { budget: 1, at: 3, estimate: tokens(1, 1) },
          { budget: 2, at: 2, via: "tryReserve", estimate: tokens(1, 1) }
        ]
      )
    )
    expect(noticed(log, run)).toEqual([])
  })

  it("a head that is gone lets those behind it wait where it did", () => {
    const log = run(
      plainProgram(
        [
          { limits: [Limit.concurrency(3)] },
          { within: [0] },
          { within: [0] },
          { within: [0], limits: [Limit.slidingWindow("inputTokens", 7, 1, { chargeAt: "settle" })] }
        ],
        [
          { budget: 3, estimate: tokens(5), ...lasting(700) },
          { budget: 3, at: 1, maxWait: 60 },
          { budget: 3, at: 2, estimate: tokens(2) },
          { budget: 3, estimate: tokens(1), ...lasting(700) },
          { budget: 1, at: 1, ...lasting(300) },
          { budget: 2, ...lasting(300) },
          { budget: 1, at: 1 },
          { budget: 2, at: 300, ...lasting(3) }
        ]
      )
    )
    expect(noticed(log, run)).toEqual([])
  })

  it("one who leaves changes who of those behind a head are let in", () => {
    const log = run(
      plainProgram(
        [
          { limits: [Limit.fixedWindow("tokens", 7, everySecond, { chargeAt: "settle" })] },
          { within: [0] },
          { within: [0] },
          { within: [0] }
        ],
        [
          { budget: 0, at: 1, estimate: tokens(2, 1) },
          { budget: 2, at: 2, estimate: tokens(1) },
          { budget: 3, estimate: tokens(1), ...lasting(300) },
          { budget: 1, at: 2, estimate: tokens(3, 1) },
          { budget: 0, estimate: tokens(1) },
          { budget: 1, at: 1, interruptAt: 6, estimate: tokens(1) },
          { budget: 0, at: 1, estimate: tokens(2, 1) },
          { budget: 3, estimate: tokens(2, 3) },
          { budget: 2, at: 1, estimate: tokens(2, 1), steps: [{ do: "release" }] }
        ],
        { startsAt: 1_000_000_000 - 13 }
      )
    )
    expect(noticed(log, run)).toEqual([])
  })

  it("one who is refused at once changes the order in which limits open at the same instant", () => {
    const log = run(
      plainProgram(
        [
          { limits: [Limit.concurrency(3), Limit.fixedWindow("tokens", 8, everySecond)] },
          { within: [0], limits: [Limit.fixedWindow("outputTokens", 4, everySecond)] },
          { within: [0] },
          { within: [1] }
        ],
        [
          { budget: 3, estimate: tokens(2, 3), ...lasting(300) },
          { budget: 3, estimate: tokens(3, 1), ...lasting(300) },
          { budget: 1, at: 1, estimate: tokens(0, 1) },
          { budget: 0, estimate: tokens(3, 1), ...lasting(300) },
          { budget: 0, estimate: tokens(4, 1) },
          { budget: 2, estimate: tokens(3, 2) },
          { budget: 2, at: 17, via: "tryReserve" }
        ],
        { startsAt: 1_000_000_000 - 16 }
      )
    )
    expect(noticed(log, run)).toEqual([])
  })

  it("one who leaves changes the order in which limits of two budgets open at the same instant", () => {
    const log = run(
      plainProgram(
        [
          { limits: [Limit.fixedWindow("inputTokens", 4, everySecond, { chargeAt: "settle" })] },
          { within: [0], limits: [Limit.fixedWindow("outputTokens", 3, everySecond, { chargeAt: "settle" })] },
          { within: [0] },
          { within: [1] },
          { within: [2] }
        ],
        [
          { budget: 3, at: 1, estimate: tokens(4, 1) },
          { budget: 0, estimate: tokens(3) },
          { budget: 3, estimate: tokens(1, 3) },
          { budget: 4, at: 6, maxWait: 1, estimate: tokens(1) },
          { budget: 0, estimate: tokens(1) },
          { budget: 2, at: 5, maxWait: 10, estimate: tokens(1) }
        ],
        { startsAt: 1_000_000_000 - 15 }
      )
    )
    expect(noticed(log, run)).toEqual([])
  })

  it("a run that is gone leaves its tenant's place among the tenants to the tenant's other runs", () => {
    const log = run(
      plainProgram(
        [{ limits: [Limit.concurrency(1)] }, { within: [0] }, { within: [1] }, { within: [1] }],
        [
          lasting(10),
          { budget: 2, at: 1, interruptAt: 4 },
          { budget: 0, at: 2, ...lasting(1) },
          { budget: 3, at: 3, ...lasting(1) }
        ]
      )
    )
    expect(noticed(log, run)).toEqual([])
  })
})
