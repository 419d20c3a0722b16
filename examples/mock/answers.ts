/**
 * What the mock provider knows: a few questions, with the usage that a real model might report for them.
 */
export interface Answer {
  readonly text: string
  readonly inputTokens: number
  /** What the whole text takes. A request that allows less gets the beginning of it. */
  readonly outputTokens: number
  /** A tool that the model wants to be called, instead of a text. */
  readonly toolCall?: { readonly name: string; readonly arguments: string }
}

/** Found by the last message of a request. */
export const answers: ReadonlyMap<string, Answer> = new Map([
  [
    "What is a token bucket?",
    {
      text:
        "A token bucket is a counter that refills at a steady rate up to a maximum. Each request takes tokens out of " +
        "it, and a request that finds too few of them waits or is refused. It allows short bursts and bounds the average.",
      inputTokens: 13,
      outputTokens: 48
    }
  ],
  [
    "How does a sliding window differ?",
    {
      text:
        "A sliding window looks back from now: what was used in the last minute counts, to the millisecond. No two " +
        "full loads can meet at a boundary, as they can in windows that start on the minute.",
      inputTokens: 14,
      outputTokens: 42
    }
  ],
  [
    "Which of them do providers use?",
    {
      text: "Most document token buckets that refill continuously, one for requests and one for tokens.",
      inputTokens: 14,
      outputTokens: 17
    }
  ],
  [
    "Is it warm enough in Lisbon to swim?",
    {
      text: "",
      inputTokens: 71,
      outputTokens: 18,
      toolCall: { name: "seaTemperature", arguments: JSON.stringify({ city: "Lisbon" }) }
    }
  ],
  [
    '{"celsius":17.5}',
    {
      text: "The Atlantic off Lisbon has 17.5 °C today. That is fresh, and fine for a short swim.",
      inputTokens: 104,
      outputTokens: 25
    }
  ]
])

/** For everything else. */
export const otherwise: Answer = {
  text: "Budgets keep a fleet of agents below the limits of its provider, so that none of them meets a 429.",
  inputTokens: 20,
  outputTokens: 23
}
