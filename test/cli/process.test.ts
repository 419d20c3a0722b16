/** The program itself, as a process: what only a process has. */
import { spawn } from "node:child_process"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { describe, expect, it, onTestFinished } from "vitest"
import * as BudgetStatus from "../../src/BudgetStatus.ts"

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** Starts the program, and tells when it has written something. */
const start = (args: ReadonlyArray<string>) => {
  const child = spawn(
    "node_modules/.bin/node",
    ["--conditions=@effect-budget/source", "--no-warnings", "src/cli/main.ts", ...args],
    {
      env: { ...process.env, NO_COLOR: "1" }
    }
  )
  let out = ""
  let err = ""
  let look = () => {}
  child.stdout.on("data", (data: Buffer) => {
    out += data.toString()
    look()
  })
  child.stderr.on("data", (data: Buffer) => {
    err += data.toString()
  })
  const ended = new Promise<Ended>((resolve) => child.on("close", (code) => resolve({ code, out, err })))
  const said = (text: string) =>
    new Promise<void>((resolve) => {
      look = () => {
        if (out.includes(text)) resolve()
      }
      look()
    })
  onTestFinished(() => void child.kill("SIGKILL"))
  return { child, ended, said }
}

describe("the program", () => {
  it("counts what is piped into it", async () => {
    const { child, ended } = start(["count", "-m", "gpt-4o"])
    child.stdin.end("Hello, world!")
    expect(await ended).toEqual({
      code: 0,
      err: "",
      out: "          characters   gpt-4o\n(input)           13        4\n"
    })
  })

  it("has an exit code for what it could not do, and another for what makes no sense", async () => {
    expect(await start(["price", "no such model at all"]).ended).toMatchObject({ code: 1, out: "" })
    expect(await start(["price"]).ended).toMatchObject({ code: 2, out: "" })
  })

  it("ends when nobody reads any more what it writes", async () => {
    const server = createServer((_, response) => response.end(JSON.stringify(BudgetStatus.report([])))).listen(0)
    onTestFinished(() => void server.close())
    const url = `http://localhost:${(server.address() as AddressInfo).port}`
    const { child, ended, said } = start(["watch", url, "--every", "1 millis", "--json"])
    await said("budgets")
    child.stdout.destroy()
    expect((await ended).err).toBe("")
  })

  it("ends on Ctrl-C, in the middle of a look or between two", async () => {
    const server = createServer((_, response) => response.end(JSON.stringify(BudgetStatus.report([])))).listen(0)
    onTestFinished(() => void server.close())
    const url = `http://localhost:${(server.address() as AddressInfo).port}`
    const { child, ended, said } = start(["watch", url, "--every", "1 hour"])
    await said("no budgets are known")
    child.kill("SIGINT")
    expect(await ended).toMatchObject({ code: 130, err: "" })
  })
})
