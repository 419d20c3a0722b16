/**
 * What all keys of a group begin with. The group is their hash tag, so that they lie in the same slot of a cluster: one
 * pair of braces, whatever the names are, with something between them.
 */
export const baseOf = (prefix: string, group: string): string => `${escaped(prefix)}:{${escaped(group) || "%"}}:`

/** Where is said for whom there may be room, in all groups. */
export const wakeChannelOf = (prefix: string): string => `${escaped(prefix)}:wake`

const escaped = (name: string): string => name.replaceAll(/[%{}]/g, (char) => `%${char.charCodeAt(0).toString(16)}`)
