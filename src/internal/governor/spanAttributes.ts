import type * as Dialect from "../../Dialect.ts"
import type { Destination } from "../../Governor.ts"

/** What the span of a call's reservation says of the call, in OpenTelemetry's words for generative AI. */
export const spanAttributes = (
  { model, operation }: Dialect.Call,
  { provider, url }: Destination
): Record<string, string> => {
  const host = url === undefined ? undefined : URL.parse(url)?.hostname
  const name = providerName(provider, host)
  return {
    "gen_ai.operation.name": operation,
    ...(model === "" ? {} : { "gen_ai.request.model": model }),
    ...(name === undefined ? {} : { "gen_ai.provider.name": name }),
    ...(host === undefined ? {} : { "server.address": host })
  }
}

/** A provider that the conventions do not know goes by its own id. */
const providerName = (id: string | undefined, host: string | undefined): string | undefined => {
  if (id !== undefined) return namesById.get(id) ?? id
  return host === undefined ? undefined : namesByHost.find(([pattern]) => pattern.test(host))?.[1]
}

/** By the ids of `@pydantic/genai-prices`, where the conventions have another name. */
const namesById: ReadonlyMap<string, string> = new Map([
  ["google", "gcp.gemini"],
  ["azure", "azure.ai.openai"],
  ["aws", "aws.bedrock"],
  ["mistral", "mistral_ai"],
  ["x-ai", "x_ai"]
])

const namesByHost: ReadonlyArray<readonly [RegExp, string]> = [
  [/(^|\.)openai\.azure\.com$/, "azure.ai.openai"],
  [/(^|\.)openai\.com$/, "openai"],
  [/(^|\.)anthropic\.com$/, "anthropic"],
  [/^generativelanguage\.googleapis\.com$/, "gcp.gemini"],
  [/aiplatform\.googleapis\.com$/, "gcp.vertex_ai"],
  [/^bedrock[\w-]*\..*\.amazonaws\.com$/, "aws.bedrock"],
  [/(^|\.)cohere\.(com|ai)$/, "cohere"],
  [/(^|\.)deepseek\.com$/, "deepseek"],
  [/(^|\.)groq\.com$/, "groq"],
  [/(^|\.)mistral\.ai$/, "mistral_ai"],
  [/(^|\.)perplexity\.ai$/, "perplexity"],
  [/(^|\.)x\.ai$/, "x_ai"]
]
