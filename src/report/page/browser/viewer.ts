/** One drawing of the page: shows its strips for the view that the camera has, and answers what is pointed at. */

import type { PageDrawing } from "../../picture/scene/page-data.ts";
import { spansBetween, spansInView } from "../../picture/scene/coverage.ts";
import { drawAxis, drawStrip, type StripScene } from "../../picture/scene/scene.ts";
import { frameView, wholeView, type View } from "../../picture/scene/view.ts";
import { createCamera, type Camera } from "./camera.ts";
import { find, findAll, showRows } from "./dom.ts";
import { takeGestures, takeOverview, zoomBy } from "./gestures.ts";
import {
  offsetText,
  PARTS_SHOWN,
  partRows,
  partsCaption,
  pointRow,
  viewText,
} from "../../picture/scene/readout.ts";
import type { Sight } from "../hash.ts";
import { stripNodes } from "./strip-nodes.ts";

/** Paper is narrower than most windows: about 190 mm. */
const PAPER_WIDTH = 720;
/** The overview counts in thousandths of the region. */
const OVERVIEW = 1000;

/** A drawing that has come to life. */
export interface Viewer {
  /** What is seen, or will be once it stands still; null where that is what it starts with. */
  sight(): Sight | null;
  show(sight: Sight | null): void;
  /** Lets go of the window; the section may then be removed. */
  close(): void;
}

/**
 * Brings a drawing's section to life.
 *
 * @param rested is called when the view stands still
 */
export function startViewer(section: HTMLElement, drawing: PageDrawing, rested: () => void): Viewer {
  const { size, strips, scale } = drawing;
  const viewer = find(section, ".viewer", HTMLElement);
  const nodes = stripNodes(section);
  const thumb = find(section, ".overview .thumb", SVGRectElement);
  const cursor = find(section, ".cursor", HTMLElement);
  const selection = find(section, ".selection", HTMLElement);
  const viewOutput = find(section, ".view-text", HTMLElement);
  const status = find(section, ".status", HTMLElement);
  const pointTable = find(section, ".point", HTMLTableElement);
  const partsTable = find(section, ".parts", HTMLTableElement);
  const names = findAll(section, ".strip button", HTMLButtonElement);

  const wholes = findAll(section, "svg.bar", SVGSVGElement).map(
    (bar) => bar.getAttribute("aria-label") ?? "",
  );
  const closing = new AbortController();

  let chosen = strips.length - 1;
  /** Where is pointed at, from 0 at the view's left end to 1; null: nowhere. */
  let pointed: number | null = null;
  let printing = false;
  let width = 0;
  let scenes: StripScene[] = [];

  const camera = createCamera({ size, smallest: scale.leafOf.pte }, (view, still) => {
    // In print as wide as paper: the browser fits the picture into what there is.
    width = printing ? PAPER_WIDTH : Math.max(120, nodes.box().width);
    scenes = strips.map((strip) => drawStrip(strip, scale, view, width));
    nodes.show(scenes, drawAxis(view, width), width);
    viewOutput.textContent = viewText(view, size);
    const left = (view.from / size) * OVERVIEW;
    thumb.setAttribute("x", String(Math.min(left, OVERVIEW - 4)));
    thumb.setAttribute("width", String(Math.max(4, (view.to / size) * OVERVIEW - left)));
    showPoint(view);
    if (!still) return;
    showParts(view);
    describeView(view);
    rested();
  });

  /** What is in view, for those who do not see it. */
  function describeView(view: View): void {
    const isWhole = view.from <= 0 && view.to >= size;
    for (const [index, bar] of findAll(section, "svg.bar", SVGSVGElement).entries()) {
      const texts = scenes[index]?.labels.map(({ text }) => text) ?? [];
      const inView = `${strips[index]?.name ?? ""}, in view: ${texts.join(", ")}`;
      bar.setAttribute("aria-label", isWhole ? (wholes[index] ?? "") : inView);
    }
    find(section, "svg.axis", SVGSVGElement).setAttribute(
      "aria-label",
      `Axis of offsets in the region: ${viewText(view, size)}`,
    );
  }

  /** The offset pointed at. A part drawn wider than its scale is pointed at where it is drawn. */
  function offsetAt({ from, to }: View, share: number): number {
    const x = share * width;
    const part = scenes[chosen]?.parts?.find((each) => x >= each.x && x < each.x + each.width);
    const { offset, size: length } = part?.span ?? { offset: 0, size };
    return Math.min(Math.max(Math.floor(from + (to - from) * share), offset), offset + length - 1);
  }

  function showPoint(view: View): void {
    cursor.hidden = pointed === null;
    if (pointed !== null) cursor.style.transform = `translateX(${placeIn(pointed)}px)`;
    const offset = offsetAt(view, pointed ?? 0.5);
    find(pointTable, "caption", HTMLElement).textContent =
      `${pointed === null ? "In the middle" : "Pointed at"}: ${offsetText(offset)}`;
    showRows(
      find(pointTable, "tbody", HTMLTableSectionElement),
      strips.map((strip) => pointRow(strip, drawing, offset)),
    );
  }

  function showParts(view: View): void {
    const strip = strips[chosen];
    if (strip === undefined) return;
    for (const [index, name] of names.entries()) name.setAttribute("aria-pressed", String(index === chosen));
    const [first, end] = spansInView(strip.coverage, view);
    const spans = spansBetween(strip.coverage, first, Math.min(end, first + PARTS_SHOWN));
    const caption = partsCaption(strip.name, end - first);
    find(partsTable, "caption", HTMLElement).textContent = caption;
    showRows(find(partsTable, "tbody", HTMLTableSectionElement), partRows(spans, scale, view));
    status.textContent = `${viewText(view, size)}; ${caption}`;
  }

  /** A place of the view in pixels of the viewer. */
  function placeIn(share: number): number {
    const box = nodes.box();
    return share * box.width + box.left - viewer.getBoundingClientRect().left;
  }

  function showSelection(stretch: readonly [number, number] | null): void {
    selection.hidden = stretch === null;
    if (stretch === null) return;
    const [low, high] = [placeIn(Math.min(...stretch)), placeIn(Math.max(...stretch))];
    selection.style.left = `${low}px`;
    selection.style.width = `${high - low}px`;
  }

  function choose(index: number): void {
    chosen = Math.min(strips.length - 1, Math.max(0, index));
    camera.touch();
  }

  /** Shows the part behind the one in the middle, or before it; from afar, the first or the last one. */
  function step(direction: 1 | -1): void {
    const coverage = strips[chosen]?.coverage;
    if (coverage === undefined) return;
    const last = coverage.ends.length - 1;
    const { from, to } = camera.target();
    const middle = (from + to) / 2;
    const [current] = spansInView(coverage, { from: middle, to: middle });
    const isWhole = to - from > size * 0.999;
    const next = isWhole ? (direction === 1 ? 0 : last) : current + direction;
    const place = Math.min(last, Math.max(0, next));
    const [span] = spansBetween(coverage, place, place + 1);
    if (span !== undefined) camera.travel(frameView(span, camera.limits));
  }

  takeGestures({
    camera,
    viewer,
    axis: find(section, "svg.axis", SVGSVGElement),
    box: () => nodes.box(),
    pointed: () => pointed,
    point: (share) => {
      pointed = share;
      showPoint(camera.now());
    },
    select: showSelection,
    step,
    choose: (direction) => choose(chosen + direction),
  });
  takeOverview(find(section, "svg.overview", SVGSVGElement), camera);
  takeButtons(section, camera, step);
  for (const [index, name] of names.entries()) name.addEventListener("click", () => choose(index));
  const print = (isPrinting: boolean): void => {
    printing = isPrinting;
    if (printing) camera.drawNow();
    else camera.touch();
  };
  window.addEventListener("beforeprint", () => print(true), { signal: closing.signal });
  window.addEventListener("afterprint", () => print(false), { signal: closing.signal });
  const resized = new ResizeObserver(() => camera.touch());
  resized.observe(viewer);
  section.classList.add("live");

  return {
    sight: () => {
      const view = camera.target();
      const isStart = view.from <= 0 && view.to >= size && chosen === strips.length - 1;
      return isStart ? null : { view, strip: chosen };
    },
    show: (sight) => {
      chosen = sight?.strip ?? strips.length - 1;
      camera.travel(sight?.view ?? wholeView(camera.limits));
    },
    close: () => {
      closing.abort();
      resized.disconnect();
    },
  };
}

function takeButtons(section: HTMLElement, camera: Camera, step: (direction: 1 | -1) => void): void {
  const actions: Readonly<Record<string, () => void>> = {
    in: () => zoomBy(camera, 1 / 4),
    out: () => zoomBy(camera, 4),
    whole: () => camera.travel(wholeView(camera.limits)),
    next: () => step(1),
    previous: () => step(-1),
  };
  for (const button of findAll(section, "button[data-action]", HTMLButtonElement)) {
    const action = actions[button.dataset["action"] ?? ""];
    if (action !== undefined) button.addEventListener("click", action);
  }
}
