/** Wheel, pointer and keys: what they make of the view. */

import { panView, stretchOfView, wholeView, zoomView } from "../../picture/scene/view.ts";
import type { Camera } from "./camera.ts";

/** What gestures act on. */
export interface Stage {
  readonly camera: Camera;
  /** The element that takes them. */
  readonly viewer: HTMLElement;
  readonly axis: Element;
  /** Where the strips are, in pixels of the window. */
  readonly box: () => { readonly left: number; readonly width: number };
  /** Where is pointed at, from 0 to 1; null: nowhere. */
  readonly pointed: () => number | null;
  /** Points at a place between 0 and 1, or at none. */
  readonly point: (share: number | null) => void;
  /** Marks the stretch between two places, or none. */
  readonly select: (stretch: readonly [number, number] | null) => void;
  /** Shows the next part of the chosen strip, or the one before. */
  readonly step: (direction: 1 | -1) => void;
  /** Chooses the strip below, or the one above. */
  readonly choose: (direction: 1 | -1) => void;
}

const KEY_ZOOM = 2;
const KEY_PAN = 1 / 8;

export function zoomBy(camera: Camera, factor: number, anchor = 0.5): void {
  camera.travel(zoomView(camera.target(), factor, anchor, camera.limits));
}

export function takeGestures(stage: Stage): void {
  takeWheel(stage);
  takePointer(stage);
  takeKeys(stage);
}

function takeWheel({ camera, viewer, box, pointed }: Stage): void {
  viewer.addEventListener(
    "wheel",
    (event) => {
      // A trackpad's pinch comes as a wheel with Control.
      const isZoom = event.ctrlKey || event.metaKey;
      if (!isZoom && !event.shiftKey && !viewer.contains(document.activeElement)) return;
      const { left, width } = box();
      // Lines and pages are how some mice count; 16 and 400 pixels stand for them.
      const unit = [1, 16, 400][event.deltaMode] ?? 1;
      const view = camera.now();
      const isPan = !isZoom && (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY));
      const next = isPan
        ? panView(view, ((event.deltaX + (event.shiftKey ? event.deltaY : 0)) * unit) / width, camera.limits)
        : zoomView(
            view,
            Math.exp(Math.max(-150, Math.min(150, event.deltaY * unit)) * 0.0025),
            // Wheels count whole pixels, pointers parts of them; a pixel may be a quarter of a GiB.
            pointed() ?? clampShare((event.clientX - left) / width),
            camera.limits,
          );
      const isEnd = next.from === view.from && next.to === view.to;
      // At the end of its way the wheel scrolls the page, as anywhere else; with Control it would zoom the whole page.
      if (isEnd && !isZoom) return;
      event.preventDefault();
      if (isEnd) return;
      camera.jump(next);
    },
    { passive: false },
  );
}

function takePointer({ camera, viewer, axis, box, point, select }: Stage): void {
  let drag: { readonly kind: "pan" | "select"; readonly share: number } | null = null;
  const shareOf = ({ clientX }: PointerEvent): number => {
    const { left, width } = box();
    return clampShare((clientX - left) / width);
  };
  viewer.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !(event.target instanceof Element) || event.target.closest("button") !== null)
      return;
    const selects = event.shiftKey || axis.contains(event.target);
    drag = { kind: selects ? "select" : "pan", share: shareOf(event) };
    viewer.setPointerCapture(event.pointerId);
    viewer.classList.toggle("panning", drag.kind === "pan");
  });
  viewer.addEventListener("pointermove", (event) => {
    const share = shareOf(event);
    point(share);
    if (drag?.kind === "select") select([drag.share, share]);
    if (drag?.kind === "pan") {
      camera.jump(panView(camera.now(), drag.share - share, camera.limits));
      drag = { kind: "pan", share };
    }
  });
  viewer.addEventListener("pointerleave", () => {
    if (drag === null) point(null);
  });
  const end = (event: PointerEvent): void => {
    if (drag?.kind === "select" && event.type === "pointerup") {
      const [low, high] = [drag.share, shareOf(event)].sort((a, b) => a - b);
      // A click is no stretch.
      if (low !== undefined && high !== undefined && high - low > 0.005) {
        camera.travel(stretchOfView(camera.now(), low, high, camera.limits));
      }
    }
    drag = null;
    select(null);
    viewer.classList.remove("panning");
  };
  viewer.addEventListener("pointerup", end);
  viewer.addEventListener("pointercancel", end);
  viewer.addEventListener("dblclick", (event) => {
    const { left, width } = box();
    if (event.target instanceof Element && event.target.closest("button") !== null) return;
    zoomBy(camera, 1 / KEY_ZOOM ** 2, clampShare((event.clientX - left) / width));
  });
}

function takeKeys({ camera, viewer, step, choose }: Stage): void {
  const pan = (share: number): void => camera.travel(panView(camera.target(), share, camera.limits));
  const keys: Readonly<Record<string, (shift: boolean) => void>> = {
    ArrowLeft: (shift) => pan(shift ? -1 : -KEY_PAN),
    ArrowRight: (shift) => pan(shift ? 1 : KEY_PAN),
    ArrowUp: () => choose(-1),
    ArrowDown: () => choose(1),
    Home: () => pan(-Infinity),
    End: () => pan(Infinity),
    "+": () => zoomBy(camera, 1 / KEY_ZOOM),
    "=": () => zoomBy(camera, 1 / KEY_ZOOM),
    "-": () => zoomBy(camera, KEY_ZOOM),
    "0": () => camera.travel(wholeView(camera.limits)),
    n: () => step(1),
    p: () => step(-1),
    // From here on the wheel scrolls again.
    Escape: () => viewer.blur(),
  };
  viewer.addEventListener("keydown", (event) => {
    // Buttons and tables inside have keys of their own, and the browser has those with Control.
    if (event.target !== viewer || event.ctrlKey || event.altKey || event.metaKey) return;
    const act = Object.hasOwn(keys, event.key) ? keys[event.key] : undefined;
    if (act === undefined) return;
    event.preventDefault();
    act(event.shiftKey);
  });
}

function clampShare(share: number): number {
  return Math.min(1, Math.max(0, share));
}

/** The overview shows where in the region the view lies; pressed or dragged, it brings the view there. */
export function takeOverview(overview: SVGSVGElement, camera: Camera): void {
  const go = (event: PointerEvent): void => {
    const { left, width } = overview.getBoundingClientRect();
    const { from, to } = camera.now();
    const middle = (from + to) / 2;
    const wanted = clampShare((event.clientX - left) / width) * camera.limits.size;
    camera.jump(panView(camera.now(), (wanted - middle) / (to - from), camera.limits));
  };
  overview.addEventListener("pointerdown", (event) => {
    event.stopPropagation();
    overview.setPointerCapture(event.pointerId);
    go(event);
  });
  overview.addEventListener("pointermove", (event) => {
    if (event.buttons === 1) go(event);
  });
}
