/** How fast requests are estimated: everyone has the same ones, round by round in turn. */
import { type Effort, measure, type Measurement, median, type Scenario } from "../harness.ts"
import { Effect } from "effect"
import { type Contender, contenders } from "./contenders.ts"
import { textOf } from "./shipped.ts"

/** The body of a request of about 2 KB, as an adapter has it. */
const request = JSON.stringify({
  model: "gpt-4o-mini",
  messages: [
    { role: "system", content: "You answer questions about a package." },
    { role: "user", content: textOf("openai/README.md").slice(3_000, 4_800) }
  ]
})

const scenario: Scenario = {
  name: "speed",
  work: `estimate a request of ${request.length} characters`,
  contenders: Effect.succeed(
    contenders.map(({ estimate, name }) => ({
      library: name,
      opsPerRun: 1,
      run: async (runs) => {
        let estimated = 0
        for (let run = 0; run < runs; run++) if (estimate(request) > 0) estimated++
        return estimated
      }
    }))
  ),
  targets: []
}

/** What one contender takes for a request. */
export interface Speed {
  readonly name: Contender["name"]
  readonly microsPerRequest: number
  readonly megabytesPerSecond: number
}

export const speeds = (effort: Effort): Effect.Effect<ReadonlyArray<Speed>> =>
  Effect.map(measure(scenario, effort), (measurements) => measurements.map(speedOf))

const speedOf = ({ library, nsPerOp }: Measurement): Speed => {
  const ns = median(nsPerOp)
  return {
    name: library,
    microsPerRequest: Math.round(ns / 100) / 10,
    megabytesPerSecond: Math.round((request.length * 1_000) / ns)
  }
}

export const requestChars = request.length
