import * as Data from "effect/Data"
import type { PlatformError } from "effect/PlatformError"

/**
 * What a command could not do, in a sentence for whoever has typed it. It ends with exit code 1, or 2 where the arguments
 * are the mistake.
 */
export class CommandFailure extends Data.TaggedError("CommandFailure")<{
  readonly message: string
  readonly isMisuse?: boolean
}> {}

/** The arguments of a command make no sense together, or one of them by itself. */
export const misuse = (message: string): CommandFailure => new CommandFailure({ message, isMisuse: true })

/** Says why a file could not be read or written. */
export const fileFailure =
  (doing: "read" | "write", path: string) =>
  ({ message, reason }: PlatformError): CommandFailure => {
    const why = reasons[reason._tag] ?? codeOf(reason.cause) ?? message
    return new CommandFailure({ message: `cannot ${doing} ${path}: ${why}` })
  }

const reasons: Readonly<Record<string, string>> = {
  NotFound: "there is no such file or folder",
  PermissionDenied: "permission denied",
  AlreadyExists: "it exists already"
}

const codeOf = (cause: unknown): string | undefined => {
  if (!(cause instanceof Error) || !("code" in cause)) return undefined
  return cause.code === "EISDIR" ? "it is a folder" : cause.message
}
