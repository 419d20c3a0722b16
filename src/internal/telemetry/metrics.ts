/**
 * The metrics by their names. A name ends in its unit as Prometheus wants it; `unit` says the same as OpenTelemetry
 * wants it, where an exporter takes it from.
 */
export interface Definition {
  readonly name: string
  readonly unit: string
  readonly description: string
  /** The labels besides `unit`, in the order in which their values are given. */
  readonly labels: ReadonlyArray<string>
}

const define = (name: string, unit: string, labels: ReadonlyArray<string>, description: string): Definition => ({
  name: `effect_budget_${name}`,
  unit,
  description,
  labels: ["budget", ...labels]
})

const ofTokens = ["gen_ai.token.type"]

export const counters = {
  admitted: define("admitted_total", "{request}", [], "Reservations that were admitted"),
  waited: define(
    "waited_total",
    "{request}",
    ["by", "limit"],
    "Those of them that had to wait, by the limit they waited for last"
  ),
  refused: define(
    "refused_total",
    "{request}",
    ["reason", "by", "limit"],
    "Requests that were refused, or waited in vain"
  ),
  shadowed: define(
    "shadowed_total",
    "{request}",
    ["reason", "by", "limit"],
    "Reservations that a shadow limit would have kept out"
  ),
  settled: define("settled_total", "{request}", [], "Reservations that were settled"),
  charged: define("charged_total", "{request}", [], "Charges without a reservation"),
  reservedTokens: define("reserved_tokens_total", "{token}", ofTokens, "Tokens of all estimates that were admitted"),
  committedTokens: define("committed_tokens_total", "{token}", ofTokens, "Tokens that were settled or charged"),
  reservedUsd: define("reserved_usd_total", "USD", [], "Dollars of all estimates that were admitted"),
  committedUsd: define("committed_usd_total", "USD", [], "Dollars that were settled or charged"),
  overran: define("overran_total", "{request}", ["by", "limit"], "Settlements of more than was reserved"),
  overrun: define(
    "overrun_total",
    "{amount}",
    ["by", "limit", "meter"],
    "What they used beyond it, in units of the meter"
  ),
  tightened: define("tightened_total", "{time}", ["limit"], "Times that a provider had less left than was known here"),
  thresholds: define("thresholds_reached_total", "{time}", ["limit", "threshold"], "Thresholds that were reached"),
  invalidReports: define("invalid_reports_total", "{report}", [], "Reports of usage that made no sense"),
  settledAlready: define("settled_already_total", "{time}", [], "Attempts to settle what was settled: mistakes"),
  leasesExpired: define("leases_expired_total", "{request}", [], "Reservations that a store has settled by itself"),
  storeUnreachable: define("store_unreachable_total", "{time}", [], "Times that a store could not be reached any more"),
  storeReached: define("store_reached_total", "{time}", [], "Times that a store could be reached again")
}

export const histograms = {
  wait: define("wait_seconds", "s", [], "How long admitted reservations have waited; those that did not, too"),
  estimateRatio: define("actual_to_estimate_ratio", "1", ofTokens, "Tokens used, of those that were estimated")
}

export const gauges = {
  open: define("open_reservations", "{reservation}", [], "Reservations that are not settled"),
  waiting: define("waiting_requests", "{request}", [], "Requests that wait"),
  limit: define("limit_max", "{amount}", ["limit", "meter"], "The maximum of a limit, in units of its meter"),
  used: define("limit_used", "{amount}", ["limit", "meter"], "What counts against it, open reservations included"),
  reserved: define("limit_reserved", "{amount}", ["limit", "meter"], "The estimates of open reservations among that"),
  utilisation: define(
    "utilisation_ratio",
    "1",
    ["limit"],
    "What counts against a limit, of its maximum; above 1 in debt"
  )
}

/** Of waits, in seconds. The first bound counts those who did not wait. */
export const waitBounds: ReadonlyArray<number> = [0, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900]

/** Of ratios. Up to 1 the estimate was enough. */
export const ratioBounds: ReadonlyArray<number> = [0.1, 0.25, 0.5, 0.75, 0.9, 1, 1.1, 1.25, 1.5, 2, 4, 10]

/** The labels of a metric with these values. */
export const labelsOf = ({ labels, unit }: Definition, values: ReadonlyArray<string>): Record<string, string> => ({
  unit,
  ...Object.fromEntries(labels.map((label, index) => [label, values[index] ?? ""]))
})
