import * as Sse from "effect/encoding/Sse"
import type * as Dialect from "../../Dialect.ts"
import type { Ending } from "../../Governor.ts"
import * as Usage from "../../Usage.ts"

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

/**
 * An answer in server-sent events.
 *
 * Reading each event takes as long as a local stream does, and only a few of them report usage: the first and the last
 * ones. So what passes by is kept, and its ends are read when it ends. Everything is read only when they do not report
 * it all: when a stream was cut, for what has been seen of it.
 */
export const eventsAnswer = (dialect: Dialect.Dialect, end: (ending: Ending) => void): Answer => {
  let passed: Array<Uint8Array> | undefined = []
  const finish = (): void => {
    if (passed === undefined) return
    const stream = excerptsOf(passed)
    passed = undefined
    end(endingOf(dialect, stream))
  }
  return {
    pass: (bytes) => void passed?.push(bytes),
    read: (text) => end(endingOf(dialect, { length: text.length, between: (from, to) => text.slice(from, to) })),
    readJson: () => end({ _tag: "Unseen" }),
    finish,
    breakOff: finish
  }
}

/** A text of which parts can be had. */
interface Excerpts {
  readonly length: number
  between(from: number, to: number): string
}

/** Neither copied nor joined: for long streams that would take longer than the reading. */
const excerptsOf = (pieces: ReadonlyArray<Uint8Array>): Excerpts => ({
  length: pieces.reduce((length, piece) => length + piece.length, 0),
  between: (from, to) => {
    const decoder = new TextDecoder()
    let text = ""
    let start = 0
    for (const piece of pieces) {
      const end = start + piece.length
      if (end > from && start < to) {
        text += decoder.decode(piece.subarray(Math.max(0, from - start), to - start), { stream: true })
      }
      start = end
    }
    return text
  }
})

const endingOf = (dialect: Dialect.Dialect, stream: Excerpts): Ending => {
  for (const tailLength of TAIL_LENGTHS) {
    const report = reportOfEnds(dialect, stream, tailLength)
    if (report !== undefined) return { _tag: "Answered", report }
  }
  const reader = dialect.readEvents()
  readEvents(reader, stream.between(0, stream.length))
  const { isComplete, report, text } = reader
  if (isComplete && report !== undefined) return { _tag: "Answered", report }
  return report === undefined && text === "" ? { _tag: "Unseen" } : { _tag: "Seen", report, text }
}

/** The last report of a stream, if its first and last events hold all of it. */
const reportOfEnds = (
  dialect: Dialect.Dialect,
  { between, length }: Excerpts,
  tailLength: number
): Dialect.Report | undefined => {
  if (length <= HEAD_LENGTH + tailLength) return undefined
  const tail = between(length - tailLength, length)
  const firstWhole = tail.search(/\r?\n\r?\n/)
  if (firstWhole < 0) return undefined
  const reader = dialect.readEvents()
  readEvents(reader, between(0, HEAD_LENGTH))
  readEvents(reader, tail.slice(firstWhole))
  const { isComplete, report } = reader
  // A first event that is longer than the head is missing from the report.
  return isComplete && report !== undefined && Usage.isValid(report.usage) ? report : undefined
}

/** Reads events, also a last one that is not ended. What is cut off in the middle is passed over. */
const readEvents = (reader: Dialect.EventReader, text: string): void => {
  const parser = Sse.makeParser((event) => {
    if (event._tag === "Event") reader.read(event.data)
  })
  parser.feed(text)
  parser.feed("\n\n")
}

// The first event of Anthropic's streams reports the input, the last ones of all the rest. The longest of these, by far,
// is OpenAI's `response.completed`, which repeats the whole answer: hence the second try.
const HEAD_LENGTH = 2_048
const TAIL_LENGTHS = [4_096, 65_536]

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
