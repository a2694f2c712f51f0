/**
 * What is read from a running kernel changes while it is read. Whatever cannot be, or was not the same twice, ends an
 * attempt; a few attempts later the answer is "changed while being read", never a figure.
 */

/** Ends one attempt at reading. It never leaves this room. */
export class TablesChanged extends Error {
  constructor(what: string) {
    super(what);
    this.name = "TablesChanged";
  }
}

/** What stands where the kernel's memory changed at every attempt. */
export const CHANGED = "changed";
export type Changed = typeof CHANGED;

const ATTEMPTS = 4;

/** Reads until nothing has changed meanwhile, at most four times; what else is thrown goes on. */
export function untilUnchanged<T>(read: () => T): T | Changed {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof TablesChanged)) throw error;
    }
  }
  return CHANGED;
}
