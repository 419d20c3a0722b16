/** Makes an error without capturing a stack trace, which costs several times what an admission does. */
export const traceless = <E extends Error>(make: () => E): E => {
  if (!isTraceLimitWritable) return make()
  const limit = errors.stackTraceLimit
  errors.stackTraceLimit = 0
  const error = make()
  errors.stackTraceLimit = limit
  return error
}

// Engines without it ignore it.
const errors: ErrorConstructor & { stackTraceLimit?: number | undefined } = Error

// Realms with frozen intrinsics refuse the assignment; there an error costs what it costs.
const isTraceLimitWritable = !Object.isFrozen(Error)
