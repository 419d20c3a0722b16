/** A process that is a server, on the port that it is given, until whoever has started it ends. */
import { startValkey } from "../mock/valkey.ts"

await startValkey(Number(process.argv[2]))
process.stdin.resume().once("end", () => process.exit())
