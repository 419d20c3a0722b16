import * as Duration from "effect/Duration"
import * as Option from "effect/Option"

/** The milliseconds of a duration as Effect reads them: `"30 seconds"`. A unit alone is one of it: `"hour"`. */
export const millisOf = (text: string): number | undefined => {
  const counted = /^\s*[a-z]/i.test(text) ? `1 ${text.trim()}` : text.trim()
  // It takes what its type allows, and answers any other string with nothing.
  const duration = Duration.fromInput(counted as Duration.Input)
  return Option.getOrUndefined(Option.map(duration, Duration.toMillis))
}
