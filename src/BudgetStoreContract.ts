/**
 * The suite that a store of shared budgets has to pass, for who writes one. `StoreProtocol` says what a store does; here
 * is each sentence of it as a case.
 *
 * It knows no test runner: a case is an effect that fails with a {@link ContractViolation}. With a runner, make a test of
 * each: `for (const { name, run } of BudgetStoreContract.cases) it.live(name, () => run({ store }))`. Cases may run at the
 * same time, and on a store that others use, too: each is in a group of its own.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { ahead } from "./internal/storeContract/ahead.ts"
import { atomicity } from "./internal/storeContract/atomicity.ts"
import { leases } from "./internal/storeContract/leases.ts"
import { limits } from "./internal/storeContract/limits.ts"
import { names } from "./internal/storeContract/names.ts"
import { operations } from "./internal/storeContract/operations.ts"
import { repeats } from "./internal/storeContract/repeats.ts"
import { type Case as Act, Stage } from "./internal/storeContract/stage.ts"
import type { ContractViolation } from "./internal/storeContract/violation.ts"
import { waiting } from "./internal/storeContract/waiting.ts"
import { windows } from "./internal/storeContract/windows.ts"
import type { Store, StoreError } from "./StoreProtocol.ts"

/**
 * What a case is run on.
 *
 * @category models
 * @since 0.1.0
 */
export interface Subject {
  readonly store: Store
  /**
   * Lets so many milliseconds pass on the store's clock. By default it sleeps; for a store under a `TestClock` it is
   * `TestClock.adjust`. No case depends on how exact it is, nor on how much more time passes.
   */
  readonly pass?: ((millis: number) => Effect.Effect<void>) | undefined
}

/**
 * One sentence of the contract.
 *
 * @category models
 * @since 0.1.0
 */
export interface Case {
  /** The sentence. */
  readonly name: string
  /** Fails when the store does otherwise. Takes a few seconds at most. */
  readonly run: (subject: Subject) => Effect.Effect<void, ContractViolation | StoreError>
}

export {
  /**
   * A store does not do what its contract says.
   *
   * @category errors
   * @since 0.1.0
   */
  ContractViolation
} from "./internal/storeContract/violation.ts"

const caseOf = ({ act, name }: Act): Case => ({
  name,
  run: ({ pass = Effect.sleep, store }) => Effect.scoped(Effect.suspend(() => act(new Stage(name, store, pass))))
})

/**
 * The contract, sentence by sentence.
 *
 * **Example** (a store that admits everybody)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { BudgetStoreContract, type StoreProtocol } from "effect-budget"
 *
 * const generous: StoreProtocol.Store = {
 *   apply: ({ operations }) =>
 *     Effect.succeed({
 *       _tag: "Applied",
 *       now: Date.now(),
 *       verdicts: operations.filter(({ _tag }) => _tag === "Reserve").map(() => undefined),
 *       sights: [],
 *       tightened: []
 *     }),
 *   listen: () => Effect.void
 * }
 *
 * const all = BudgetStoreContract.cases.find(({ name }) => name.includes("no more are admitted than fit"))!
 *
 * const message = await all.run({ store: generous }).pipe(
 *   Effect.catchTag("ContractViolation", ({ message }) => Effect.succeed(message)),
 *   Effect.runPromise
 * )
 * message // => '"of all who ask at the same time, no more are admitted than fit": how many are admitted should be 10, but is 20'
 * ```
 *
 * @category cases
 * @since 0.1.0
 */
export const cases: ReadonlyArray<Case> = [
  ...atomicity,
  ...limits,
  ...windows,
  ...ahead,
  ...operations,
  ...repeats,
  ...leases,
  ...waiting,
  ...names
].map(caseOf)
