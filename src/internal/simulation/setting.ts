import type { Options } from "../../Simulation.ts"

type Given = Pick<Options, "limits" | "tenants" | "provider" | "maxWait" | "title">

/** What is simulated, apart from the workload. */
export interface Setting extends Given {
  readonly name: string
  readonly traceMax: number
}
