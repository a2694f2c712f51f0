/** The look of the page, on top of what it shares with the SVG. */

import { FONT } from "../picture/media/picture-style.ts";

export const PAGE_STYLE = `
* { box-sizing: border-box; }
html { background: var(--surface); color: var(--ink); font: 15px/1.5 ${FONT}; }
body { margin: 0 auto; padding: 40px clamp(16px, 4vw, 48px) 56px; max-width: 1360px; }
h1 { font-size: 24px; line-height: 1.25; font-weight: 600; letter-spacing: -0.01em; margin: 0 0 6px; overflow-wrap: anywhere; }
h2 { font-size: 18px; font-weight: 600; margin: 56px 0 4px; padding-top: 20px; border-top: 1px solid var(--rule); overflow-wrap: anywhere; }
a { color: var(--accent); text-underline-offset: 2px; }
.notes { list-style: none; margin: 0; padding: 0; color: var(--quiet); max-width: 90ch; overflow-wrap: anywhere; }
.grains { position: absolute; }

.facts { display: flex; flex-wrap: wrap; gap: 6px 28px; margin: 10px 0 30px; }
.facts dd { margin: 0; overflow-wrap: anywhere; }
.headline { font-size: clamp(26px, 3.4vw, 40px); line-height: 1.15; letter-spacing: -0.02em; font-weight: 600; margin: 0; text-wrap: balance; }
.cost { font-size: 17px; color: var(--quiet); margin: 8px 0 0; font-variant-numeric: tabular-nums; }
.verdicts { list-style: none; margin: 22px 0 30px; padding: 0; display: grid; gap: 6px; }
.verdicts li { display: grid; grid-template-columns: 5ch 96px 1fr; gap: 12px; align-items: center; }
.verdicts .count { text-align: right; font-size: 17px; font-weight: 600; font-variant-numeric: tabular-nums; }
.meaning, .owner, .for { color: var(--quiet); font-size: 13px; }
.owner, .for { display: block; }
.badge { display: inline-flex; align-items: center; gap: 6px; width: max-content; padding: 1px 9px 1px 6px; border: 1.5px solid currentColor; border-radius: 5px; background: var(--raised); color: var(--ink); font-size: 13px; font-weight: 600; line-height: 1.5; }
.badge svg { flex: none; }
.badge.huge { border-color: var(--pud); } .badge.huge svg { color: var(--pud); }
.badge.partial { border-color: var(--pmd); } .badge.partial svg { color: var(--pmd); }
.badge.small { border-color: var(--pte); } .badge.small svg { color: var(--pte); }
.badge.wrong { border-color: var(--alarm); } .badge.wrong svg { color: var(--alarm); }
.badge.unknown { border-color: var(--edge); border-style: dashed; } .badge.unknown svg { color: var(--quiet); }
.rows { min-width: 900px; }
.rows td, .rows tbody th { padding-top: 7px; padding-bottom: 7px; }
.rows td, .rows tbody th { white-space: normal; } .rows tbody th, .rows td:nth-child(3) { min-width: 22ch; overflow-wrap: anywhere; } .rows .amount { text-align: right; white-space: nowrap; }
.rows th:last-child, .rows td:last-child { padding-left: 16px; padding-right: 0; }
main > .notes { margin-top: 32px; font-size: 13px; }
.rows tbody tr:hover { background: var(--raised); }
.more { margin-top: 14px; }
summary { cursor: pointer; width: fit-content; border-radius: 3px; }
.more > summary { color: var(--accent); font-weight: 600; padding: 4px 0; }
.counsel { display: grid; grid-template-columns: minmax(0, 1fr); gap: 14px; max-width: 96ch; margin-top: 12px; }
.counsel > div { scroll-margin: 16px; }
.counsel dt { color: var(--ink); font-weight: 600; font-size: 15px; }
.counsel dd { margin: 0; overflow-wrap: anywhere; }
.counsel > div:target { outline: 2px solid var(--accent); outline-offset: 6px; border-radius: 3px; }
.drawing { scroll-margin: 12px; }
.drawing > details { border-top: 1px solid var(--rule); margin-top: 26px; padding-top: 16px; }
.drawing > details > summary { display: flex; align-items: baseline; gap: 12px; width: auto; }
.drawing > details > summary::before { content: "▸"; color: var(--quiet); flex: none; width: 1ch; }
.drawing > details[open] > summary::before { content: "▾"; }
.drawing > details > summary::-webkit-details-marker { display: none; }
.drawing summary h2 { margin: 0; padding: 0; border: 0; font-size: 17px; }
.drawing > details > .notes { margin-top: 6px; }
.drawing > details:not([open]) { padding-bottom: 0; margin-top: 14px; padding-top: 14px; }

.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(250px, 1fr)); gap: 28px; margin: 28px 0 32px; }
.figures.paired { grid: auto auto / auto-flow minmax(0, 1fr); }
.figures > section { border-top: 1px solid var(--rule); padding-top: 12px; }
.figures > section:last-child, .paired > section:nth-last-child(2) { border-top: 2px solid var(--accent); padding-top: 11px; }
.figures > section:only-child { border-top: 1px solid var(--rule); padding-top: 12px; }
h3 { font-size: 16px; font-weight: 600; margin: 0; overflow-wrap: anywhere; }
.about { color: var(--quiet); font-size: 13px; margin: 0 0 14px; }
dl { margin: 0; }
dt { color: var(--quiet); font-size: 12.5px; }
dd { margin: 0 0 12px; font-variant-numeric: tabular-nums; }
.number { font-size: clamp(26px, 3vw, 38px); font-weight: 400; line-height: 1.15; letter-spacing: -0.025em; white-space: nowrap; }
.figures > section:last-child:not(:only-child) .number, .paired > section:nth-last-child(2) .number { font-weight: 600; }
.compared { display: block; color: var(--quiet); font-size: 12.5px; min-height: 1.5em; }
.leaves { list-style: none; margin: 2px 0 0; padding: 0; }
.leaves li { display: flex; align-items: center; gap: 8px; }
.swatch { flex: none; }

form { margin: 26px 0 8px; }
.fields { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 18px 24px; }
.field.areas, .field.holes { grid-column: span 2; }
label { display: block; font-weight: 600; font-size: 14px; margin-bottom: 4px; }
input, textarea, select { font: inherit; width: 100%; color: var(--ink); background: var(--raised); border: 1px solid var(--edge); border-radius: 5px; padding: 7px 10px; font-variant-numeric: tabular-nums; }
input, textarea, code { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: 14px; }
input, select { height: 38px; } textarea { resize: vertical; min-height: 62px; display: block; }
[aria-invalid="true"] { border: 2px solid var(--alarm); padding: 6px 9px; }
.hint, .problem, .examples, .state { margin: 4px 0 0; font-size: 13px; color: var(--quiet); }
.problem { color: var(--alarm); font-weight: 600; overflow-wrap: anywhere; } .problem:empty { display: none; }
.problem:not(:empty)::before { content: "✕ "; }
.examples { margin-top: 16px; } .state:empty { display: none; } .state { font-size: 15px; margin-top: 28px; }
#plan h2 { margin-top: 36px; }
.command { margin: 30px 0 0; color: var(--quiet); } .command code { display: block; color: var(--ink); background: var(--raised); border-radius: 5px; padding: 10px 14px; margin-top: 6px; overflow-wrap: anywhere; }

.toolbar { display: none; align-items: center; gap: 6px; margin: 0 0 16px; }
.live .toolbar { display: flex; flex-wrap: wrap; }
.view-text { margin-left: auto; font-size: 13px; color: var(--quiet); font-variant-numeric: tabular-nums; }
button { font: inherit; font-size: 13px; color: var(--ink); background: var(--raised); border: 1px solid var(--edge); border-radius: 5px; min-height: 30px; padding: 3px 10px; cursor: pointer; }
button:hover { border-color: var(--ink); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.square { min-width: 32px; padding: 3px 0; font-size: 16px; line-height: 1; }

.viewer { position: relative; touch-action: pan-y; user-select: none; border-radius: 3px; }
.live .viewer { cursor: crosshair; }
.live .viewer.panning { cursor: grabbing; }
.viewer:focus-visible { outline-offset: 6px; }
.row, .strip { display: grid; grid-template-columns: 84px minmax(0, 1fr); align-items: start; }
.wide .row, .wide .strip { grid-template-columns: 144px minmax(0, 1fr); } .wide .strip button { max-width: 136px; }
.strip button { justify-self: start; margin-top: 9px; max-width: 76px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; background: none; border-color: transparent; padding: 3px 8px 3px 6px; margin-left: -7px; font-size: 14px; font-weight: 600; }
.strip button[aria-pressed="true"] { border-color: var(--edge); background: var(--raised); }
.bar, .axis { grid-column: 2; display: block; width: 100%; height: auto; overflow: visible; }
.live .axis { cursor: col-resize; }
.overview { display: none; grid-column: 2; width: 100%; height: 8px; margin-bottom: 12px; cursor: pointer; }
.live .overview { display: block; }
.overview rect { fill: var(--rule); }
.overview .thumb { fill: var(--quiet); }
.cursor { position: absolute; top: 14px; bottom: 0; left: 0; width: 1px; background: var(--ink); box-shadow: 0 0 0 1px var(--surface); pointer-events: none; }
.selection { position: absolute; top: 14px; bottom: 0; border: solid var(--ink); border-width: 0 2px; background: color-mix(in srgb, var(--accent) 22%, transparent); pointer-events: none; }
[hidden] { display: none; }

.legend { display: flex; flex-wrap: wrap; gap: 4px 22px; list-style: none; margin: 0; padding: 0; font-size: 13px; color: var(--quiet); }
.legend li { display: flex; align-items: center; gap: 7px; }
.legend .lines { width: 22px; height: 16px; flex: none; background: var(--pud); }
.legend .edge { width: 14px; height: 18px; flex: none; }

.tables { display: grid; grid-template-columns: minmax(0, 1fr); gap: 26px; margin-top: 28px; }
.point { display: none; } .live .point { display: table; }
table { border-collapse: collapse; width: 100%; font-size: 13px; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; font-size: 14px; padding-bottom: 6px; }
th, td { text-align: left; font-weight: 400; padding: 4px 16px 4px 0; border-top: 1px solid var(--rule); vertical-align: top; white-space: nowrap; }
thead th { color: var(--quiet); font-size: 12.5px; border-top: 0; }
tbody th { font-weight: 600; }
.parts tbody th { font-weight: 400; }
.scroll { overflow-x: auto; --shade: color-mix(in srgb, var(--ink) 60%, transparent); --left: 0 0 transparent; --right: 0 0 transparent; }
.scroll[data-more="left"], .scroll[data-more="both"] { --left: inset 12px 0 10px -10px var(--shade); }
.scroll[data-more="right"], .scroll[data-more="both"] { --right: inset -12px 0 10px -10px var(--shade); }
.scroll[data-more] { box-shadow: var(--left), var(--right); }
.sideways { display: none; margin: 0 0 8px; font-size: 13px; color: var(--quiet); }
@media screen and (max-width: 977px) { .sideways { display: block; } }
.help { color: var(--quiet); font-size: 13px; margin: 10px 0 0; display: none; max-width: 104ch; }
.lively .help { display: block; }
.reading { margin-top: 28px; }
kbd { font: inherit; border: 1px solid var(--rule); border-radius: 3px; padding: 0 4px; color: var(--ink); }
.unseen { position: absolute; margin: 0; padding: 0; border: 0; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

@media (max-width: 640px) {
  body { padding-top: 24px; }
  .fields { grid-template-columns: minmax(0, 1fr); } .fields .field { grid-column: auto; }
  .figures { gap: 18px; }
  .row, .strip, .wide .row, .wide .strip { grid-template-columns: minmax(0, 1fr); }
  .figures.paired { grid: auto / minmax(0, 1fr); }
  .bar, .axis, .overview { grid-column: 1; }
  .strip button { margin: 0 0 2px -7px; max-width: none; }
  .view-text { margin-left: 0; width: 100%; }
}
@media (forced-colors: active) {
  .strip button[aria-pressed="true"] { forced-color-adjust: none; color: HighlightText; background: Highlight; border-color: Highlight; }
  .cursor, .legend .lines { forced-color-adjust: none; }
  .overview .thumb { fill: Highlight; }
  .scroll[data-more="left"], .scroll[data-more="both"] { border-left: 3px solid Highlight; }
  .scroll[data-more="right"], .scroll[data-more="both"] { border-right: 3px solid Highlight; }
}
@media print {
  body { padding: 0; max-width: none; }
  form, .toolbar, .live .toolbar, .lively .help, .live .point, .cursor, .selection, .live .overview { display: none; }
  .figures:not(.paired) { grid-template-columns: repeat(auto-fit, minmax(160px, 1fr)); }
  .figures { gap: 18px; }
  .rows { min-width: 0; } .rows th, .rows td { padding-right: 8px; white-space: normal; }
  .number { font-size: 24px; }
  .strip button, .strip button[aria-pressed="true"] { border: 0; background: none; margin-left: 0; padding-left: 0; }
  .drawing, .strip, tr { break-inside: avoid; }
  .scroll { overflow: visible; }
  * { print-color-adjust: exact; }
}
`;
