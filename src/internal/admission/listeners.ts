import type { BudgetEvent } from "../../BudgetEvent.ts"
import type { BudgetNode, Path } from "./node.ts"

/** What happens, before anybody has noted when. */
export type Happening = Untimed<BudgetEvent>

/** A happening of one kind. */
export type Told<Tag extends BudgetEvent["_tag"]> = Extract<Happening, { readonly _tag: Tag }>

type Untimed<Event> = Event extends BudgetEvent ? Omit<Event, "at"> : never

/** Whether anybody listens to a budget of a path, so that its events are worth making. */
export const isHeard = (path: Path): boolean => {
  for (const node of path.nodes) if (node.listeners !== undefined) return true
  return false
}

/** Tells what has happened to everyone who listens to a budget of a path. */
export const tell = (path: Path, event: Happening): void => {
  for (const node of path.nodes) {
    for (const listener of node.listeners ?? []) listener(event)
  }
}

/** Listens to a budget, synchronously: whatever happens waits for the listener. What it returns ends that. */
export const listen = (node: BudgetNode, listener: (event: Happening) => void): (() => void) => {
  node.listeners ??= new Set()
  node.listeners.add(listener)
  return () => {
    node.listeners?.delete(listener)
    if (node.listeners?.size === 0) node.listeners = undefined
  }
}
