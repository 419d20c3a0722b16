import { describe, expect, it } from "vitest"
import { PauseState } from "../../../src/internal/limit/pause.ts"

describe("pause", () => {
  it("is no hindrance until it begins", () => {
    const pause = new PauseState()
    expect(pause.readyAt(1, 5)).toBe(5)
    expect(pause.isUnused(5)).toBe(true)
  })

  it("admits nothing before its end, and everything from then on", () => {
    const pause = new PauseState()
    pause.until = 100
    expect(pause.readyAt(1, 99)).toBe(100)
    expect(pause.isUnused(99)).toBe(false)
    expect(pause.readyAt(1e15, 100)).toBe(100)
    expect(pause.isUnused(100)).toBe(true)
  })

  it("counts nothing", () => {
    const pause = new PauseState()
    pause.take()
    pause.charge()
    expect(pause.settle()).toBe(0)
    expect(pause.used()).toBe(0)
    expect(pause.reserved).toBe(0)
  })

  it("ends as the original does in a copy, which can be prolonged alone", () => {
    const pause = new PauseState()
    pause.until = 100
    const copy = pause.clone()
    copy.until = 200
    expect(pause.readyAt(1, 0)).toBe(100)
    expect(copy.readyAt(1, 0)).toBe(200)
  })
})
