import * as library from "@pydantic/genai-prices"
import { describe, expect, it } from "vitest"
import { Catalog, loadCatalog, loadedCatalog } from "../../../src/internal/pricing/catalog.ts"

const openAi = "https://api.openai.com/v1/responses"

/** A catalog that counts how often it asks the library for the provider of an address. */
const makeCounted = () => {
  let lookUps = 0
  const findProvider: typeof library.findProvider = (options) => {
    lookUps++
    return library.findProvider(options)
  }
  return { catalog: new Catalog({ ...library, findProvider }), lookUps: () => lookUps }
}

const ask = (catalog: Catalog, model: string, url = openAi) => catalog.find({ model, url, provider: undefined })

describe("the catalog", () => {
  it("is loaded when it is first needed, once", async () => {
    expect(loadedCatalog()).toBeUndefined()
    const [one, other] = await Promise.all([loadCatalog(), loadCatalog()])
    expect(one).toBe(other)
    expect(loadedCatalog()).toBe(one)
  })

  it("looks a model up once, an unknown one too", () => {
    const { catalog, lookUps } = makeCounted()
    expect(ask(catalog, "gpt-4o")).toBe(ask(catalog, "gpt-4o"))
    expect(ask(catalog, "our-llama")).toBe(ask(catalog, "our-llama"))
    expect(lookUps()).toBe(2)
  })

  it("does not take what identifies a call, or a key, for another address", () => {
    const { catalog, lookUps } = makeCounted()
    ask(catalog, "gpt-4o", `${openAi}?key=secret`)
    ask(catalog, "gpt-4o", `${openAi}#fragment`)
    ask(catalog, "gpt-4o", openAi)
    expect(lookUps()).toBe(1)
  })

  it("tells the same name at other addresses and providers apart", () => {
    const { catalog } = makeCounted()
    const mock = "http://localhost/v1"
    expect(ask(catalog, "gpt-4o").provider).toBe("openai")
    expect(ask(catalog, "gpt-4o", "https://acme.openai.azure.com/x").provider).toBe("azure")
    const providers = ["openai", "groq", undefined]
    const listings = providers.map((provider) => catalog.find({ model: "openai/gpt-oss-20b", url: mock, provider }))
    expect(listings.map(({ provider }) => provider)).toEqual(providers)
  })

  it("remembers a thousand models, however many names requests make up, the latest used", () => {
    const { catalog, lookUps } = makeCounted()
    ask(catalog, "gpt-4o")
    for (let name = 0; name < 3_000; name++) {
      ask(catalog, `made-up-${name}`)
      if (name % 500 === 0) ask(catalog, "gpt-4o")
    }
    expect(lookUps()).toBe(3_001)
    ask(catalog, "made-up-2999")
    expect(lookUps()).toBe(3_001)
    ask(catalog, "made-up-2000")
    expect(lookUps()).toBe(3_002)
  })

  it("does not remember names that are longer than names are", () => {
    const { catalog, lookUps } = makeCounted()
    const long = "x".repeat(1_000)
    ask(catalog, long)
    ask(catalog, long)
    expect(lookUps()).toBe(2)
  })
})
