/** (e) What a refusal promises, tried out. */
import * as Duration from "effect/Duration"
import { BudgetError } from "../../../src/BudgetError.ts"
import type { Random } from "../random.ts"
import type { Log } from "./log.ts"
import { run } from "./driver.ts"
import { drawProgram, type Kind } from "./generator.ts"
import type { Call, Program } from "./program.ts"

/**
 * A program in whose end nothing is open and nobody waits, so that its first call can be moved there and alone decides
 * what it meets.
 */
export const drawPast = (random: Random, kind: Partial<Kind> = {}): Program => {
  const program = drawProgram(random, {
    ...kind,
    callsMax: 8,
    hasInterruptions: false,
    hasNonsense: false,
    hasSetBacks: false
  })
  const settleAtOnce = (call: Call): Call => ({
    ...call,
    via: "tryReserve",
    isEarly: false,
    steps: call.steps.filter((step) => step.do !== "sleep"),
    actual: undefined
  })
  return {
    ...program,
    calls: program.calls.map(settleAtOnce),
    deeds: program.deeds.filter(({ do: what }) => what !== "close")
  }
}

/** What happens to the first call of a program when it asks at an instant. */
export const askAt = (program: Program, at: number): BudgetError | "admitted" => {
  const [probe, ...others] = program.calls
  return fateOf(run({ ...program, calls: [...others, { ...probe!, at }] }), probe!.id)
}

const fateOf = ({ entries }: Log, id: number): BudgetError | "admitted" => {
  for (const entry of entries) {
    if (entry.is === "refused" && entry.call === id) return entry.error
    if (entry.is === "started" && entry.call === id) return "admitted"
  }
  throw new Error(`call ${id} was neither admitted nor refused`)
}

/** What is not as a refusal said. */
export const brokenPromises = (program: Program, at: number): ReadonlyArray<string> => {
  const fate = askAt(program, at)
  if (!(fate instanceof BudgetError)) return []
  const { _tag } = fate.reason
  if (fate.retryAfter === undefined) {
    const isForEver = _tag === "BudgetExceeded" || _tag === "RequestTooLarge"
    if (!isForEver) return [`${_tag} without retryAfter, though nothing is open`]
    return askAt(program, at + A_LONG_TIME) === "admitted" ? [`${_tag} was not for ever`] : []
  }
  const millis = Duration.toMillis(fate.retryAfter)
  return [
    ...(millis < 1 ? [`retryAfter is ${millis} ms`] : []),
    ...(askAt(program, at + millis) === "admitted" ? [] : [`refused again after ${millis} ms`]),
    ...(askAt(program, at + millis - 1) === "admitted" ? [`admitted before ${millis} ms were over`] : [])
  ]
}

const A_LONG_TIME = 1_000_000
