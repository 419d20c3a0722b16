/** What was seen to happen in a program, from the outside, in the order in which it happened. */
import type { BudgetError } from "../../../src/BudgetError.ts"
import type { BudgetEvent } from "../../../src/BudgetEvent.ts"
import type { Snapshot } from "../../../src/Budget.ts"
import type * as Usage from "../../../src/Usage.ts"
import type { Deed, Program } from "./program.ts"

export interface Log {
  readonly program: Program
  readonly entries: ReadonlyArray<Entry>
  /** Those that have not ended when nothing happens any more. */
  readonly stuck: ReadonlyArray<number>
  /** What those who listened to a budget were told. */
  readonly events: ReadonlyMap<number, ReadonlyArray<BudgetEvent>>
  /** When the budgets' timer rang at the very instant at which somebody else's sleep was over. */
  readonly ties: ReadonlyArray<number>
  /** How often the budgets' timer rang, and how many timers there were at most at once. */
  readonly timersFired: number
  readonly timersMax: number
}

/** `wall` is what the clock shows, `now` never runs backwards. Nobody else did anything within one step. */
export type Entry = { readonly wall: number; readonly now: number; readonly step: number } & Happening

export type Happening =
  | { readonly is: "asked"; readonly call: number }
  /** Who waited is about to go on. `open` is what its budget says is open, if it is interrupted before it does. */
  | { readonly is: "woken"; readonly call: number; open: number | undefined }
  /** `granted` is what it holds, where it knows. */
  | { readonly is: "started"; readonly call: number; readonly granted: Usage.Usage | undefined }
  | { readonly is: "refused"; readonly call: number; readonly error: BudgetError }
  | { readonly is: "interrupted"; readonly call: number }
  | { readonly is: "commit"; readonly call: number; readonly usage: Usage.Usage }
  | { readonly is: "record"; readonly call: number; readonly usage: Usage.Usage }
  | { readonly is: "release"; readonly call: number }
  | { readonly is: "ended"; readonly call: number; readonly exit: "success" | "failure" }
  /** The fiber is over. */
  | { readonly is: "over"; readonly call: number; readonly exit: "success" | "failure" | "interruption" }
  | { readonly is: "deed"; readonly deed: Deed; readonly isRefused: boolean }
  | { readonly is: "snapshot"; readonly budget: number; readonly snapshot: Snapshot }
  /** Nobody has anything left to do at this instant. */
  | { readonly is: "rest"; readonly timers: number }
