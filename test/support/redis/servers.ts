/** Which servers this run has, and suites that run on each of them. */
import { describe, it } from "@effect/vitest"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type Cluster, startCluster } from "./cluster.ts"
import { startEmbedded } from "./embedded.ts"
import { startEmbeddedProcess } from "./embeddedProcess.ts"
import { nativeName, nativeVersion, startNative } from "./native.ts"
import { remoteUrl, startRemote } from "./remote.ts"
import type { Server, ServerProcess } from "./server.ts"

/** A kind of server: each start is a new one, except of `REDIS_URL`, where it is a new key prefix. */
export interface Kind<S> {
  readonly name: string
  readonly start: Effect.Effect<S, never, Scope.Scope>
  /** Why this run has none. */
  readonly missing?: string | undefined
}

/** Why there is no native server, if so. */
export const nativeMissing: string | undefined = nativeVersion === undefined ? "no redis-server on the PATH" : undefined

export const embedded: Kind<Server> = { name: "embedded Valkey", start: startEmbedded }

export const embeddedProcess: Kind<ServerProcess> = {
  name: "embedded Valkey, process of its own",
  start: startEmbeddedProcess
}

export const native: Kind<ServerProcess> = { name: nativeName, start: startNative(), missing: nativeMissing }

export const nativeDurable: Kind<ServerProcess> = {
  name: `${nativeName}, durable`,
  start: startNative({ isDurable: true }),
  missing: nativeMissing
}

export const remote: Kind<Server> = {
  name: "REDIS_URL",
  start: startRemote,
  missing: remoteUrl === undefined ? "it is not set" : undefined
}

export const cluster: Kind<Cluster> = {
  name: `cluster of ${nativeName}`,
  start: startCluster(),
  missing: nativeMissing
}

export const clusterWithReplicas: Kind<Cluster> = {
  name: `cluster of ${nativeName}, with replicas`,
  start: startCluster({ hasReplicas: true }),
  missing: nativeMissing
}

/** Describes something that holds on each of these servers, and says where it was seen and where it was not. */
export const describeOn =
  <S>(kinds: ReadonlyArray<Kind<S>>) =>
  (what: string, suite: (kind: Kind<S>) => void): void => {
    const used = kinds.filter(({ missing }) => missing === undefined)
    const skipped = kinds.filter(({ missing }) => missing !== undefined)
    for (const kind of used) describe(`${what} (${kind.name})`, () => suite(kind))
    for (const { missing, name } of skipped) it.skip(`${what} (${name}): skipped, ${missing}`, () => {})
    console.log(
      `${what}: on ${used.map(({ name }) => name).join(", ") || "no server"}` +
        skipped.map(({ missing, name }) => `; not on ${name}: ${missing}`).join("")
    )
  }

/** What holds on every server. */
export const describeServers = describeOn([embedded, native, remote])

/** What needs a server that may be killed, frozen and started again. */
export const describeServerProcesses = describeOn([embeddedProcess, native])

/** The same, where one kind will do: the embedded one only where there is no other. */
export const describeServerProcess = describeOn([nativeMissing === undefined ? native : embeddedProcess])

/** What needs a server that remembers, when it is started again, all that it had answered. */
export const describeDurableServers = describeOn([nativeDurable])

/** What has to hold also where keys are spread over several servers. */
export const describeClusters = describeOn([cluster])

/** What has to hold also when a replica takes over from its primary. */
export const describeFailover = describeOn([clusterWithReplicas])
