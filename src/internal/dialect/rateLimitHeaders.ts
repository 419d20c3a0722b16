/**
 * The headers of the IETF's drafts, "RateLimit header fields for HTTP", in their three generations:
 *
 * - `RateLimit-Limit: 100, 100;w=60`, `RateLimit-Remaining: 50`, `RateLimit-Reset: 30`;
 * - `RateLimit: limit=100, remaining=50, reset=30`;
 * - `RateLimit: "default";r=50;t=30` with `RateLimit-Policy: "default";q=100;w=60`.
 */
import type * as Feedback from "../../Feedback.ts"
import type * as Meter from "../../Meter.ts"
import { type Header, makeWindow } from "./windows.ts"

export const rateLimitWindows = (header: Header, now: number): Array<Feedback.Window> =>
  (header("ratelimit") ? combined(header, now) : separate(header, now)).filter((window) => window !== undefined)

type Windows = ReadonlyArray<Feedback.Window | undefined>

const separate = (header: Header, now: number): Windows => {
  const limit = header("ratelimit-limit")?.split(/[,;]/)[0]
  if (limit === undefined) return []
  return [makeWindow("requests", limit, header("ratelimit-remaining"), header("ratelimit-reset"), now)]
}

const combined = (header: Header, now: number): Windows => {
  const text = header("ratelimit") ?? ""
  const one = parametersOf(text.replaceAll(",", ";"))
  if (one.has("limit")) return [makeWindow("requests", one.get("limit"), one.get("remaining"), one.get("reset"), now)]
  const policies = new Map(itemsOf(header("ratelimit-policy") ?? "").map((item) => [nameOf(item), parametersOf(item)]))
  return itemsOf(text).map((item) => {
    const policy = policies.get(nameOf(item))
    const meter = meterOf(nameOf(item), policy?.get("qu"))
    const left = parametersOf(item)
    return meter && makeWindow(meter, policy?.get("q"), left.get("r"), left.get("t"), now)
  })
}

const itemsOf = (text: string): ReadonlyArray<string> => text.split(",")

const nameOf = (item: string): string => unquoted(item.split(";")[0] ?? "")

const parametersOf = (item: string): ReadonlyMap<string, string> =>
  new Map(
    item.split(";").flatMap((pair): ReadonlyArray<[string, string]> => {
      const [name, value] = pair.split("=")
      return name === undefined || value === undefined ? [] : [[name.trim(), unquoted(value)]]
    })
  )

const unquoted = (text: string): string => text.trim().replace(/^"(.*)"$/, "$1")

// The drafts count requests unless they name a unit. Tokens are no unit of theirs: they show in what gateways write.
const meterOf = (name: string, unit: string | undefined): Meter.Name | undefined => {
  if (/token/i.test(`${name} ${unit}`)) return "tokens"
  return unit === undefined || unit === "requests" ? "requests" : undefined
}
