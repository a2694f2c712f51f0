/** BARs without a driver: mapped from sysfs, as any program of root's can. */

import type { TestContext } from "node:test";
import { join } from "node:path";
import { writeFileSync } from "node:fs";

import { MAP_SHARED, O_CLOEXEC, O_RDWR, PROT_READ, PROT_WRITE } from "../../../src/system/constants.ts";
import { linux } from "../../../src/system/libc.ts";
import { RegionMemory } from "../../../src/memory/region-memory.ts";
import { deviceFolder } from "../../vm/guest/pci.ts";

/** Switches the device on, as a driver does when it takes it: memory decoding. */
export function enable(t: TestContext, bdf: string): void {
  const path = join(deviceFolder(bdf), "enable");
  writeFileSync(path, "1");
  t.after(() => writeFileSync(path, "0"));
}

/** Maps BAR `index`, all `size` bytes of it, until the test ends. */
export function mapResource(t: TestContext, bdf: string, index: number, size: number): RegionMemory {
  const fd = linux.open(join(deviceFolder(bdf), `resource${index}`), O_RDWR | O_CLOEXEC);
  try {
    const address = linux.mmap(0n, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    const outside = (): never => {
      throw new RangeError(`an access outside BAR ${index} of ${bdf}`);
    };
    const memory = new RegionMemory({
      areas: [{ offset: 0, size, address }],
      size,
      target: `BAR ${index} of ${bdf}`,
      readable: true,
      writable: true,
      elsewhere: { read: outside, write: outside, readWord: outside, writeWord: outside },
      check: null,
      system: linux,
    });
    t.after(() => {
      if (memory.close().length === 0) linux.munmap(address, size);
    });
    return memory;
  } finally {
    linux.close(fd);
  }
}
