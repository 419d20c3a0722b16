import * as Response from "effect/ai/Response"
import * as Schema from "effect/Schema"
import type { AnyPart } from "./answer.ts"

/**
 * Gives decoded parts back as a provider would have written them, so that whoever decodes them again has the same.
 *
 * Most parts are the same in both forms. The parameters of tool calls have never been decoded, and a tool's result
 * carries what it was decoded from, so that no schema of a tool is needed.
 */
export const encodePart = (part: AnyPart): Response.AllPartsEncoded => {
  switch (part.type) {
    case "file":
      return encodeFile(part)
    case "source":
      return part.sourceType === "url" ? encodeUrl(part) : part
    case "response-metadata":
      return encodeMetadata(part)
    case "finish":
      return encodeFinish(part)
    case "tool-result":
      return encodeResult(part)
    default:
      return part
  }
}

const encodeFile = Schema.encodeSync(Response.FilePart)
const encodeUrl = Schema.encodeSync(Response.UrlSourcePart)
const encodeMetadata = Schema.encodeSync(Response.ResponseMetadataPart)
const encodeFinish = Schema.encodeSync(Response.FinishPart)

const encodeResult = (part: Response.ToolResultPart<string, unknown, unknown>): Response.ToolResultPartEncoded => ({
  type: part.type,
  id: part.id,
  name: part.name,
  isFailure: part.isFailure,
  result: part.encodedResult,
  providerExecuted: part.providerExecuted,
  preliminary: part.preliminary,
  metadata: part.metadata,
  ...(part.modelOutput === undefined ? {} : { modelOutput: part.modelOutput })
})
