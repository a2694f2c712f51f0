/** Where a drawing is looked at from, and the way there. */

import { viewBetween, wholeView, type View, type ViewLimits } from "../../picture/scene/view.ts";

/** How long a step takes that nobody's hand is on: long enough to be followed, too short to wait for. */
const STEP_MILLISECONDS = 180;

/** The view of one drawing. */
export interface Camera {
  readonly limits: ViewLimits;
  /** What is seen now. */
  now(): View;
  /** What will be seen once it stands still: steps count from there. */
  target(): View;
  /** Shows a view at once: the hand is on it. */
  jump(view: View): void;
  /** Goes to a view, in steps that the eye can follow. */
  travel(view: View): void;
  /** Shows the same view again: something else has changed. */
  touch(): void;
  /** Shows it now and not with the next frame. */
  drawNow(): void;
}

/** @param show is called before the next frame after a change, once for all changes, and whether it stands still */
export function createCamera(limits: ViewLimits, show: (view: View, still: boolean) => void): Camera {
  let view = wholeView(limits);
  let start = view;
  let end = view;
  let startTime = 0;
  let frame = 0;
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");

  const draw = (time: number): void => {
    frame = 0;
    if (view !== end) {
      view = viewBetween(start, end, Math.min(1, (time - startTime) / STEP_MILLISECONDS));
    }
    show(view, view === end);
    if (view !== end) frame = requestAnimationFrame(draw);
  };
  const ask = (): void => {
    if (frame === 0) frame = requestAnimationFrame(draw);
  };
  const jump = (next: View): void => {
    view = next;
    end = next;
    ask();
  };
  return {
    limits,
    now: () => view,
    target: () => end,
    jump,
    touch: ask,
    drawNow: () => show(view, true),
    travel: (next) => {
      if (calm.matches) {
        jump(next);
        return;
      }
      start = view;
      end = next;
      startTime = performance.now();
      ask();
    },
  };
}
