import { describe, expect, it } from "vitest"
import { RecentMap } from "../../src/internal/recentMap.ts"
import { forEachSeed } from "../support/random.ts"

describe("a map of what was used last", () => {
  it("forgets the key that was not used for longest", () => {
    const map = new RecentMap<number>(2)
    map.set("a", 1)
    map.set("b", 2)
    map.get("a")
    map.set("c", 3)
    expect(map.get("b")).toBeUndefined()
    expect([...map.values()]).toEqual([1, 3])
  })

  it("counts a key that is set again once, and as used", () => {
    const map = new RecentMap<number>(2)
    map.set("a", 1)
    map.set("b", 2)
    map.set("a", 10)
    map.set("c", 3)
    expect([...map.values()]).toEqual([10, 3])
  })

  it("remembers what a list of uses does", () =>
    forEachSeed({ name: "recent map", runs: 200 }, (random) => {
      const max = random.int(1, 5)
      const map = new RecentMap<number>(max)
      let uses: Array<readonly [string, number]> = []
      for (let step = 0; step < 50; step++) {
        const key = random.pick(["a", "b", "c", "d", "e", "f", "g"])
        const known = uses.find(([used]) => used === key)
        if (random.chance(0.5)) {
          map.set(key, step)
          uses = [...uses.filter((use) => use !== known), [key, step] as const].slice(-max)
        } else {
          expect(map.get(key)).toBe(known?.[1])
          if (known !== undefined) uses = [...uses.filter((use) => use !== known), known]
        }
        expect([...map.values()]).toEqual(uses.map(([, value]) => value))
        expect(map.size).toBe(uses.length)
      }
    }))
})
