/** What stands between a client and a server, and does on cue what networks do at the worst moment. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { connect, createServer, type Server as TcpServer, type Socket } from "node:net"
import { makeLatch } from "../latch.ts"
import { freePort } from "./port.ts"
import { type Command, commandOf, Frames, isPush } from "./resp.ts"
import { addressOf, type Server } from "./server.ts"

/** Which commands are meant. */
export type Matcher = (command: Command) => boolean

/** Commands of these names, whatever the case. */
export const named =
  (...names: ReadonlyArray<string>): Matcher =>
  ([name = ""]) =>
    names.includes(name.toUpperCase())

/** What clients send by themselves when they connect. */
const isGreeting = named("HELLO", "AUTH", "SELECT", "CLIENT", "READONLY")

/** Every command but those that clients send by themselves when they connect. */
export const any: Matcher = (command) => !isGreeting(command)

export interface Proxy extends Server {
  /** Cuts every connection, with all that is on its way in it. New ones are let in. */
  readonly cut: Effect.Effect<void>
  /** Lets nobody in any more, as if no server were there. Connections stay. */
  readonly refuse: Effect.Effect<void>
  /** Lets clients in again, as in the beginning. */
  readonly accept: Effect.Effect<void>
  /**
   * The next command that is meant does not reach the server: its connection is cut before. Every call stands for one
   * command. The effect that it returns ends when that has happened.
   */
  readonly loseRequest: (isMeant?: Matcher) => Effect.Effect<Effect.Effect<void>>
  /**
   * The next command that is meant is executed, but instead of its reply the client gets a cut connection. Every call
   * stands for one command. The effect that it returns ends when that has happened.
   */
  readonly loseReply: (isMeant?: Matcher) => Effect.Effect<Effect.Effect<void>>
  /** Keeps the commands that are meant, and all that comes behind them in the same connections, from the server. */
  readonly holdRequests: (isMeant?: Matcher) => Effect.Effect<Hold>
  /** Keeps the replies to the commands that are meant, and all that comes behind them, from the clients. */
  readonly holdReplies: (isMeant?: Matcher) => Effect.Effect<Hold>
  /** How many clients are connected. */
  readonly connections: Effect.Effect<number>
  /** The commands that have arrived so far, in order, but those that clients send by themselves when they connect. */
  readonly commands: Effect.Effect<ReadonlyArray<Command>>
}

export interface Hold {
  /** Ends when as many have been held back, one unless otherwise said. */
  readonly caught: (count?: number) => Effect.Effect<void>
  /** Lets everything go, in its order, and holds nothing back any more. */
  readonly release: Effect.Effect<void>
}

export const make = (target: Server): Effect.Effect<Proxy, never, Scope.Scope> =>
  Effect.gen(function* () {
    const port = yield* freePort
    const { hostname, port: targetPort } = new URL(target.url)
    const cues = new Cues()
    const open = new Set<Connection>()
    const commands: Array<Command> = []
    const cut = (): void => open.forEach((connection) => connection.cut())

    const letIn = (socket: Socket): void => {
      const connection = new Connection(socket, connect(Number(targetPort || 6379), hostname), cues, commands, () =>
        open.delete(connection)
      )
      open.add(connection)
    }
    let door: TcpServer | undefined
    const accept = async (): Promise<void> => {
      const listening = makeLatch()
      door ??= createServer(letIn).listen(port, "127.0.0.1", listening.resolve)
      if (!door.listening) await listening.promise
    }
    const refuse = (): void => {
      door?.close()
      door = undefined
    }

    yield* Effect.acquireRelease(Effect.promise(accept), () =>
      Effect.sync(() => {
        refuse()
        cut()
      })
    )
    return {
      ...target,
      name: `${target.name} behind a proxy`,
      url: Object.assign(new URL(target.url), { host: new URL(addressOf(port)).host }).href,
      cut: Effect.sync(cut),
      refuse: Effect.sync(refuse),
      accept: Effect.promise(accept),
      loseRequest: (isMeant = any) => Effect.sync(() => cues.lose(cues.lostRequests, isMeant)),
      loseReply: (isMeant = any) => Effect.sync(() => cues.lose(cues.lostReplies, isMeant)),
      holdRequests: (isMeant = any) => Effect.sync(() => cues.hold(cues.heldRequests, isMeant, open)),
      holdReplies: (isMeant = any) => Effect.sync(() => cues.hold(cues.heldReplies, isMeant, open)),
      connections: Effect.sync(() => open.size),
      commands: Effect.sync(() => commands.slice())
    }
  })

/** Something that is to happen to one command. */
interface Loss {
  readonly isMeant: Matcher
  readonly happened: () => void
}

/** Something that happens to commands or replies until it is called off. */
interface Holding {
  readonly isMeant: Matcher
  readonly caught: () => void
}

/** All that is to happen, and has not yet. */
class Cues {
  readonly lostRequests = new Set<Loss>()
  readonly lostReplies = new Set<Loss>()
  readonly heldRequests = new Set<Holding>()
  readonly heldReplies = new Set<Holding>()

  lose(losses: Set<Loss>, isMeant: Matcher): Effect.Effect<void> {
    const { promise, resolve } = makeLatch()
    losses.add({ isMeant, happened: resolve })
    return Effect.promise(() => promise)
  }

  hold(holdings: Set<Holding>, isMeant: Matcher, connections: ReadonlySet<Connection>): Hold {
    const waiting: Array<{ readonly count: number; readonly resolve: () => void }> = []
    let count = 0
    const holding: Holding = {
      isMeant,
      caught: () => {
        count++
        for (const waiter of waiting) if (waiter.count <= count) waiter.resolve()
      }
    }
    holdings.add(holding)
    return {
      caught: (expected = 1) =>
        Effect.promise(() => {
          const { promise, resolve } = makeLatch()
          waiting.push({ count: expected, resolve })
          if (expected <= count) resolve()
          return promise
        }),
      release: Effect.sync(() => {
        holdings.delete(holding)
        connections.forEach((connection) => connection.flow())
      })
    }
  }
}

/** The first cue that means a command. */
const cueFor = <Cue extends { readonly isMeant: Matcher }>(cues: ReadonlySet<Cue>, command: Command): Cue | undefined =>
  [...cues].find(({ isMeant }) => isMeant(command))

/** A command or reply that has arrived and not gone on yet. */
interface Waiting {
  readonly bytes: Buffer
  readonly holding: Holding | undefined
  readonly loss: Loss | undefined
  readonly command: Command
}

/** A client's connection and the one to the server that belongs to it. */
class Connection {
  readonly #client: Socket
  readonly #server: Socket
  readonly #cues: Cues
  readonly #requests: Array<Waiting> = []
  readonly #replies: Array<Waiting> = []
  /** What the server has been asked and has not answered yet, and what is to happen to the replies. */
  readonly #unanswered: Array<{ readonly command: Command; readonly loss: Loss | undefined }> = []
  #isCut = false

  constructor(client: Socket, server: Socket, cues: Cues, commands: Array<Command>, onCut: () => void) {
    this.#client = client
    this.#server = server
    this.#cues = cues
    const requests = new Frames()
    const replies = new Frames()
    client.on("data", (bytes) => {
      for (const frame of requests.add(bytes)) {
        const command = commandOf(frame)
        if (any(command)) commands.push(command)
        this.#request(frame, command)
      }
      this.flow()
    })
    server.on("data", (bytes) => {
      for (const frame of replies.add(bytes)) this.#reply(frame)
      this.flow()
    })
    for (const socket of [client, server]) {
      socket.setNoDelay(true)
      socket.on("error", () => {})
      socket.once("close", () => {
        this.cut()
        onCut()
      })
    }
  }

  #request(bytes: Buffer, command: Command): void {
    const loss = cueFor(this.#cues.lostRequests, command)
    if (loss !== undefined) this.#cues.lostRequests.delete(loss)
    const holding = cueFor(this.#cues.heldRequests, command)
    holding?.caught()
    this.#requests.push({ bytes, command, holding, loss })
  }

  #reply(bytes: Buffer): void {
    const { command, loss } = (isPush(bytes) ? undefined : this.#unanswered.shift()) ?? { command: [], loss: undefined }
    const holding = cueFor(this.#cues.heldReplies, command)
    holding?.caught()
    this.#replies.push({ bytes, command, holding, loss })
  }

  /** Sends on what nothing holds back. */
  flow(): void {
    this.#flow(this.#requests, this.#cues.heldRequests, ({ bytes, command }) => {
      const loss = cueFor(this.#cues.lostReplies, command)
      if (loss !== undefined) this.#cues.lostReplies.delete(loss)
      if (!isAnsweredByPushes(command)) this.#unanswered.push({ command, loss })
      this.#server.write(bytes)
    })
    this.#flow(this.#replies, this.#cues.heldReplies, ({ bytes }) => this.#client.write(bytes))
  }

  #flow(queue: Array<Waiting>, holdings: ReadonlySet<Holding>, send: (next: Waiting) => void): void {
    for (let next = queue[0]; next !== undefined && !this.#isCut; next = queue[0]) {
      if (next.holding !== undefined && holdings.has(next.holding)) return
      queue.shift()
      if (next.loss === undefined) {
        send(next)
        continue
      }
      this.cut()
      next.loss.happened()
    }
  }

  /** Closes both ends. What has been sent on before still arrives. */
  cut(): void {
    if (this.#isCut) return
    this.#isCut = true
    this.#client.destroySoon()
    this.#server.destroySoon()
  }
}

const isAnsweredByPushes = named("SUBSCRIBE", "UNSUBSCRIBE", "PSUBSCRIBE", "PUNSUBSCRIBE", "SSUBSCRIBE", "SUNSUBSCRIBE")
