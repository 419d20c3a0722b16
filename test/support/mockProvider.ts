/**
 * A provider that nobody here wrote (`@copilotkit/aimock`), as a real HTTP server, and the sum of what it says that it
 * has served.
 */
import { type Fixture, type JournalEntry, LLMock, type MockServerOptions } from "@copilotkit/aimock"
import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Budget from "../../src/Budget.ts"
import { expectAtRest } from "../../src/BudgetTesting.ts"

export interface MockProvider {
  readonly mock: LLMock
  readonly url: string
  readonly journal: () => ReadonlyArray<JournalEntry>
  /** The bodies that the server has received. */
  readonly bodies: () => ReadonlyArray<unknown>
}

export interface Tokens {
  readonly requests: number
  readonly inputTokens: number
  readonly outputTokens: number
}

/** Starts a provider on a free port of 127.0.0.1, for as long as the scope is open. */
export const mockProvider = (
  fixtures: ReadonlyArray<Fixture>,
  options: MockServerOptions = {}
): Effect.Effect<MockProvider, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(async () => {
        const mock = new LLMock({ port: 0, host: "127.0.0.1", ...options })
        mock.addFixtures([...fixtures])
        await mock.start()
        return mock
      }),
      (mock) => Effect.promise(() => mock.stop())
    ),
    (mock) => ({
      mock,
      url: mock.url,
      journal: () => mock.getRequests(),
      bodies: () => mock.getRequests().map(({ body }) => body)
    })
  )

/**
 * What the journal says was served in answers that could be read: the usage of the fixtures of all entries that were
 * neither refused nor spoilt, and a request for each entry.
 */
export const served = (journal: ReadonlyArray<JournalEntry>): Tokens => {
  const tokens = { requests: journal.length, inputTokens: 0, outputTokens: 0 }
  for (const { path, response } of journal) {
    const { chaosAction, fixture, interrupted, status } = response
    if (status !== 200 || chaosAction !== undefined || interrupted === true) continue
    const answer = fixture?.response
    // The mock's embeddings report no tokens.
    if (path.endsWith("/embeddings")) continue
    if (typeof answer !== "object" || !("usage" in answer)) throw new Error(`an answer without usage: ${path}`)
    const usage = answer.usage ?? {}
    tokens.inputTokens += usage.input_tokens ?? usage.prompt_tokens ?? 0
    tokens.outputTokens += usage.output_tokens ?? usage.completion_tokens ?? 0
  }
  return tokens
}

/** Nothing is held any more, and what is committed is what the provider has served and what could not be read. */
export const expectAccounted = Effect.fnUntraced(function* (
  budget: Budget.Budget,
  provider: MockProvider,
  unread: Omit<Tokens, "requests"> = { inputTokens: 0, outputTokens: 0 }
) {
  yield* expectAtRest(budget)
  const { inputTokens, outputTokens, requests } = (yield* budget.snapshot).spent
  const expected = served(provider.journal())
  expect({ requests, inputTokens, outputTokens }).toEqual({
    requests: expected.requests,
    inputTokens: expected.inputTokens + unread.inputTokens,
    outputTokens: expected.outputTokens + unread.outputTokens
  })
})
