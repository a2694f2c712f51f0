/** The planner as one HTML page: a form, and what the page's script makes of it. */

import { pagingModels } from "../../layout/paging.ts";
import { formatSize } from "../../layout/sizes.ts";
import { markup, type Markup } from "../picture/media/markup.ts";
import type { PlanField, PlanInput } from "../picture/drawing/planner.ts";
import { htmlDocument } from "./document.ts";
import { encodeHash } from "./hash.ts";
import { plannerScript } from "./page-script.ts";

const FIELDS: Readonly<Record<PlanField, { readonly label: string; readonly hint: string }>> = {
  size: { label: "Size of the region", hint: "such as 4096, 0x1000, 64K, 2M, 256G" },
  areas: { label: "Mappable areas", hint: "OFFSET:SIZE, one a line; without any, all of it" },
  arch: { label: "Architecture", hint: "and the size of its pages" },
  physical: { label: "Physical address", hint: "if known: adds the strategy “physical”" },
  guest: { label: "Guest’s address", hint: "if a guest sees it: adds the second stage" },
  holes: { label: "Holes for the guest", hint: "OFFSET:SIZE, one a line: what the monitor emulates" },
};

const EXAMPLES: readonly (readonly [text: string, input: Partial<PlanInput>])[] = [
  ["the device memory of a GB200", { size: "256G", areas: "0:0x2f00f00000", arch: "x86-64" }],
  ["the same on arm64 with 64 KiB pages", { size: "256G", areas: "0:0x2f00f00000", arch: "arm64-64k" }],
  [
    "a BAR of 64 GiB in a guest whose monitor emulates the MSI-X table",
    { size: "64G", arch: "x86-64", guest: "0x3800000000", holes: "0x2000:0x1000" },
  ],
];

/** @param input what the form is filled in with */
export function renderPlanner(input: PlanInput): string {
  return htmlDocument({
    title: "Planner",
    body: markup`<header>
<h1>Plan a region</h1>
<ul class="notes"><li>How large the leaves are that the kernel can use for a device’s memory, by how its address is chosen: in page faults and page tables.</li></ul>
</header>
<main>
<form id="planner" autocomplete="off" novalidate>
<div class="fields">${textField("size", input)}${archField(input)}${textField("physical", input)}${textField("guest", input)}${areaField("areas", input)}${areaField("holes", input)}</div>
<p class="examples">Examples: ${EXAMPLES.map(([text, values], index) => markup`${index === 0 ? "" : " · "}<a href="#${hashOf(values)}">${text}</a>`)}</p>
</form>
<noscript><p>This page plans with a script, which is part of it: let scripts run.</p></noscript>
<p id="state" class="state" role="status"></p>
<div id="plan"></div>
<p id="command" class="command" hidden>In a terminal: <code></code></p>
</main>`,
    script: plannerScript(),
  });
}

function hashOf(values: Partial<PlanInput>): string {
  return encodeHash(Object.entries(values).map(([name, value]) => [name, value]));
}

function textField(name: PlanField, input: PlanInput): Markup {
  return field(
    name,
    markup`<input id="${name}" name="${name}" type="text" spellcheck="false" autocapitalize="off" value="${input[name]}" ${described(name)}>`,
  );
}

function areaField(name: PlanField, input: PlanInput): Markup {
  return field(
    name,
    // A first line feed in a textarea is the parser's.
    markup`<textarea id="${name}" name="${name}" rows="2" spellcheck="false" autocapitalize="off" ${described(name)}>
${input[name]}</textarea>`,
  );
}

function archField(input: PlanInput): Markup {
  const options = Object.values(pagingModels).map(
    ({ name, pageSize }) =>
      markup`<option value="${name}"${name === input.arch ? markup` selected` : ""}>${name}, ${formatSize(pageSize)}</option>`,
  );
  return field("arch", markup`<select id="arch" name="arch" ${described("arch")}>${options}</select>`);
}

function described(name: PlanField): Markup {
  return markup`aria-describedby="${name}-hint ${name}-problem"`;
}

function field(name: PlanField, control: Markup): Markup {
  const { label, hint } = FIELDS[name];
  return markup`<div class="field ${name}"><label for="${name}">${label}</label>
${control}
<p class="hint" id="${name}-hint">${hint}</p>
<p class="problem" id="${name}-problem" aria-live="polite"></p></div>
`;
}
