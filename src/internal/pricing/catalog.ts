import type * as Library from "@pydantic/genai-prices"
import type * as Pricing from "../../Pricing.ts"
import { RecentMap } from "../recentMap.ts"
import { Listing } from "./listing.ts"

/** What the bundled tables know of a model where it is called. */
export interface Found {
  /** The provider's id, where it is known. */
  readonly provider: string | undefined
  readonly listing: Listing | undefined
}

type Wanted = Pick<Pricing.Priced, "model" | "provider" | "url">

/** The bundled tables, and the models that were looked up last: looking one up takes tens of microseconds. */
export class Catalog {
  readonly #library: typeof Library
  // Of unknown models too. Names of models come with requests, so that neither their number nor their length is bounded.
  readonly #found = new RecentMap<Found>(FOUND_MAX)

  constructor(library: typeof Library) {
    this.#library = library
  }

  find({ model, provider, url }: Wanted): Found {
    const address = url === undefined ? "" : withoutQuery(url)
    const key = `${address}\n${provider ?? ""}\n${model}`
    const known = this.#found.get(key)
    if (known !== undefined) return known
    const found = this.#lookUp(model, provider, address)
    if (key.length <= KEY_CHARS_MAX) this.#found.set(key, found)
    return found
  }

  /** The names of the models of the providers that people call directly, and of OpenRouter. */
  names(): ReadonlyArray<string> {
    return PROVIDERS.split(" ")
      .flatMap((providerId) => this.#library.findProvider({ providerId })?.models ?? [])
      .map(({ id }) => id)
  }

  #lookUp(model: string, provider: string | undefined, address: string): Found {
    const host = this.#library.findProvider({ providerApiUrl: address })
    if (host !== undefined) return { provider: host.id, listing: this.#listed(model, host.id) }
    const own = provider === undefined ? undefined : this.#listed(model, provider)
    return { provider, listing: own ?? this.#listedByPrefix(model) ?? this.#listed(model, undefined) }
  }

  // Gateways write `openai/gpt-4o`.
  #listedByPrefix(model: string): Listing | undefined {
    const slash = model.indexOf("/")
    return slash <= 0 ? undefined : this.#listed(model.slice(slash + 1), model.slice(0, slash))
  }

  #listed(model: string, providerId: string | undefined): Listing | undefined {
    const priced = this.#library.calcPrice({}, model, providerId === undefined ? {} : { providerId })
    if (priced === null || (isFineTuned(model) && !isFineTuned(priced.model.id))) return undefined
    return new Listing(this.#library, priced)
  }
}

// The library does not list its providers.
const PROVIDERS =
  "openai anthropic google mistral deepseek x-ai cohere groq aws azure together fireworks cerebras perplexity openrouter"

const FOUND_MAX = 1_000
const KEY_CHARS_MAX = 512

/** An address without what identifies a single call, or holds a key of the API. */
const withoutQuery = (url: string): string => {
  const end = url.search(/[?#]/)
  return end === -1 ? url : url.slice(0, end)
}

// Some entries match whatever contains the name of the base model, and fine-tuned models cost more than theirs.
const isFineTuned = (model: string): boolean => /(?:^|\/)ft:/.test(model)

let loading: Promise<Catalog> | undefined

/** Loads the tables (800 KB, about 0.1 seconds) when they are first needed, once for all. */
export const loadCatalog = (): Promise<Catalog> => (loading ??= loadLibrary())

const loadLibrary = async (): Promise<Catalog> => {
  loaded = new Catalog(await import("@pydantic/genai-prices"))
  return loaded
}

let loaded: Catalog | undefined

/** The tables, if they are loaded. */
export const loadedCatalog = (): Catalog | undefined => loaded
