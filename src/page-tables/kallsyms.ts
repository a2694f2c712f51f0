/** Addresses of the kernel's symbols, from `/proc/kallsyms`: 10 MB of text, read in pieces until all are found. */

import { closeSync, openSync, readSync } from "node:fs";
import { hugebarError } from "../errors.ts";

const CHUNK = 256 * 1024;
/** The longest line has a symbol of 512 characters and a module's name. */
const LONGEST_LINE = 1024;

/**
 * The addresses of the symbols that are there, whichever module has them.
 *
 * @param names C identifiers
 * @throws ERR_PERMISSION where the kernel hides all addresses; what `fs` throws
 */
export function findSymbols(path: string, names: readonly string[]): Map<string, bigint> {
  const found = new Map<string, bigint>();
  const missing = new Set(names);
  const fd = openSync(path, "r");
  try {
    const buffer = Buffer.allocUnsafe(CHUNK + LONGEST_LINE);
    let kept = 0;
    while (missing.size > 0) {
      const bytes = readSync(fd, buffer, kept, CHUNK, null);
      if (bytes === 0) break;
      const end = kept + bytes;
      const text = buffer.subarray(0, end);
      for (const name of missing) {
        const address = addressIn(text, name);
        if (address === null) continue;
        found.set(name, address);
        missing.delete(name);
      }
      const lastLine = Math.max(text.lastIndexOf(10) + 1, end - LONGEST_LINE);
      buffer.copyWithin(0, lastLine, end);
      kept = end - lastLine;
    }
  } finally {
    closeSync(fd);
  }
  for (const address of found.values()) if (address === 0n) throw hidden(path);
  return found;
}

/** Lines are `ffffffff81000000 T name` and, of modules, `ffffffffc0000000 t name\t[module]`. */
function addressIn(text: Buffer, name: string): bigint | null {
  for (const ending of ["\n", "\t["]) {
    const at = text.indexOf(` ${name}${ending}`, 0, "latin1");
    if (at === -1) continue;
    const start = text.lastIndexOf(10, at) + 1;
    const hex = /^([0-9a-f]{8,16}) [a-zA-Z?]$/.exec(text.toString("latin1", start, at))?.[1];
    if (hex !== undefined) return BigInt(`0x${hex}`);
  }
  return null;
}

function hidden(path: string): Error {
  return hugebarError("ERR_PERMISSION", {
    action: "read page tables",
    problem: `${path} hides all addresses: run hugebar as root, with kernel.kptr_restrict at 0 or 1`,
  });
}
