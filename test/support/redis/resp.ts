/** Just enough of Redis's protocol to tell where a command or a reply ends, in RESP2 and RESP3. */

/** A command with its arguments. */
export type Command = ReadonlyArray<string>

/** Cuts a stream of bytes into commands or replies. */
export class Frames {
  #rest = Buffer.alloc(0)

  /** Takes what has arrived, and gives every frame that is complete by now. */
  add(bytes: Buffer): ReadonlyArray<Buffer> {
    const buffer = Buffer.concat([this.#rest, bytes])
    const frames: Array<Buffer> = []
    let from = 0
    for (let end = endOf(buffer, from); end !== undefined; end = endOf(buffer, from)) {
      frames.push(buffer.subarray(from, end))
      from = end
    }
    this.#rest = buffer.subarray(from)
    return frames
  }
}

export const commandOf = (frame: Buffer): Command => {
  const text = frame.toString()
  if (!text.startsWith("*")) return text.trim().split(/\s+/)
  const command: Array<string> = []
  for (let at = frame.indexOf("\r\n") + 2; at < frame.length;) {
    const start = frame.indexOf("\r\n", at) + 2
    const length = Number(frame.toString("latin1", at + 1, start - 2))
    command.push(frame.toString("utf8", start, start + length))
    at = start + length + 2
  }
  return command
}

/** What a server says unasked: messages of channels, and that one is subscribed to them. Only RESP3 marks it. */
export const isPush = (frame: Buffer): boolean => frame[0] === PUSH

const PUSH = ">".charCodeAt(0)

/** Where the frame that starts at `from` ends, or `undefined` if that has not arrived yet. */
const endOf = (buffer: Buffer, from: number): number | undefined => {
  const lineEnd = buffer.indexOf("\r\n", from)
  if (lineEnd === -1) return undefined
  const start = lineEnd + 2
  const size = (): number => Number(buffer.toString("latin1", from + 1, lineEnd))
  switch (String.fromCharCode(buffer[from]!)) {
    case "$":
    case "!":
    case "=": {
      const end = size() < 0 ? start : start + size() + 2
      return end <= buffer.length ? end : undefined
    }
    case "*":
    case "~":
    case ">":
      return endOfAll(buffer, start, size())
    case "%":
      return endOfAll(buffer, start, 2 * size())
    case "|":
      // An attribute comes before what it belongs to.
      return endOfAll(buffer, start, 2 * size() + 1)
    default:
      return start
  }
}

const endOfAll = (buffer: Buffer, from: number, count: number): number | undefined => {
  let at: number | undefined = from
  for (let index = 0; index < count && at !== undefined; index++) at = endOf(buffer, at)
  return at
}
