import { FairQueue } from "./fairQueue.ts"
import type { Line, Waiter } from "./line.ts"
import type { Gate } from "./node.ts"

/** Lets the head of a line wait at one gate, where the line gets its place in fair order. */
export const park = (line: Line, gate: Gate): void => {
  gate.queue ??= new FairQueue(gate.node)
  gate.queue.add(line)
  line.gates = [gate]
}

/** Lets the head of a line keep its place at all gates that can keep it waiting at once, in order of arrival. */
export const pin = (head: Waiter): void => {
  const { amounts, path } = head.hold
  head.line.gates = path.gates.filter(({ canKeepWaiting }, index) => canKeepWaiting && amounts[index]! > 0)
  for (const gate of head.line.gates) {
    gate.pinned ??= []
    const place = gate.pinned.findIndex((other) => other.hold.arrival > head.hold.arrival)
    gate.pinned.splice(place === -1 ? gate.pinned.length : place, 0, head)
  }
}

/** Takes a line, of which this is or was the head, from where it waits. Returns the gates that it has left. */
export const unpark = (line: Line, head: Waiter): ReadonlyArray<Gate> => {
  const left = line.gates
  for (const gate of left) {
    if (line.flow === undefined) unpin(gate, head)
    else leaveQueue(gate, line)
  }
  line.gates = []
  return left
}

/** Whether the head of a line waits at all its gates at once. */
export const isPinned = (line: Line): boolean => line.flow === undefined && line.gates.length > 0

const unpin = (gate: Gate, head: Waiter): void => {
  gate.pinned = gate.pinned?.filter((other) => other !== head)
  if (gate.pinned?.length === 0) gate.pinned = undefined
}

const leaveQueue = (gate: Gate, line: Line): void => {
  gate.queue?.remove(line)
  if (gate.queue?.size === 0) gate.queue = undefined
}
