import { describe, expect, it } from "vitest"
import { figuresOf } from "../../../src/internal/report/page/figures.ts"
import { budgetRecord, limitRecord, noCalls, noSeries, recordingOf } from "../../support/recordings.ts"

const asking = (name: string, tokens: ReadonlyArray<number>) =>
  budgetRecord({ name, calls: { ...noCalls, asked: 1 }, series: { ...noSeries, tokens, costNanoUsd: tokens } })

const figure = (id: string, recording: Parameters<typeof figuresOf>[0]) =>
  figuresOf(recording).find((one) => one.id === id)

describe("the charts of a recording", () => {
  it("show what was in use at each limit beside its maximum", () => {
    const recording = recordingOf({ budgets: [budgetRecord({ limits: [limitRecord({ max: 90, used: [10, 45] })] })] })
    expect(figure("limit-0-0", recording)).toMatchObject({
      title: "slidingWindow(tokens, 1 min)",
      text: "45 tokens at the peak: 50 % of what key allows in 1 min.",
      curves: [{ label: "used", values: [10, 45] }],
      bound: { value: 90 }
    })
  })

  it("put those that used most first, and more than six tenants together", () => {
    const tenants = Array.from({ length: 9 }, (_, index) => asking(`t${index}`, [index, 1]))
    const curves = figure("tokens", recordingOf({ budgets: tenants }))?.curves ?? []
    expect(curves.map(({ label }) => label)).toEqual(["t8", "t7", "t6", "t5", "t4", "4 others"])
    expect(curves.at(-1)?.values).toEqual([0 + 1 + 2 + 3, 4])
  })

  it("leave out budgets that nobody asked", () => {
    const recording = recordingOf({ budgets: [budgetRecord({ name: "key" }), asking("chat", [5])] })
    expect(figure("tokens", recording)?.curves.map(({ label }) => label)).toEqual(["chat"])
  })

  it("tell calls that passed at once from those that waited and those that were refused", () => {
    const series = { ...noSeries, admitted: [10, 0], waited: [4, 0], refused: [2, 0] }
    const recording = recordingOf({ budgets: [budgetRecord({ series })] })
    expect(figure("calls", recording)?.curves.map(({ values }) => values)).toEqual([
      [6, 0],
      [4, 0],
      [2, 0]
    ])
    expect(figure("hindered", recording)?.curves[0]?.values).toEqual([0.5, 0])
  })

  it("have a cost that adds up, where there is one", () => {
    expect(figure("cost", recordingOf({ budgets: [asking("chat", [5, 0, 7])] }))?.curves[0]?.values).toEqual([5, 5, 12])
    expect(figure("cost", recordingOf({ budgets: [asking("chat", [0, 0])] }))).toBeUndefined()
  })
})
