/** A process that is a server, on the port that it is given. */
import { startValkey } from "../../../examples/mock/valkey.ts"

await startValkey(Number(process.argv[2]))
