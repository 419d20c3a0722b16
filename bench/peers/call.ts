/** The call that is let in, for libraries that run promises: it does nothing and ends a microtask later. */
export const call = async (): Promise<void> => {}

/** Whose calls they are, for libraries that count by key. */
export const KEY = "tenant"
