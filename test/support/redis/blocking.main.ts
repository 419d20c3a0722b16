/** A thread that sends commands to a server for another one, which stands still until there is a reply. */
import { type MessagePort, workerData } from "node:worker_threads"
import { createClient } from "redis"
import type { Published, Question, Reply } from "./blocking.ts"

const { bell, port, url } = workerData as { bell: Int32Array; port: MessagePort; url: string }

const socket = { reconnectStrategy: false } as const
const client = await createClient({ url, socket }).connect()
const subscriber = await createClient({ url, socket }).connect()
let published: Array<Published> = []
let channels = 0

const ask = async (question: Question): Promise<unknown> => {
  if (question.does === "subscribe") {
    const { channel } = question
    channels++
    return subscriber.subscribe(channel, (message) => published.push({ channel, message }))
  }
  if (question.does === "unsubscribe") {
    channels--
    return subscriber.unsubscribe(question.channel)
  }
  const reply = await client.sendCommand(question.command)
  // What the command has published arrives before the answer to whatever is sent after it.
  if (channels > 0) await subscriber.ping()
  return reply
}

port.on("message", async (question: Question) => {
  const reply = await ask(question).then(
    (value): Reply => ({ value, published }),
    (error: unknown): Reply => ({ error: String(error), published })
  )
  published = []
  port.postMessage(reply)
  Atomics.store(bell, 0, 1)
  Atomics.notify(bell, 0)
})

port.postMessage("ready")
