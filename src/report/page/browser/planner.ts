/** Starts the planner: each stroke is read, planned and drawn; the page's address keeps what is typed and what is seen. */

import { encodeDrawing } from "../../picture/scene/encode-drawing.ts";
import { decodeDrawing } from "../../picture/scene/page-data.ts";
import { PLAN_FIELDS, planInput, type PlanField, type PlanInput } from "../../picture/drawing/planner.ts";
import { drawingSection, readingHelp } from "../drawing-section.ts";
import type { HashEntry } from "../hash.ts";
import { find } from "./dom.ts";
import { markScrollSides } from "./scroll-sides.ts";
import { keepSightsInHash, type Place } from "./sights-in-hash.ts";
import { startViewer, type Viewer } from "./viewer.ts";

const form = find(document, "#planner", HTMLFormElement);
const plan = find(document, "#plan", HTMLElement);
const state = find(document, "#state", HTMLElement);
const command = find(document, "#command", HTMLElement);
const controls = new Map(PLAN_FIELDS.map((name) => [name, controlOf(name)]));
/** What the form is filled in with where the address says nothing else. */
const filled = inputNow();

let viewer: Viewer | null = null;
let place: Place | null = null;
let unmark = (): void => undefined;
let frame = 0;

function controlOf(name: PlanField): HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement {
  const control = form.elements.namedItem(name);
  const isControl =
    control instanceof HTMLInputElement ||
    control instanceof HTMLTextAreaElement ||
    control instanceof HTMLSelectElement;
  if (isControl) return control;
  throw new Error(`the page has no field ${name}`);
}

function inputNow(): PlanInput {
  const value = (name: PlanField): string => controls.get(name)?.value ?? "";
  return {
    size: value("size"),
    areas: value("areas"),
    arch: value("arch"),
    physical: value("physical"),
    guest: value("guest"),
    holes: value("holes"),
  };
}

function showPlan(): void {
  frame = 0;
  const { drawing, problems, command: words } = planInput(inputNow());
  for (const [name, control] of controls) {
    const problem = problems.get(name) ?? "";
    control.setAttribute("aria-invalid", String(problem !== ""));
    const text = find(document, `#${name}-problem`, HTMLElement);
    if (text.textContent !== problem) text.textContent = problem;
  }
  command.hidden = words === null;
  find(command, "code", HTMLElement).textContent = words ?? "";
  if (drawing !== null) {
    state.textContent = "";
    const encoded = encodeDrawing(drawing);
    const limits = { size: encoded.size, smallest: encoded.scale.leafOf.pte };
    // What was looked at stays in view where the region is still of that size.
    const sight = place?.limits.size === limits.size ? (viewer?.sight() ?? null) : null;
    viewer?.close();
    viewer = null;
    unmark();
    // Escaped by the template that made it.
    plan.innerHTML = drawingSection(drawing, 0, "", readingHelp([drawing])).text;
    unmark = markScrollSides(plan);
    if (drawing.size > 0)
      viewer = startViewer(find(plan, ".drawing", HTMLElement), decodeDrawing(encoded), () => changed());
    if (sight !== null && sight.strip < encoded.strips.length) viewer?.show(sight);
    place = { id: "drawing-1", limits, strips: encoded.strips.length, ...NOTHING_SEEN };
    return;
  }
  const isOld = plan.childElementCount > 0;
  state.textContent =
    problems.size > 0
      ? isOld
        ? "Below is the plan of what was typed before."
        : "There is no plan of this yet."
      : "Type a size, or take an example.";
  if (problems.size === 0) {
    viewer?.close();
    viewer = null;
    place = null;
    plan.textContent = "";
  }
}

const NOTHING_SEEN = {
  sight: () => viewer?.sight() ?? null,
  show: (sight: ReturnType<Viewer["sight"]>) => viewer?.show(sight),
  reveal: () => undefined,
};

document.documentElement.classList.add("lively");
const changed = keepSightsInHash(() => (place === null ? [] : [place]), {
  entries: () => {
    const input = inputNow();
    return PLAN_FIELDS.filter((name) => input[name] !== filled[name]).map((name): HashEntry => [
      name,
      // Lists are shorter, and more readable, on one line.
      name === "areas" || name === "holes" ? input[name].trim().replaceAll(/[\s,]+/g, ",") : input[name],
    ]);
  },
  read: (values) => {
    for (const [name, control] of controls) {
      const value = values.get(name) ?? filled[name];
      control.value = name === "areas" || name === "holes" ? value.replaceAll(",", "\n") : value;
    }
    showPlan();
  },
});
form.addEventListener("input", () => {
  if (frame === 0) frame = requestAnimationFrame(showPlan);
  changed();
});
form.addEventListener("submit", (event) => event.preventDefault());
