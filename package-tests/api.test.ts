import { describe, expect, it } from "vitest"
import { apiAccepted, apiNow } from "./api.ts"

const now = apiNow()
const accepted = apiAccepted()

const howToAccept = "the public declarations have changed: if that is meant, accept them with npm run api:accept"

describe("the API", () => {
  it("has the modules that were accepted", () => {
    expect([...now.keys()].sort(), howToAccept).toEqual([...accepted.keys()].sort())
  })

  it.each([...accepted.keys()])("is what was accepted: %s", (name) => {
    expect(now.get(name), howToAccept).toBe(accepted.get(name))
  })
})
