/** For tests: a region of a memory file, laid into this process as a device's is. */

import * as c from "../system/constants.ts";
import { linux } from "../system/libc.ts";
import { layRegion, type LaidRegion } from "./lay-region.ts";
import { createMemfd } from "./memfd.ts";
import { RegionMemory } from "./region-memory.ts";

const refuse = (): never => {
  throw new RangeError("outside the areas");
};

export class MemfdRegion {
  readonly memory: RegionMemory;
  readonly address: bigint;
  readonly #laid: LaidRegion;
  readonly #fd: number;

  constructor(size: number) {
    this.#fd = createMemfd("memfd-region", size, linux);
    this.#laid = layRegion(
      {
        region: "0 of a test",
        size,
        areas: [{ offset: 0, size }],
        strategy: "region",
        gaps: "unmap",
        protection: c.PROT_READ | c.PROT_WRITE,
        fd: this.#fd,
        fdOffset: 0,
        physical: null,
      },
      linux,
    );
    this.address = this.#laid.base;
    this.memory = new RegionMemory({
      areas: this.#laid.areas,
      size,
      target: "region 0 of a test",
      readable: true,
      writable: true,
      elsewhere: { read: refuse, write: refuse, readWord: refuse, writeWord: refuse },
      check: null,
      system: linux,
    });
  }

  /** As `Mapping` closes. */
  close(): void {
    for (const area of this.memory.close()) this.#laid.disown(area);
    this.#laid.release();
  }

  /** What stands at the file's start, read past the mapping. */
  inFile(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    linux.pread(this.#fd, bytes, 0);
    return bytes;
  }
}
