import { defineConfig } from "vitest/config"

/** What is true of the package that is published, and of no file of its sources alone. */
export default defineConfig({
  test: {
    include: ["package-tests/*.test.ts"],
    globalSetup: "package-tests/packed.ts",
    testTimeout: 120_000,
    // One process, so that what was bundled for one file is there for the next.
    isolate: false,
    fileParallelism: false
  }
})
