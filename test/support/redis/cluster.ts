/** A Redis Cluster of native servers, with three primaries, and as many replicas if wanted. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { connect as connectSocket } from "node:net"
import { startNative } from "./native.ts"
import { Frames } from "./resp.ts"
import { newKeyPrefix, type ServerProcess } from "./server.ts"

export interface Cluster {
  readonly name: string
  /** The primaries to begin with, then their replicas, in the same order. */
  readonly nodes: ReadonlyArray<ServerProcess>
  readonly keyPrefix: string
  /** The node that has a key: its primary, or the last one as long as no replica has taken over. */
  readonly primaryOf: (key: string) => Effect.Effect<ServerProcess>
  /**
   * Waits until all nodes that run agree on who has which slots, and each slot's primary runs. After a primary has
   * died, that is when its replica has taken over.
   */
  readonly healthy: Effect.Effect<void>
}

const PRIMARIES = 3
const SLOTS = 16_384

/** Who does not answer that long counts as dead. Its replica takes over about as much later. */
const NODE_TIMEOUT_MILLIS = 1_000

export const startCluster = ({ hasReplicas = false } = {}): Effect.Effect<Cluster, never, Scope.Scope> =>
  Effect.gen(function* () {
    const settings = ["--cluster-enabled", "yes", "--cluster-node-timeout", `${NODE_TIMEOUT_MILLIS}`]
    const count = hasReplicas ? 2 * PRIMARIES : PRIMARIES
    const nodes = yield* Effect.all(
      Array.from({ length: count }, () => startNative({ settings })),
      { concurrency: "unbounded" }
    )
    const ports = nodes.map(({ port }) => port)
    const healthy = Effect.promise(() => until(() => isHealthy(ports)))
    yield* Effect.promise(() => join(ports))
    yield* healthy
    return {
      name: `cluster of ${count} × ${nodes[0]!.name}`,
      nodes,
      keyPrefix: newKeyPrefix(),
      primaryOf: (key) => Effect.promise(async () => nodes[ports.indexOf(await ownerOf(key, ports))]!),
      healthy
    }
  })

/** Makes a cluster of servers that do not know of each other yet. */
const join = async (ports: ReadonlyArray<number>): Promise<void> => {
  const [first] = ports
  for (const [index, port] of ports.entries()) {
    // Each one's own from the beginning: nodes that have to agree on them first would take longer.
    await ask(port, `CLUSTER SET-CONFIG-EPOCH ${index + 1}`)
    if (index < PRIMARIES) await ask(port, `CLUSTER ADDSLOTS ${slotsOf(index).join(" ")}`)
    if (port !== first) await ask(first!, `CLUSTER MEET 127.0.0.1 ${port}`)
  }
  await until(async () => (await viewsOf(ports)).every(({ length }) => length === ports.length))
  for (const [index, port] of ports.entries()) {
    if (index >= PRIMARIES) await ask(port, `CLUSTER REPLICATE ${await ask(ports[index - PRIMARIES]!, "CLUSTER MYID")}`)
  }
}

const slotsOf = (primary: number): ReadonlyArray<number> =>
  Array.from({ length: SLOTS }, (_, slot) => slot).filter((slot) => Math.floor((slot * PRIMARIES) / SLOTS) === primary)

/** A node as another one sees it. */
interface Seen {
  readonly port: number
  readonly flags: ReadonlyArray<string>
  readonly isConnected: boolean
  readonly slots: ReadonlyArray<readonly [from: number, to: number]>
}

/** How each node that answers sees the cluster, without those whom it is only about to meet. */
const viewsOf = async (ports: ReadonlyArray<number>): Promise<ReadonlyArray<ReadonlyArray<Seen>>> => {
  const answers = await Promise.all(ports.map((port) => ask(port, "CLUSTER NODES").catch(() => undefined)))
  return answers.filter((answer) => answer !== undefined).map(viewOf)
}

const viewOf = (answer: string): ReadonlyArray<Seen> =>
  answer
    .trim()
    .split("\n")
    .map((line) => {
      const [, address = "", flags = "", , , , , link, ...slots] = line.split(" ")
      return {
        port: Number(/:(\d+)/.exec(address)?.[1]),
        flags: flags.split(","),
        isConnected: link === "connected",
        slots: slots.map((range): readonly [number, number] => {
          const [from, to = from] = range.split("-").map(Number)
          return [from!, to!]
        })
      }
    })
    .filter(({ flags }) => !flags.includes("handshake"))

const isHealthy = async (ports: ReadonlyArray<number>): Promise<boolean> => {
  const running = await Promise.all(ports.map((port) => isRunning(port)))
  const views = await viewsOf(ports)
  const owners = views.map((view) =>
    view
      .filter(({ flags, isConnected, port, slots }) => {
        const isWell = isConnected && !flags.includes("fail") && !flags.includes("fail?")
        return slots.length > 0 && isWell && running[ports.indexOf(port)] === true
      })
      .flatMap(({ port, slots }) => slots.map(([from, to]) => ({ from, to, port })))
      .sort((a, b) => a.from - b.from)
  )
  const covered = owners.every((ranges) => ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0) === SLOTS)
  return covered && new Set(owners.map((ranges) => JSON.stringify(ranges))).size === 1
}

/** Whether a node takes part: it finds that the cluster is well, and if it is a replica, it has its primary's data. */
const isRunning = async (port: number): Promise<boolean> => {
  try {
    const [cluster, replication] = [await ask(port, "CLUSTER INFO"), await ask(port, "INFO replication")]
    return cluster.includes("cluster_state:ok") && !replication.includes("master_link_status:down")
  } catch {
    return false
  }
}

const ownerOf = async (key: string, ports: ReadonlyArray<number>): Promise<number> => {
  const [view] = await viewsOf(ports)
  const slot = Number(await Promise.any(ports.map((port) => ask(port, "CLUSTER", "KEYSLOT", key))))
  const owner = view?.find(({ slots }) => slots.some(([from, to]) => from <= slot && slot <= to))
  if (owner === undefined) throw new Error(`nobody has ${key}`)
  return owner.port
}

/** Asks a node over a connection of its own. Who is dead or frozen does not answer in time. */
const ask = (port: number, ...command: ReadonlyArray<string>): Promise<string> =>
  new Promise((resolve, reject) => {
    const words = command.length === 1 ? command[0]!.split(" ") : command
    const frames = new Frames()
    const socket = connectSocket(port, "127.0.0.1")
    socket.setTimeout(ANSWER_MILLIS_MAX, () => socket.destroy(new Error(`${port} does not answer`)))
    socket.once("error", reject)
    socket.once("close", () => reject(new Error(`${port} hangs up`)))
    socket.on("data", (bytes) => {
      for (const frame of frames.add(bytes)) {
        const text = frame.toString().trimEnd()
        if (text.startsWith("-")) reject(new Error(`${words.slice(0, 2).join(" ")}: ${text}`))
        else resolve(text.startsWith("$") ? text.slice(text.indexOf("\n") + 1) : text.slice(1))
        socket.destroy()
      }
    })
    socket.write(`*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("")}`)
  })

const ANSWER_MILLIS_MAX = 2_000

/** Looks again and again, by the real clock. */
const until = async (holds: () => Promise<boolean>): Promise<void> => {
  const giveUpAt = performance.now() + PATIENCE_MILLIS
  while (!(await holds())) {
    if (performance.now() > giveUpAt) throw new Error("the cluster does not get well")
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MILLIS))
  }
}

const PATIENCE_MILLIS = 60_000
const LOOK_EVERY_MILLIS = 25
