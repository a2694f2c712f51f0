/** What the page of an inspection opens with: whose machine it is, what it comes to, and a table that leads to the strips. */

import type { Summary, SummaryRow } from "../picture/drawing/summary.ts";
import { countOf, formatCount } from "../text/numbers.ts";
import { markup, type Markup } from "../picture/media/markup.ts";
import { badge, VERDICT_IN_WORDS } from "./badge.ts";

/** As many as one looks through; the others that fall short are one click away. */
const SHOWN = 20;

/** Host, time and version, and the sum of it all. */
export function tallyOf({ facts, headline, cost, verdicts }: Summary): Markup {
  return markup`<dl class="facts">${facts.map(([name, value]) => markup`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
<p class="headline">${headline}</p>
${cost === null ? "" : markup`<p class="cost">${cost}</p>`}
<ul class="verdicts">${verdicts.map(({ verdict, count }) => markup`<li><span class="count">${formatCount(count)}</span>${badge(verdict)}<span class="meaning">${VERDICT_IN_WORDS[verdict]}</span></li>`)}</ul>`;
}

export function summarySection({ rows, good, refused, counsel }: Summary): Markup {
  const [shown, more] = [rows.slice(0, SHOWN), rows.slice(SHOWN)];
  return markup`<section class="summary" aria-labelledby="summary-title">
<h2 id="summary-title" class="unseen">Summary</h2>
${shown.length === 0 ? "" : rowsTable("Worst first", shown)}
${folded(moreTitle(more), more)}${folded(`${formatCount(good.length)} as good as possible`, good)}${refusedList(refused)}${counselList(counsel)}</section>
`;
}

function moreTitle(rows: readonly SummaryRow[]): string {
  const isKnown = rows.every(({ verdict }) => verdict !== "unknown");
  return `${formatCount(rows.length)} more that fall short${isKnown ? "" : " or are not known"}`;
}

function folded(title: string, rows: readonly SummaryRow[]): Markup | string {
  if (rows.length === 0) return "";
  return markup`<details class="more"><summary>${title}</summary>
${rowsTable(title, rows)}
</details>
`;
}

function rowsTable(caption: string, rows: readonly SummaryRow[]): Markup {
  return markup`<p class="sideways">The table scrolls sideways: costs and reasons are on its right.</p>
<div class="scroll" tabindex="0" role="group" aria-label="${caption}"><table class="rows"><caption class="unseen">${caption}</caption>
<thead><tr><th scope="col">verdict</th><th scope="col">region</th><th scope="col">process</th><th scope="col" class="amount">size</th><th scope="col" class="amount">page faults</th><th scope="col" class="amount">page tables</th><th scope="col">why</th></tr></thead>
<tbody>${rows.map(rowMarkup)}</tbody></table></div>`;
}

function rowMarkup(row: SummaryRow): Markup {
  const { verdict, process, owner, region, size, faults, pageTables, reasons, drawing } = row;
  const link = drawing === null ? region : markup`<a href="#drawing-${drawing + 1}">${region}</a>`;
  const why = reasons.map(
    ({ code, counsel }, index) =>
      markup`${index === 0 ? "" : ", "}<a href="#counsel-${counsel + 1}">${code}</a>`,
  );
  return markup`<tr><td>${badge(verdict)}</td><th scope="row">${link}</th><td>${process}${owner === null ? "" : markup`<span class="owner">${owner}</span>`}</td><td class="amount">${size}</td><td class="amount">${faults}</td><td class="amount">${pageTables}</td><td>${why}</td></tr>
`;
}

function refusedList(refused: readonly string[]): Markup | string {
  if (refused.length === 0) return "";
  return markup`<details class="more"><summary>${refused.length === 1 ? "1 process" : `${formatCount(refused.length)} processes`} not looked at</summary>
<ul class="notes">${refused.map((text) => markup`<li>${text}</li>`)}</ul>
</details>
`;
}

/** What to do, each piece of counsel once, with those it is for. */
function counselList(counsel: Summary["counsel"]): Markup | string {
  if (counsel.length === 0) return "";
  return markup`<h2>What to do</h2>
<dl class="counsel">${counsel.map(
    ({ code, name, others, text }, index) =>
      markup`<div id="counsel-${index + 1}"><dt>${code}</dt><dd>${text}<span class="for">for ${name}${others === 0 ? "" : ` and ${countOf(others, "other")}`}</span></dd></div>
`,
  )}</dl>
`;
}
