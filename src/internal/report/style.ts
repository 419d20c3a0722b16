/**
 * How the page looks. Colours follow those of Okabe and Ito, which people with any colour vision can tell apart, a little
 * darker on white and lighter on black, so that lines have a contrast of 3 to 1 and texts one of 4.5.
 */
export const style = `
:root {
  color-scheme: light dark;
  --page: light-dark(#f6f7f9, #101418);
  --card: light-dark(#ffffff, #181e25);
  --edge: light-dark(#dfe3e8, #2b343f);
  --grid: light-dark(#eceff2, #242c35);
  --text: light-dark(#17202a, #e8edf2);
  --muted: light-dark(#586573, #9dabb9);
  --used: light-dark(#0072b2, #58b4e8);
  --used-area: light-dark(#0072b22e, #58b4e82e);
  --waited: light-dark(#b87800, #f0b43c);
  --waited-area: light-dark(#e69f0040, #f0b43c30);
  --refused: light-dark(#a3174a, #ff6b8f);
  --bound: light-dark(#c24a00, #ff8a5c);
  --good: light-dark(#00734f, #3fcf9f);
  --good-area: light-dark(#e6f5ef, #12302a);
  --tight: light-dark(#a33e00, #ff9a70);
  --tight-area: light-dark(#fdeee4, #38221a);
  --tenant0: light-dark(#0072b2, #58b4e8);
  --tenant1: light-dark(#e69f00, #f0b43c);
  --tenant2: light-dark(#009e73, #2fc79a);
  --tenant3: light-dark(#cc79a7, #e29cc3);
  --tenant4: light-dark(#d55e00, #ff7f4d);
  --tenant5: light-dark(#5b4fb5, #a79cf5);
  --others: light-dark(#9aa5b1, #66727f);
}
:root[data-theme="light"] { color-scheme: light; }
:root[data-theme="dark"] { color-scheme: dark; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
header, main, footer { max-width: 1180px; margin: 0 auto; padding: 0 20px; }
header { display: flex; gap: 16px; align-items: flex-start; justify-content: space-between; padding-top: 28px; }
h1 { margin: 0; font-size: 26px; line-height: 1.25; letter-spacing: -0.01em; overflow-wrap: anywhere; }
header p { margin: 4px 0 0; color: var(--muted); }
h2 { margin: 36px 0 12px; font-size: 19px; line-height: 1.3; }
h3 { margin: 0; font-size: 15px; font-weight: 600; overflow-wrap: anywhere; }
code { font: 0.92em ui-monospace, "SF Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
button { font: inherit; color: var(--text); background: var(--card); border: 1px solid var(--edge); border-radius: 8px; padding: 5px 14px; cursor: pointer; }
button:hover { border-color: var(--muted); }
:focus-visible { outline: 2px solid var(--used); outline-offset: 2px; }
data { white-space: nowrap; font-variant-numeric: tabular-nums; }
small { color: var(--muted); font-size: 13px; }
.summary { margin-top: 22px; padding: 18px 22px; border-radius: 12px; border: 1px solid var(--edge); border-left: 5px solid var(--muted); background: var(--card); }
.summary.good { border-left-color: var(--good); background: var(--good-area); }
.summary.tight { border-left-color: var(--tight); background: var(--tight-area); }
.summary h2 { margin: 0 0 4px; font-size: 21px; }
.summary.good h2 span { color: var(--good); }
.summary.tight h2 span { color: var(--tight); }
.summary p { margin: 0; }
.summary ul { margin: 10px 0 0; padding-left: 20px; }
.summary li { margin: 3px 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 14px 0 0; }
.tiles div, figure, .scroll { background: var(--card); border: 1px solid var(--edge); border-radius: 12px; }
.tiles div { padding: 12px 16px; }
.tiles dt { color: var(--muted); font-size: 13px; }
.tiles dd { margin: 0; font-size: 24px; font-weight: 600; line-height: 1.3; display: flex; flex-wrap: wrap; align-items: baseline; column-gap: 8px; }
.tiles small { font-weight: 400; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 460px), 1fr)); gap: 14px; }
.figures > :is(.wide, :last-child:nth-child(odd)) { grid-column: 1 / -1; }
figure { display: flex; flex-direction: column; margin: 0; padding: 14px 16px 8px; min-width: 0; break-inside: avoid; }
figcaption { flex: 1; }
figcaption p { margin: 2px 0 8px; color: var(--muted); font-size: 13px; }
.chart { min-height: 212px; min-width: 0; overflow: hidden; }
.nothing { color: var(--muted); padding: 24px 0; }
.u-legend { font-size: 13px; text-align: left; margin: 2px 0 0; color: var(--muted); font-variant-numeric: tabular-nums; }
.uplot { width: 100%; }
.u-legend tbody { display: flex; flex-wrap: wrap; padding-left: 50px; }
.u-legend th { font-weight: 400; cursor: default; }
.u-legend td { color: var(--text); }
.u-legend .u-series > * { padding: 2px 3px; }
.u-legend .u-series:first-child { order: 9; }
.chart:not(:hover) .u-series:first-child { display: none; }
.u-legend .u-marker { border-radius: 3px; width: 0.8em; height: 0.8em; }
.u-hz .u-cursor-x { border-right: 1px dashed var(--muted); }
details { margin-top: 14px; }
summary { cursor: pointer; font-weight: 600; padding: 6px 0; }
.scroll { overflow-x: auto; margin-top: 14px; }
.scroll table { border-collapse: collapse; width: 100%; font-size: 14px; }
.scroll code { white-space: nowrap; }
caption { text-align: left; font-weight: 600; padding: 12px 16px 4px; white-space: nowrap; }
.scroll :is(th, td) { text-align: right; font-weight: 400; padding: 7px 16px; border-top: 1px solid var(--grid); vertical-align: top; font-variant-numeric: tabular-nums; }
.scroll thead th { color: var(--muted); font-size: 13px; border-top: 0; vertical-align: bottom; }
.scroll :is(th:first-child, .words2 :is(th, td):nth-child(-n + 2), .words3 :is(th, td):nth-child(-n + 3)) { text-align: left; }
.scroll tbody th { font-weight: 600; }
tr[data-row="together"] > * { border-top: 2px solid var(--edge); }
.words2 td:nth-child(2) small { display: block; }
.tag { font-size: 12px; font-weight: 600; color: var(--tight); border: 1px solid currentColor; border-radius: 99px; padding: 0 7px; white-space: nowrap; }
.bar { display: block; margin: 4px 0 0 auto; width: 90px; height: 6px; }
.bar .trough { fill: var(--grid); }
.bar .used { fill: var(--used); }
.bar .waited { fill: var(--waited); }
.bar .refused { fill: var(--refused); }
.scroll table.steps :is(th, td) { white-space: nowrap; padding: 3px 12px; }
.scroll table.steps thead th { white-space: normal; min-width: 110px; }
.steps-scroll { max-height: 420px; overflow: auto; }
footer { margin-top: 32px; padding-bottom: 32px; color: var(--muted); font-size: 13px; }
noscript p { color: var(--tight); }
@media (max-width: 600px) {
  header, main, footer { padding-left: 12px; padding-right: 12px; }
  header { padding-top: 16px; }
  h1 { font-size: 21px; }
  .summary { padding: 14px 16px; }
  .tiles { grid-template-columns: repeat(2, 1fr); gap: 8px; }
  .tiles dd { font-size: 20px; }
  figure { padding: 12px 10px 6px; }
  .scroll :is(th, td) { padding: 6px 10px; }
}
@media print {
  body { background: #fff; font-size: 12px; }
  header button { display: none; }
  .figures { grid-template-columns: 1fr 1fr; }
  .scroll { overflow: visible; }
  .steps-scroll { max-height: none; }
  .scroll :is(th, td) { padding: 4px 5px; font-size: 10.5px; }
  .bar { width: 44px; }
  .u-wrap { width: 100% !important; height: auto !important; }
  .uplot canvas { height: auto; }
  .summary, .tiles div, tr { break-inside: avoid; }
  h2 { break-after: avoid; }
}
`
