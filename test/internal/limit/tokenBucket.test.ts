import { describe, expect, it } from "vitest"
import * as Limit from "../../../src/Limit.ts"
import { AFTER_SETTLEMENT, NEVER } from "../../../src/internal/limit/state.ts"
import { TokenBucketState } from "../../../src/internal/limit/tokenBucket.ts"
import { type Agreement, neverWhenTooLargeTogether, runHistory, settleAt } from "../../support/limitHistory.ts"
import { CreditedTokenBucketModel, TokenBucketModel } from "../../support/limitModel.ts"
import { forEachSeed, type Random } from "../../support/random.ts"

const MINUTE = 60_000

const bucketOf = (max: number, refill = max, refillMillis = MINUTE) =>
  Limit.tokenBucket("tokens", refill, refillMillis, { capacity: max })

describe("tokenBucket", () => {
  it("starts full and refills continuously", () => {
    const bucket = new TokenBucketState(bucketOf(60))
    bucket.take(60, 0)
    expect(bucket.readyAt(1, 0)).toBe(1_000)
    expect(bucket.readyAt(60, 0)).toBe(MINUTE)
    expect(bucket.used(30_000)).toBe(30)
  })

  it("holds no more than its capacity, however long it fills", () => {
    const bucket = new TokenBucketState(bucketOf(60))
    bucket.take(30, 0)
    bucket.take(60, 60 * MINUTE)
    expect(bucket.readyAt(1, 60 * MINUTE)).toBe(60 * MINUTE + 1_000)
  })

  it("keeps the fraction that flows in between two calls", () => {
    const bucket = new TokenBucketState(bucketOf(10, 7, 1_000))
    bucket.take(10, 0)
    for (let now = 1; now < 1_000; now++) bucket.used(now)
    expect(bucket.used(999)).toBe(10 - 6)
    expect(bucket.used(1_000)).toBe(10 - 7)
  })

  it("gives back what the bucket would hold had it never been taken, not what would have overflowed", () => {
    const bucket = new TokenBucketState(bucketOf(60))
    bucket.take(20, 0)
    bucket.take(10, 10_000)
    // Without the first 20 the bucket had been full at 10 s, so that only 10 of them are left to give back.
    settleAt(bucket, { estimate: 20, actual: 0, takenAt: 0, now: 10_000 })
    expect(bucket.used(10_000)).toBe(10)
    expect(bucket.used(20_000)).toBe(0)
  })

  it("owes an overrun and pays it by waiting", () => {
    const bucket = new TokenBucketState(bucketOf(60))
    bucket.take(60, 0)
    settleAt(bucket, { estimate: 60, actual: 90, takenAt: 0, now: 0 })
    expect(bucket.used(0)).toBe(90)
    expect(bucket.readyAt(1, 0)).toBe(31_000)
  })

  it("is as used after its capacity has changed as before", () => {
    const bucket = new TokenBucketState(bucketOf(60))
    bucket.take(40, 0)
    bucket.update(bucketOf(100, 60), 0)
    expect(bucket.used(0)).toBe(40)
    bucket.update(bucketOf(30, 60), 0)
    expect(bucket.used(0)).toBe(40)
    expect(bucket.readyAt(1, 0)).toBe(11_000)
  })

  it("never holds more than the true bucket, replayed with the corrected amounts", () =>
    forEachSeed({ name: "tokenBucket, true", runs: 1_500 }, (random) => {
      runHistory(random, { ...history(random, TokenBucketModel, false), agree: neverMoreThanTheTruth })
    }))

  it("loses less than one unit per refund to fractions", () =>
    forEachSeed({ name: "tokenBucket, fractions", runs: 500 }, (random) => {
      const options = history(random, TokenBucketModel, false)
      const agree: Agreement = {
        used: (actual, truth) => expect(actual).toBeLessThanOrEqual(truth + options.model.refunds()),
        readyAt: () => {}
      }
      runHistory(random, { ...options, agree })
    }))

  it("equals the true bucket when no fraction flows", () =>
    forEachSeed({ name: "tokenBucket, whole", runs: 1_000 }, (random) => {
      const refillMillis = random.pick([1, 7, 1_000])
      const limit = bucketOf(random.int(1, 40), refillMillis * random.int(1, 3), refillMillis)
      runHistory(random, {
        state: new TokenBucketState(limit),
        model: new TokenBucketModel(limit),
        from: 1_767_225_599_999,
        stepsMax: 40,
        amount: () => random.int(1, 20),
        millis: () => random.int(1, 20),
        horizonMillis: 1e6,
        besideLaw: neverWhenTooLargeTogether
      })
    }))

  it("equals the bucket in which a refund is worth min(d, capacity - peak), at odd rates and changing ones", () =>
    forEachSeed({ name: "tokenBucket, credited", runs: 2_000 }, (random) => {
      runHistory(random, history(random, CreditedTokenBucketModel, true))
    }))

  it("never holds more than the true bucket when there were more peaks than it remembers", () =>
    forEachSeed({ name: "tokenBucket, peaks", runs: 30 }, (random) => {
      // A call takes a little more than flows in before the next, so that each peak is lower than the one before.
      const limit = bucketOf(10_000, 1, 1)
      const bucket = new TokenBucketState(limit)
      const truth = new TokenBucketModel(limit)
      const open: Array<{ readonly id: number; readonly estimate: number; readonly takenAt: number }> = []
      let now = 0
      for (let id = 0; id < 300; id++) {
        const flow = random.int(800, 900)
        const estimate = flow + random.int(1, 9)
        bucket.take(estimate, now)
        truth.take(id, estimate, now)
        open.push({ id, estimate, takenAt: now })
        now += flow
      }
      for (const { estimate, id, takenAt } of random.shuffle(open).slice(0, 40)) {
        const actual = random.int(0, estimate - 1)
        settleAt(bucket, { estimate, actual, takenAt, now })
        truth.settle(id, actual, now)
        expect(bucket.used(now), `after ${estimate} of ${takenAt}`).toBeGreaterThanOrEqual(truth.used(now))
      }
    }))

  it("remembers every peak when there are few, however many calls came at one instant", () => {
    const limit = bucketOf(1_000, 1, 1)
    const bucket = new TokenBucketState(limit)
    const truth = new TokenBucketModel(limit)
    const take = (id: number, amount: number, now: number) => {
      bucket.take(amount, now)
      truth.take(id, amount, now)
    }
    take(0, 300, 0)
    take(1, 300, 100)
    for (let call = 0; call < 200; call++) take(2 + call, 1, 200)
    settleAt(bucket, { estimate: 300, actual: 0, takenAt: 100, now: 300 })
    truth.settle(1, 0, 300)
    expect(bucket.used(300)).toBe(truth.used(300))
  })

  it("is exact where products exceed 2^53", () => {
    const refillMillis = 86_399_999
    const bucket = new TokenBucketState(bucketOf(1e12, 999_999_999_989, refillMillis))
    bucket.take(1e12, 0)
    const elapsed = 43_200_007
    const flowed = Number((BigInt(elapsed) * 999_999_999_989n) / BigInt(refillMillis))
    expect(bucket.used(elapsed)).toBe(1e12 - flowed)
  })

  it("is exact where a product exceeds 2^53 by less than the fraction that is in the bucket", () => {
    const limit = bucketOf(327, 10, 28_059_810_762_433)
    const bucket = new TokenBucketState(limit)
    const truth = new TokenBucketModel(limit)
    bucket.take(327, 0)
    truth.take(0, 327, 0)
    const now = 16_835_886_457_460
    expect(bucket.used(now)).toBe(truth.used(now))
    expect(bucket.readyAt(327, now)).toBe(truth.readyAt(327, now))
  })

  it("refills at a changed rate from the change on", () => {
    const bucket = new TokenBucketState(bucketOf(1_000, 60))
    bucket.take(1_000, 0)
    const asked = bucket.clone()
    asked.used(30_000)
    asked.update(bucketOf(1_000, 600), 30_000)
    bucket.update(bucketOf(1_000, 600), 30_000)
    expect(asked.used(30_000)).toBe(1_000 - 30)
    expect(bucket.used(30_000)).toBe(1_000 - 30)
  })
})

describe("failures of other libraries that a token bucket does not have", () => {
  it("settling above the limit throws and records nothing: the spend vanishes from the ledger", () => {
    const bucket = new TokenBucketState(bucketOf(60))
    bucket.take(5, 0)
    settleAt(bucket, { estimate: 5, actual: 1_000, takenAt: 0, now: 10 })
    expect(bucket.used(10)).toBe(1_000)
  })

  it("a request larger than the limit waits for ever, drains the bucket, or is let through", () => {
    const bucket = new TokenBucketState(bucketOf(60))
    expect(bucket.readyAt(61, 0)).toBe(NEVER)
    expect(bucket.used(0)).toBe(0)
    expect(new TokenBucketState(bucketOf(0, 10)).readyAt(1, 0)).toBe(NEVER)
  })

  it("retryAfter is a constant, or the same for 1 token as for 5,000", () => {
    const bucket = new TokenBucketState(bucketOf(30_000))
    bucket.take(30_000, 0)
    expect(bucket.readyAt(1, 0)).toBe(2)
    expect(bucket.readyAt(5_000, 0)).toBe(10_000)
    expect(bucket.readyAt(5_000, 4_000)).toBe(10_000)
  })

  it("a refund is credited as if it had just been charged: more than the bucket ever held", () => {
    const bucket = new TokenBucketState(bucketOf(100))
    bucket.take(100, 0)
    // The bucket is full again: what the call did not use would long have overflowed.
    bucket.take(100, MINUTE)
    settleAt(bucket, { estimate: 100, actual: 0, takenAt: 0, now: MINUTE })
    expect(bucket.used(MINUTE)).toBe(100)
    expect(bucket.readyAt(1, MINUTE)).toBeGreaterThan(MINUTE)
  })

  it("waits for a settlement that nobody owes: a bucket is always ready at some instant", () => {
    const bucket = new TokenBucketState(bucketOf(60))
    bucket.take(60, 0)
    expect(bucket.readyAt(60, 0)).toBeLessThan(AFTER_SETTLEMENT)
  })
})

const history = (random: Random, Model: typeof TokenBucketModel, changes: boolean) => {
  const scale = random.pick([1, 1, 1e12])
  const refillMillis = random.pick([1, 7, 1_000, MINUTE, 86_399_999])
  const refillMax = random.pick([3, 30, 1_000])
  const changed = () => bucketOf(random.int(0, 30) * scale, random.int(1, refillMax) * scale, refillMillis)
  const limit = changed()
  const state = new TokenBucketState(limit)
  return {
    state,
    model: new Model(limit),
    from: random.pick([0, 1_767_225_599_999]),
    stepsMax: 40,
    amount: () => random.int(1, random.pick([3, 12, 31])) * scale - (scale > 1 ? random.int(0, 1_000) : 0),
    millis: () => random.int(0, random.pick([10, 300, refillMillis])),
    horizonMillis: 100 * refillMillis,
    besideLaw: neverWhenTooLargeTogether,
    asksFirst: changes,
    ...(changes ? { changed } : {})
  }
}

const neverMoreThanTheTruth: Agreement = {
  used: (actual, truth) => expect(actual).toBeGreaterThanOrEqual(truth),
  readyAt: (actual, truth) => expect(actual).toBeGreaterThanOrEqual(truth)
}
