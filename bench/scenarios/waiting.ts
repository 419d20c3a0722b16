/** Callers that all come at once to one gate, and are admitted in turn. */
import { Effect, type Scope } from "effect"
import { Budget, Limit } from "effect-budget"
import { actual, estimate } from "../amounts.ts"
import { floor } from "../floor.ts"
import type { Contender, Scenario } from "../harness.ts"
import { crowding } from "../loops.ts"
import { SPEND } from "./ours.ts"

/** A library that lets callers wait at a gate of some width. */
type Waiting = (gate: number, callers: number) => Effect.Effect<Contender, never, Scope.Scope>

const GATE = 10

export const waiting = (callers: number, microsMax: number, peers: ReadonlyArray<Waiting>): Scenario => ({
  name: `${callers.toLocaleString("en")} waiting at one gate`,
  work: `${callers.toLocaleString("en")} callers at a concurrency of ${GATE}: start, wait, run (yield once), settle, join`,
  contenders: Effect.gen(function* () {
    const budget = yield* Budget.make({ name: "gate", limits: [Limit.concurrency(GATE)] })
    const spend = budget.spend({ estimate, actual: () => actual })(Effect.yieldNow)
    return [
      floor(),
      crowding("effect fibers, no gate", times(callers, Effect.yieldNow)),
      crowding(SPEND, times(callers, spend)),
      ...(yield* Effect.all(peers.map((peer) => peer(GATE, callers))))
    ]
  }),
  targets: [{ library: SPEND, max: microsMax * 1_000, of: "nsPerOp" }]
})

const times = <E>(count: number, effect: Effect.Effect<void, E>): ReadonlyArray<Effect.Effect<void, E>> =>
  new Array<Effect.Effect<void, E>>(count).fill(effect)
