import type { Answer } from "./answer.ts"

/**
 * Lets an answer read along while the body of a response is read.
 *
 * The response stays the one that it is: only the ways to read its body are replaced, on this one object. A new
 * `Response` around a new stream takes a third of the time of a local call, loses `url` and `redirected`, and every
 * JSON body would be copied once more.
 */
export const watch = (response: Response, answer: Answer): Response => {
  let body: ReadableStream<Uint8Array<ArrayBuffer>> | null | undefined
  const own = {
    text: response.text.bind(response),
    arrayBuffer: response.arrayBuffer.bind(response),
    blob: response.blob.bind(response),
    formData: response.formData.bind(response),
    clone: response.clone.bind(response),
    body: response.body
  }
  const text = () => along(answer, own.text, (whole) => answer.read(whole))
  const arrayBuffer = () =>
    along(answer, own.arrayBuffer, (bytes) => {
      answer.pass(new Uint8Array(bytes))
      answer.finish()
    })
  Object.defineProperties(response, {
    text: method(text),
    json: method(async () => {
      let isJson = false
      try {
        const parsed: unknown = JSON.parse(await own.text())
        isJson = true
        answer.readJson(parsed)
        return parsed
      } finally {
        if (!isJson) answer.breakOff()
      }
    }),
    arrayBuffer: method(arrayBuffer),
    bytes: method(async () => new Uint8Array(await arrayBuffer())),
    blob: method(() =>
      along(answer, own.blob, (blob) => {
        blob.text().then(
          (whole) => answer.read(whole),
          () => answer.breakOff()
        )
      })
    ),
    formData: method(() => along(answer, own.formData, () => answer.breakOff())),
    clone: method(() => watch(own.clone(), answer)),
    body: { configurable: true, get: () => (body ??= own.body === null ? null : passing(own.body, answer)) }
  })
  abandoned?.register(response, answer)
  return response
}

const method = (value: () => unknown): PropertyDescriptor => ({ configurable: true, writable: true, value })

const along = async <A>(answer: Answer, read: () => Promise<A>, then: (value: A) => void): Promise<A> => {
  let value: A
  try {
    value = await read()
  } catch (error) {
    answer.breakOff()
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
  return new ReadableStream(
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
}

// A body that nobody reads never ends. Once nobody can, the call has.
const abandoned =
  typeof FinalizationRegistry === "undefined"
    ? undefined
    : new FinalizationRegistry<Answer>((answer) => answer.breakOff())
