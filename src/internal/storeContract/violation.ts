import * as Data from "effect/Data"
import { format } from "effect/Formatter"

/**
 * A store does not do what its contract says.
 *
 * @category errors
 * @since 0.1.0
 */
export class ContractViolation extends Data.TaggedError("ContractViolation")<{
  /** The sentence of the contract. */
  readonly case: string
  /** What was looked at. */
  readonly subject: string
  readonly expected: unknown
  readonly actual: unknown
}> {
  override get message(): string {
    return `"${this.case}": ${this.subject} should be ${format(this.expected)}, but is ${format(this.actual)}`
  }
}
