/**
 * Reading a streamed answer, event by event.
 */
import type * as Dialect from "../../Dialect.ts"
import { parsed } from "./json.ts"

/** What is known of an answer that is still coming. */
export class Progress {
  report: Dialect.Report | undefined = undefined
  isComplete = false
  #texts: Array<string> = []

  write(text: unknown): void {
    if (typeof text === "string" && text !== "") this.#texts.push(text)
  }

  // Joined only when somebody asks: most streams end with a report, and nobody does.
  get text(): string {
    if (this.#texts.length > 1) this.#texts = [this.#texts.join("")]
    return this.#texts[0] ?? ""
  }
}

/** Makes a reader of events from what one event, as JSON, changes. */
export const makeEventReader = (readEvent: (event: unknown, progress: Progress) => void): Dialect.EventReader => {
  const progress = new Progress()
  return {
    read(data) {
      if (data.startsWith("[DONE]")) progress.isComplete = true
      else readEvent(parsed(data), progress)
    },
    get report() {
      return progress.report
    },
    get isComplete() {
      return progress.isComplete
    },
    get text() {
      return progress.text
    }
  }
}
