/** A kernel that somebody has built: its image, and which machine it is for. */

import {
  closeSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readSync,
  statSync,
} from "node:fs";
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
/** Below it: what the kernel of a bzImage runs on, and how long it is (Documentation/arch/x86/boot.rst). */
const SETUP_SECTS = 0x1f1;
const SYSSIZE = 0x1f4;
const XLOADFLAGS = 0x236;
const XLF_KERNEL_64 = 0x1;
const PE_OFFSET = 0x3c;
const PE_MAGIC = 0x4550;
const PE_HEADER = 24;
const START = 0x300;
/** What is given in the place of an image, by how it starts; RISC-V's is as arm64's (Documentation/arch/riscv/boot-image-header.rst). */
const OTHERS = [
  {
    start: { at: 0, bytes: [0x7f, ...Buffer.from("ELF")] },
    is: "an ELF file, as vmlinux is: the image that boots is arch/x86/boot/bzImage or arch/arm64/boot/Image",
  },
  {
    start: { at: 4, bytes: [...Buffer.from("zimg")] },
    is: "a compressed image, as vmlinuz.efi is: the image inside is arch/arm64/boot/Image",
  },
  { start: { at: 0, bytes: [0x1f, 0x8b] }, is: "compressed by gzip: the image inside has to be unpacked" },
  { start: { at: 0x38, bytes: [...Buffer.from("RSC\u0005")] }, is: "an Image for RISC-V" },
] as const;

/**
 * The machine that an image is for.
 *
 * @param start its first 0x300 bytes, or what there is of them
 * @returns null for what is neither a bzImage nor an Image
 */
export function machineOf(start: Uint8Array): Machine | null {
  if (isBzImage(start)) return x86_64;
  return has(start, ARM64_MAGIC) ? arm64 : null;
}

function isBzImage(start: Uint8Array): boolean {
  return has(start, BOOT_FLAG) && has(start, HEADER);
}

interface Mark {
  readonly at: number;
  readonly bytes: readonly number[];
}

function has(start: Uint8Array, { at, bytes }: Mark): boolean {
  return bytes.every((byte, index) => start[at + index] === byte);
}

/**
 * What keeps an image from being booted, as far as its first bytes tell; null for nothing.
 *
 * @param size of the whole file, in bytes
 */
export function problemOf(start: Uint8Array, size: number): string | null {
  if (machineOf(start) === null) {
    const other = OTHERS.find((each) => has(start, each.start));
    return `is ${other?.is ?? "neither a bzImage for x86-64 nor an Image for arm64"}`;
  }
  if (start.length < START) return `ends after ${size} bytes, within its header`;
  const header = new DataView(start.buffer, start.byteOffset, start.byteLength);
  if (isBzImage(start) && (header.getUint16(XLOADFLAGS, true) & XLF_KERNEL_64) === 0)
    return "is a bzImage for 32-bit x86";
  const whole = isBzImage(start) ? bytesOfBzImage(header) : bytesOfSections(header);
  return size < whole ? `has ${size} of the ${whole} bytes that its header tells of` : null;
}

/** A bzImage of before 2.4 has 0 sectors for 4. */
function bytesOfBzImage(header: DataView): number {
  return 512 * ((header.getUint8(SETUP_SECTS) || 4) + 1) + 16 * header.getUint32(SYSSIZE, true);
}

/**
 * An Image's own header counts what comes to be in memory. With CONFIG_EFI it starts as an executable of Windows' does (PE Format,
 * "Section Table"), which tells what is in the file; 0 without.
 */
function bytesOfSections(header: DataView): number {
  const start = header.getUint32(PE_OFFSET, true);
  if (start > START - PE_HEADER || header.getUint32(start, true) !== PE_MAGIC) return 0;
  const first = start + PE_HEADER + header.getUint16(start + 20, true);
  let end = 0;
  for (let section = 0; section < header.getUint16(start + 6, true); section += 1) {
    const at = first + 40 * section;
    if (at > START - 40) break;
    end = Math.max(end, header.getUint32(at + 16, true) + header.getUint32(at + 20, true));
  }
  return end;
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
  const file = statSync(image);
  if (!file.isFile()) throw new Error(`${image} is no file`);
  const start = startOf(image);
  const machine = machineOf(start);
  const problem = problemOf(start, file.size);
  if (problem !== null || machine === null) throw new Error(`${image} ${problem}`);
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
