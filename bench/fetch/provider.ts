/**
 * A provider in a process of its own, so that its work is not counted as the client's. It answers at once, or after as
 * many milliseconds as the header `x-latency` says, and prints its address when it listens.
 */
import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

const usage = { prompt_tokens: 480, completion_tokens: 200, total_tokens: 680 }

const answer = JSON.stringify({
  id: "chatcmpl-1",
  object: "chat.completion",
  model: "gpt-4o-mini",
  choices: [
    { index: 0, message: { role: "assistant", content: "A short answer. ".repeat(50) }, finish_reason: "stop" }
  ],
  usage
})

const chunk = (rest: object): string => {
  const head = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1_700_000_000, model: "gpt-4o-mini" }
  return `data: ${JSON.stringify({ ...head, system_fingerprint: "fp_1", ...rest })}\n\n`
}

// Long enough that what a call costs, which is measured by itself, does not count in the throughput.
const CHUNKS = 20_000
const delta = chunk({ choices: [{ index: 0, delta: { content: " word" }, logprobs: null, finish_reason: null }] })
const last = `${chunk({ choices: [], usage })}data: [DONE]\n\n`

const stream = (response: ServerResponse, sent: number): void => {
  for (let index = sent; index < CHUNKS; index++) {
    if (!response.write(delta)) {
      response.once("drain", () => stream(response, index + 1))
      return
    }
  }
  response.end(last)
}

const server = createServer((request, response) => {
  request.resume().on("end", () => {
    if (request.headers["x-stream"] !== undefined) {
      response.writeHead(200, { "content-type": "text/event-stream" })
      return stream(response, 0)
    }
    const respond = () => response.writeHead(200, { "content-type": "application/json" }).end(answer)
    const latency = Number(request.headers["x-latency"] ?? 0)
    return latency === 0 ? respond() : setTimeout(respond, latency)
  })
})

server.listen(0, "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
