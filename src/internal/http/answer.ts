import * as Sse from "effect/encoding/Sse"
import type * as Dialect from "../../Dialect.ts"
import type { Ending } from "../../Governor.ts"

/**
 * Reads an answer while it passes by, in pieces or at once, and says how the call has ended. It may say so more than
 * once: the first time counts.
 */
export interface Answer {
  /** A piece of the body passes by. */
  pass(bytes: Uint8Array): void
  /** The whole body has been read at once. */
  read(text: string): void
  /** The whole body has been read as JSON. */
  readJson(body: unknown): void
  /** All pieces have passed by. */
  finish(): void
  /** There will be no more, and this was not all. */
  breakOff(): void
}

/** An answer in server-sent events. */
export const eventsAnswer = (dialect: Dialect.Dialect, end: (ending: Ending) => void): Answer => {
  const reader = dialect.readEvents()
  const decoder = new TextDecoder()
  const parser = Sse.makeParser((event) => {
    if (event._tag === "Event") reader.read(event.data)
  })
  const seen = (): Ending => {
    const { isComplete, report, text } = reader
    if (isComplete && report !== undefined) return { _tag: "Answered", report }
    return report === undefined && text === "" ? { _tag: "Unseen" } : { _tag: "Seen", report, text }
  }
  const feed = (text: string): void => {
    parser.feed(text)
    if (reader.isComplete) end(seen())
  }
  return {
    pass: (bytes) => feed(decoder.decode(bytes, { stream: true })),
    read: (text) => {
      feed(text)
      end(seen())
    },
    readJson: () => end({ _tag: "Unseen" }),
    finish: () => end(seen()),
    breakOff: () => end(seen())
  }
}

/** An answer in JSON. */
export const jsonAnswer = (dialect: Dialect.Dialect, end: (ending: Ending) => void): Answer => {
  const decoder = new TextDecoder()
  let text = ""
  const readJson = (body: unknown): void => {
    const report = dialect.readAnswer(body)
    end(report === undefined ? { _tag: "Unseen" } : { _tag: "Answered", report })
  }
  const read = (whole: string): void => {
    try {
      readJson(JSON.parse(whole))
    } catch {
      end({ _tag: "Unseen" })
    }
  }
  return {
    pass: (bytes) => {
      text += decoder.decode(bytes, { stream: true })
    },
    read,
    readJson,
    finish: () => read(text + decoder.decode()),
    breakOff: () => end({ _tag: "Unseen" })
  }
}
