/** The report's whole look: one type scale, one accent, colours as variables for light, dark and print. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --sans: system-ui, -apple-system, "Segoe UI", "Inter", Roboto, "Helvetica Neue", Arial, sans-serif;
  --serif: Charter, "Bitstream Charter", "Sitka Text", Cambria, Georgia, "Liberation Serif", serif;
  --mono: ui-monospace, "SF Mono", "Cascadia Code", Menlo, Consolas, "Liberation Mono", monospace;
  --paper: light-dark(#fdfdfb, #14171a);
  --panel: light-dark(#f5f4ef, #1b1f23);
  --ink: light-dark(#1c2024, #e7e9ea);
  --muted: light-dark(#666c73, #98a0a8);
  --line: light-dark(#dcdad2, #343a41);
  --grid: light-dark(#eceae3, #262b30);
  --accent: light-dark(#0d7a6f, #45c4b0);
  --wash: light-dark(#e3f1ee, #17302d);
  --distilled: var(--accent);
  --teacher: light-dark(#33415c, #a9bbdc);
  --alone: light-dark(#c2701c, #e5a253);
  --linear: light-dark(#8b9098, #7d858e);
  --other: light-dark(#8a5a9e, #c39ad6);
  --bad: light-dark(#b3372f, #f0857c);
  --good: var(--accent);
}
:root:has(#theme-light:checked) { color-scheme: light; }
:root:has(#theme-dark:checked) { color-scheme: dark; }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.55 var(--sans); font-variant-numeric: tabular-nums; }
main { max-width: 1040px; margin: 0 auto; padding: 40px 32px 72px; }
header { display: flex; justify-content: space-between; align-items: flex-start; gap: 24px; }
h1 { font: 600 34px/1.15 var(--serif); letter-spacing: -0.012em; margin: 0 0 6px; overflow-wrap: anywhere; }
.meta { color: var(--muted); margin: 0; }
.meta b { color: var(--ink); font-weight: 500; }
.brand { font: 600 12px/1 var(--sans); letter-spacing: 0.14em; text-transform: uppercase; color: var(--accent); margin: 0 0 14px; }
.theme { display: flex; border: 1px solid var(--line); border-radius: 7px; overflow: hidden; font-size: 12px; flex: none; margin: 0; padding: 0; }
.theme label { padding: 4px 11px; color: var(--muted); cursor: pointer; }
.theme label:has(:checked) { background: var(--panel); color: var(--ink); }
.theme label:has(:focus-visible) { outline: 2px solid var(--accent); outline-offset: -2px; }
.theme input { position: absolute; opacity: 0; }
section { margin-top: 52px; }
h2 { font: 600 21px/1.25 var(--serif); margin: 0 0 4px; padding-top: 14px; border-top: 1px solid var(--line); }
h3 { font: 600 13px/1.3 var(--sans); margin: 0 0 8px; }
h3 span { color: var(--muted); font-weight: 400; }
.lede { color: var(--muted); margin: 0 0 18px; max-width: 72ch; }
.hero { display: grid; grid-template-columns: minmax(270px, 0.9fr) 2fr; gap: 40px; margin-top: 34px; padding: 30px 0 28px; border-top: 2px solid var(--ink); border-bottom: 1px solid var(--line); }
.big { font: 600 78px/0.95 var(--serif); letter-spacing: -0.035em; color: var(--accent); margin: 0; white-space: nowrap; }
.big small { font-size: 38px; letter-spacing: 0; margin-left: 4px; }
.big-label { font-size: 16px; font-weight: 500; margin: 12px 0 0; }
.interval { color: var(--muted); }
.sentence { font: 400 19px/1.5 var(--serif); margin: 0 0 20px; max-width: 60ch; text-wrap: pretty; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(128px, 1fr)); gap: 18px 24px; margin: 0; }
.facts div { border-left: 2px solid var(--line); padding-left: 12px; }
.facts dt { color: var(--muted); font-size: 12.5px; line-height: 1.35; }
.facts dd { margin: 0 0 2px; font: 600 21px/1.2 var(--sans); letter-spacing: -0.01em; }
.scroll { overflow-x: auto; margin: 0 -8px; padding: 0 8px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th { text-align: left; font-weight: 500; color: var(--muted); font-size: 12.5px; line-height: 1.3; padding: 6px 14px 8px 0; border-bottom: 1px solid var(--line); vertical-align: bottom; }
td { padding: 9px 14px 9px 0; border-bottom: 1px solid var(--grid); vertical-align: top; }
tr.tight td { padding-block: 4px; }
tr.tight .bar { margin-top: 8px; }
th:last-child, td:last-child { padding-right: 0; }
tr:last-child > td { border-bottom: 0; }
.n { text-align: right; white-space: nowrap; }
td small, .sub { color: var(--muted); font-size: 12px; display: block; line-height: 1.4; }
.best { font-weight: 600; }
.best small, .best .interval { font-weight: 400; }
figure.wide { overflow-x: auto; }
figure.wide svg { min-width: 560px; }
.arm { font-weight: 500; white-space: nowrap; }
.dot { display: inline-block; width: 9px; height: 9px; border-radius: 50%; margin-right: 8px; vertical-align: 1px; }
tr.lead td { background: var(--wash); }
tr.lead td:first-child { box-shadow: -8px 0 0 var(--wash); }
tr.lead td:last-child { box-shadow: 8px 0 0 var(--wash); }
.bar { display: block; height: 7px; border-radius: 2px; background: var(--accent); opacity: 0.8; min-width: 2px; }
.bar.plain { background: var(--linear); }
.panels { display: grid; grid-template-columns: repeat(auto-fill, minmax(290px, 1fr)); gap: 26px 30px; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 26px 44px; align-items: start; }
.panels.narrow { grid-template-columns: repeat(auto-fill, minmax(210px, 1fr)); }
.panels.narrow h3 span:last-child { display: block; padding-left: 17px; }
.v { padding-left: 12px; }
figure { margin: 0; min-width: 0; }
figure svg { display: block; height: auto; }
figcaption { color: var(--muted); font-size: 12.5px; margin-top: 6px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 0 0 16px; font-size: 13px; color: var(--muted); }
.warn { background: var(--panel); border-left: 3px solid var(--alone); padding: 12px 18px; margin-top: 26px; border-radius: 0 6px 6px 0; }
.warn p { margin: 4px 0; }
.case { display: grid; grid-template-columns: 1.5fr 1fr 1fr; gap: 4px 26px; padding: 13px 0; border-bottom: 1px solid var(--grid); }
.case:last-child { border-bottom: 0; }
.case p { margin: 0; overflow-wrap: anywhere; }
.case .who { color: var(--muted); font-size: 12px; }
.case img { height: 64px; image-rendering: pixelated; border-radius: 4px; float: left; margin-right: 14px; }
.samples { display: grid; grid-template-columns: repeat(8, 1fr); gap: 3px; }
.samples img { width: 100%; image-rendering: pixelated; border-radius: 2px; }
.case .input { font-family: var(--serif); font-size: 16px; line-height: 1.45; }
.right { color: var(--good); } .wrong { color: var(--bad); }
details { margin-top: 10px; }
summary { cursor: pointer; color: var(--muted); font-size: 13.5px; }
pre { font: 12.5px/1.55 var(--mono); background: var(--panel); padding: 16px 18px; border-radius: 6px; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
.kv { display: grid; grid-template-columns: max-content 1fr; gap: 3px 22px; margin: 0; font-size: 14px; }
.kv dt { color: var(--muted); } .kv dd { margin: 0; overflow-wrap: anywhere; }
footer { margin-top: 60px; padding-top: 14px; border-top: 1px solid var(--line); color: var(--muted); font-size: 12.5px; }
p.gap { margin: 18px 0 0; }
.empty { color: var(--muted); }
@media (max-width: 760px) {
  main { padding: 24px 18px 48px; }
  .hero, .pair { grid-template-columns: 1fr; gap: 24px; }
  .case { grid-template-columns: 1fr; }
  .big { font-size: 64px; }
  h1 { font-size: 27px; }
}
@media print {
  :root, :root:has(#theme-dark:checked) { color-scheme: light; --paper: #fff; --panel: #f6f5f1; }
  @page { size: A4; margin: 15mm 14mm 16mm; }
  body { font-size: 10.5pt; }
  main { max-width: none; padding: 0; }
  .theme { display: none; }
  section { margin-top: 26px; }
  .hero { margin-top: 20px; padding: 20px 0; grid-template-columns: 210px 1fr; gap: 26px; }
  .big { font-size: 58px; } .sentence { font-size: 13pt; }
  .panels, .panels.narrow { grid-template-columns: repeat(3, 1fr); gap: 16px 18px; }
  .pair { grid-template-columns: 1fr 1fr; gap: 16px 24px; }
  table { font-size: 9pt; } th { font-size: 8.5pt; }
  td, th { padding-right: 9px; }
  .scroll { overflow: visible; }
  figure.wide svg { min-width: 0; }
  .facts { grid-template-columns: repeat(4, 1fr); gap: 12px; }
  .facts div { padding-left: 9px; } .facts dd { font-size: 13pt; } .facts dt { font-size: 8.5pt; }
  th.n { white-space: normal; }
  table.arms { font-size: 8.5pt; } table.arms td, table.arms th { padding-right: 7px; }
  table.arms .interval { display: block; font-size: 8pt; } table.arms td small { font-size: 8pt; }
  h2, h3 { break-after: avoid; }
  figure, tr, .case, .facts div, .warn { break-inside: avoid; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
`;
