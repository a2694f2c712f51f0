/** Keeps what is seen of each drawing in the page's address: who opens it sees the same, and Back goes back. */

import type { ViewLimits } from "../../picture/scene/view.ts";
import { decodeHash, decodeSight, encodeHash, encodeSight, type HashEntry, type Sight } from "../hash.ts";

/** A drawing that the address can name. */
export interface Place {
  readonly id: string;
  readonly limits: ViewLimits;
  readonly strips: number;
  /** What is seen; null where that is what the page shows by itself. */
  sight(): Sight | null;
  show(sight: Sight | null): void;
  /** Unfolds it, and scrolls to it. */
  reveal(): void;
}

/** Moves that follow one another faster are one step for Back: a turn of the wheel, a few strokes of a key. */
const STEP_MILLISECONDS = 350;

/** What else the address keeps. */
export interface OtherEntries {
  entries(): readonly HashEntry[];
  /** Takes what the address says by name, before what is seen is read. */
  read(values: ReadonlyMap<string, string | null>): void;
}

const NO_OTHERS: OtherEntries = { entries: () => [], read: () => undefined };

/**
 * @param places those that there are now
 * @returns what is to be called when a view has come to a rest, or another entry has changed
 */
export function keepSightsInHash(places: () => readonly Place[], others = NO_OTHERS): () => void {
  let timer = 0;

  const sights = (): HashEntry[] =>
    others.entries().concat(
      places().flatMap((place) => {
        const sight = place.sight();
        return sight === null ? [] : [[place.id, encodeSight(sight)] as const];
      }),
    );
  const addressOf = (entries: readonly HashEntry[]): string => {
    const hash = encodeHash(entries);
    return hash === "" ? `${location.pathname}${location.search}` : `#${hash}`;
  };
  const named = (): HashEntry[] => decodeHash(location.hash).filter(([, value]) => value === null);

  const write = (): void => {
    timer = 0;
    const entries = sights();
    const before = decodeHash(location.hash).filter(([, value]) => value !== null);
    if (encodeHash(entries) === encodeHash(before)) return;
    history.pushState(OURS, "", addressOf(entries));
  };
  const read = (): void => {
    const values = new Map(decodeHash(location.hash));
    others.read(values);
    for (const place of places()) {
      place.show(decodeSight(values.get(place.id) ?? "", place.limits, place.strips));
    }
  };
  /** Goes to what a link names; what is seen of the others stays, and stays in the address. */
  const follow = (): void => {
    const [first] = named();
    places()
      .find(({ id }) => id === first?.[0])
      ?.reveal();
    history.replaceState(OURS, "", addressOf([...named(), ...sights()]));
  };

  // A link leads away from where one is: that is a step of its own, be it never so young.
  document.addEventListener(
    "click",
    ({ target }) => {
      if (timer === 0 || !(target instanceof Element) || target.closest("a") === null) return;
      clearTimeout(timer);
      write();
    },
    { capture: true },
  );
  window.addEventListener("popstate", ({ state }) => {
    clearTimeout(timer);
    timer = 0;
    const hash = decodeHash(location.hash);
    // A link of the page makes an entry that is not ours, and names a place without a view.
    if (state !== OURS && hash.length > 0 && hash.every(([, value]) => value === null)) follow();
    else read();
  });
  read();
  const [first] = decodeHash(location.hash);
  places()
    .find(({ id }) => id === first?.[0])
    ?.reveal();
  // So that Back to here is told from a link.
  history.replaceState(OURS, "", location.href);

  return () => {
    clearTimeout(timer);
    timer = window.setTimeout(write, STEP_MILLISECONDS);
  };
}

/** The state of the entries of the history that are ours. */
const OURS = "hugebar";
