/**
 * Our one change to the kernel's own source: mm/huge_memory.c can be told (driver/hugebar-role.c) to ask the setting of
 * transparent huge pages about device memory, as it did before "mm/huge_memory: bypass THP tuneables for huge pfnmap
 * mappings". Of a source without that patch there is nothing to change: it asks.
 */

/** The patch's condition for not asking, `(vma->vm_flags & VM_PFNMAP) && has_huge_fault` in 6.12.117, another in 7.2.13. */
const bypass = /^(\s*if )(\([^;{}]*PFNMAP[^;{}]*huge_fault[^;{}]*\))(\s*return true;)/gm;

/**
 * The names that the asking kernel goes by, so that name and behaviour belong together: by series, the last release that asked
 * by itself. From 7.3 on none did.
 */
const lastAsking: Readonly<Record<string, string>> = {
  "6.12": "6.12.114",
  "6.18": "6.18.53",
  "7.1": "7.1.8",
  "7.2": "7.2.7",
};

/** @param makefile the Makefile of the kernel's tree, which begins with its version */
export function askingRelease(makefile: string): string {
  const [, major, minor] = /^VERSION = (\d+)\nPATCHLEVEL = (\d+)$/m.exec(makefile) ?? [];
  if (major === undefined) throw new Error("The kernel's Makefile does not say its version");
  return lastAsking[`${major}.${minor}`] ?? "7.2.7";
}

const lastOwnInclude = '#include "swap.h"\n';

export function letItAsk(source: string): string {
  const found = [...source.matchAll(bypass)];
  if (found.length === 0) return source;
  if (found.length > 1) throw new Error("mm/huge_memory.c passes over the setting in more than one place");
  if (!source.includes(lastOwnInclude)) throw new Error(`mm/huge_memory.c has no ${lastOwnInclude.trim()}`);
  return source
    .replace(bypass, "$1(!hugebar_asks && $2)$3")
    .replace(lastOwnInclude, `${lastOwnInclude}\nextern bool hugebar_asks;\n`);
}
