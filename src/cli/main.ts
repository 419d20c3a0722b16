#!/usr/bin/env node
/**
 * The entry of `effect-budget`. The runtime is loaded only here, and only now: whoever uses the library without its
 * command line need not have it.
 */
import type { ExitCode } from "./command.ts"

declare const process: { exitCode: number }

const load = () =>
  Promise.all([
    import("effect/Effect"),
    import("effect/Exit"),
    import("effect/Runtime"),
    import("effect/Stdio"),
    import("@effect/platform-node/NodeRuntime"),
    import("@effect/platform-node/NodeServices"),
    import("./command.ts")
  ])

const isMissing = (error: unknown): boolean =>
  error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND"

try {
  const [Effect, Exit, Runtime, Stdio, NodeRuntime, NodeServices, { run }] = await load()
  const program = Effect.flatMap(
    Stdio.Stdio.use(({ args }) => args),
    run
  )
  NodeRuntime.runMain(Effect.provide(program, NodeServices.layer), {
    teardown: (exit, onExit) => {
      if (Exit.isFailure(exit)) return Runtime.defaultTeardown(exit, onExit)
      onExit(exit.value as ExitCode)
    }
  })
} catch (error) {
  if (!isMissing(error)) throw error
  console.error(
    `effect-budget: the command line needs a package that is not installed:\n\n  npm install @effect/platform-node\n\n(${String(error)})`
  )
  process.exitCode = 1
}
