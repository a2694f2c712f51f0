/** The files that a client passes along for its memory: one descriptor for each, however many pieces of it are mapped. */

import { fstatSync } from "node:fs";
import { constants } from "node:os";
import { F_GETFL } from "../../../system/constants.ts";
import { linux } from "../../../system/libc.ts";
import { DeviceError } from "../../wire/device-error.ts";

/** A process has a thousand descriptors at least, and other clients' devices may need some of them. */
export const MOST_FILES = 256;
const O_ACCMODE = 3;

/** A file in use; `close` gives up one use of it. */
export interface ClientFile {
  readonly fd: number;
  close(): void;
}

interface Kept {
  readonly fd: number;
  uses: number;
}

export class ClientFiles {
  readonly #files = new Map<string, Kept>();

  /**
   * Takes over `fd`, and closes it where the same file is here already.
   *
   * @throws DeviceError EMFILE where there are too many; `fd` stays the caller's then.
   */
  take(fd: number): ClientFile {
    const key = identity(fd);
    let kept = this.#files.get(key);
    if (kept === undefined) {
      if (this.#files.size >= MOST_FILES) throw new DeviceError(constants.errno.EMFILE);
      this.#files.set(key, (kept = { fd, uses: 0 }));
    } else linux.close(fd);
    kept.uses += 1;
    return this.#use(key, kept);
  }

  #use(key: string, kept: Kept): ClientFile {
    let closed = false;
    return {
      fd: kept.fd,
      close: () => {
        if (closed) return;
        closed = true;
        kept.uses -= 1;
        if (kept.uses > 0) return;
        this.#files.delete(key);
        linux.close(kept.fd);
      },
    };
  }
}

/** Which file it is, and what may be done with it through this descriptor. */
function identity(fd: number): string {
  const { dev, ino } = fstatSync(fd, { bigint: true });
  return `${dev} ${ino} ${linux.fcntl(fd, F_GETFL, 0) & O_ACCMODE}`;
}
