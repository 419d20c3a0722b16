/** The mock provider for as long as a scope is open. */
import { Effect } from "effect"
import { startProvider } from "./provider.ts"

export const provider = Effect.acquireRelease(Effect.promise(startProvider), ({ stop }) => Effect.promise(stop))
