import type { Answer } from "./answer.ts"

/**
 * Lets an answer read along while the body of a response is read.
 *
 * The response stays the object that it is, and becomes one of a class that reads in the same ways and tells. A new
 * `Response` around a new stream would take a third of the time of a local call, lose `url` and `redirected`, and copy
 * every body once more. What is no `Response` of this realm is made one.
 */
export const watch = (response: Response, listen: () => Answer): Response => attach(response, listen, { open: 0 })

/** The response and its clones that may still be read. The answer has broken off when all of them have. */
interface Copies {
  open: number
}

const attach = (response: Response, listen: () => Answer, copies: Copies): Response => {
  const own = isOfThisRealm(response) ? response : new Response(response.body, response)
  const watched: WatchedResponse = Object.setPrototypeOf(own, WatchedResponse.prototype)
  watched[reading] = oneOf(copies, listen())
  watched[isRead] = false
  watched[cloned] = (clone) => attach(clone, listen, copies)
  setTimeout(registerUnread, 0, watched)
  return watched
}

/** What one of several copies hears: each comes in pieces of its own. Breaks off once. */
const oneOf = (copies: Copies, answer: Answer): Answer => {
  copies.open++
  let isBroken = false
  return {
    ...answer,
    breakOff() {
      if (isBroken) return
      isBroken = true
      copies.open--
      if (copies.open === 0) answer.breakOff()
    }
  }
}

const isOfThisRealm = (response: object): boolean => response instanceof Response

const reading = Symbol("effect-budget/reading")
const isRead = Symbol("effect-budget/isRead")
const passed = Symbol("effect-budget/passed")
const cloned = Symbol("effect-budget/cloned")

/**
 * A body that nobody reads never ends, nor does a stream that is dropped halfway. Once nobody can read it any more, the
 * call has ended. Nearly all bodies are read at once: only what is left is registered, which costs more than the rest of
 * a call (35 µs, most of it at the next collections). An answer holds no response, or nobody ever could not.
 */
const registerUnread = (response: WatchedResponse): void => {
  if (!response[isRead]) abandoned?.register(response, response[reading], response)
}

const abandoned =
  typeof FinalizationRegistry === "undefined"
    ? undefined
    : new FinalizationRegistry<Answer>((answer) => answer.breakOff())

class WatchedResponse extends Response {
  declare [reading]: Answer
  declare [isRead]: boolean
  declare [cloned]: (clone: Response) => Response
  declare [passed]: ReadableStream<Uint8Array<ArrayBuffer>> | undefined

  override get body(): ReadableStream<Uint8Array<ArrayBuffer>> | null {
    this[isRead] = true
    if (this[passed] !== undefined) return this[passed]
    const body = super.body
    // From now on it is the stream that may be abandoned.
    abandoned?.unregister(this)
    return body === null ? null : (this[passed] = passing(body, this[reading]))
  }

  override text(): Promise<string> {
    return along(
      this,
      () => super.text(),
      (text) => this[reading].read(text)
    )
  }

  override json(): Promise<unknown> {
    return along(
      this,
      async (): Promise<unknown> => JSON.parse(await super.text()),
      (body) => this[reading].readJson(body)
    )
  }

  override arrayBuffer(): Promise<ArrayBuffer> {
    return along(
      this,
      () => super.arrayBuffer(),
      (buffer) => {
        this[reading].pass(new Uint8Array(buffer))
        this[reading].finish()
      }
    )
  }

  override async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return new Uint8Array(await this.arrayBuffer())
  }

  override async blob(): Promise<Blob> {
    const type = this.headers.get("content-type") ?? ""
    return new Blob([await this.arrayBuffer()], { type })
  }

  override formData(): Promise<FormData> {
    return along(
      this,
      () => super.formData(),
      () => this[reading].breakOff()
    )
  }

  override clone(): Response {
    const clone = super.clone()
    // The response has another body since then.
    this[passed] = undefined
    return this[cloned](clone)
  }
}

/** Reads a body as a whole. Who reads it a second time gets an error, while who came first still reads. */
const along = async <A>(response: WatchedResponse, read: () => Promise<A>, then: (value: A) => void): Promise<A> => {
  if (response.bodyUsed) return read()
  response[isRead] = true
  let value: A
  try {
    value = await read()
  } catch (error) {
    response[reading].breakOff()
    throw error
  }
  then(value)
  return value
}

/** The same bytes at the same time: it reads nothing ahead, and holds nothing back. */
const passing = (
  source: ReadableStream<Uint8Array<ArrayBuffer>>,
  answer: Answer
): ReadableStream<Uint8Array<ArrayBuffer>> => {
  let reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> | undefined
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        reader ??= source.getReader()
        try {
          const { done, value } = await reader.read()
          if (done) {
            answer.finish()
            controller.close()
          } else {
            answer.pass(value)
            controller.enqueue(value)
          }
        } catch (error) {
          answer.breakOff()
          controller.error(error)
        }
      },
      cancel(reason) {
        answer.breakOff()
        return reader === undefined ? source.cancel(reason) : reader.cancel(reason)
      }
    },
    { highWaterMark: 0 }
  )
  abandoned?.register(stream, answer)
  return stream
}
