/** A kernel that somebody has built: its image, and which machine it is for. */

import { closeSync, copyFileSync, cpSync, existsSync, mkdirSync, openSync, readSync } from "node:fs";
import { join } from "node:path";

import { arm64 } from "./machine/arm64.ts";
import type { Machine } from "./machine/machine.ts";
import { x86_64 } from "./machine/x86-64.ts";
import type { Bootable } from "./provision/kernels.ts";

/** Of a bzImage: the boot sector's mark, and the header's (Documentation/arch/x86/boot.rst). */
const BOOT_FLAG = { at: 0x1fe, bytes: [0x55, 0xaa] } as const;
const HEADER = { at: 0x202, bytes: [...Buffer.from("HdrS")] } as const;
/** Of an Image (Documentation/arch/arm64/booting.rst). */
const ARM64_MAGIC = { at: 0x38, bytes: [...Buffer.from("ARM\u0064")] } as const;
const START = 0x300;

/**
 * The machine that an image is for.
 *
 * @param start its first 0x300 bytes, or what there is of them
 * @returns null for what is neither a bzImage nor an Image
 */
export function machineOf(start: Uint8Array): Machine | null {
  const has = ({ at, bytes }: { readonly at: number; readonly bytes: readonly number[] }): boolean =>
    bytes.every((byte, index) => start[at + index] === byte);
  if (has(BOOT_FLAG) && has(HEADER)) return x86_64;
  return has(ARM64_MAGIC) ? arm64 : null;
}

export interface GivenKernel {
  readonly image: string;
  /** A folder with its modules and their `modules.dep`, if it needs any. */
  readonly modules: string | null;
}

/**
 * Puts what is given into a folder as the bed wants it.
 *
 * @throws where the image is none, in words for whoever gave it
 */
export function bootableIn(folder: string, { image, modules }: GivenKernel): Bootable {
  if (!existsSync(image)) throw new Error(`There is no file ${image}`);
  const machine = machineOf(startOf(image));
  if (machine === null) {
    throw new Error(
      `${image} is neither a bzImage for x86-64 nor an Image for arm64 (one that is compressed has to be unpacked)`,
    );
  }
  copyFileSync(image, join(folder, "vmlinuz"));
  const own = join(folder, "modules");
  mkdirSync(own);
  if (modules !== null) {
    if (!existsSync(join(modules, "modules.dep"))) throw new Error(`There is no modules.dep in ${modules}`);
    cpSync(modules, own, { recursive: true, dereference: true });
  }
  return { machine, folder, append: "" };
}

function startOf(path: string): Uint8Array {
  const bytes = new Uint8Array(START);
  const fd = openSync(path, "r");
  try {
    return bytes.subarray(0, readSync(fd, bytes, 0, START, 0));
  } finally {
    closeSync(fd);
  }
}
