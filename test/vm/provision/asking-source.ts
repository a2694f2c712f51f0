/**
 * Our one change to the kernel's own source: mm/huge_memory.c can be told (driver/hugebar-role.c) to ask the setting of
 * transparent huge pages about device memory, as it did before "mm/huge_memory: bypass THP tuneables for huge pfnmap
 * mappings". Of a source without that patch there is nothing to change: it asks.
 */

/** The patch's condition for not asking, in the form that it has in 6.12.115 and in 7.3. */
const bypass =
  /^(\s*if )(\([^;{}]*\bVM_PFNMAP\b[^;{}]*\b(?:has_huge_fault|huge_fault)\b[^;{}]*\))(\s*return true;)/gm;

const lastOwnInclude = '#include "internal.h"\n';

export function letItAsk(source: string): string {
  const found = [...source.matchAll(bypass)];
  if (found.length === 0) return source;
  if (found.length > 1) throw new Error("mm/huge_memory.c passes over the setting in more than one place");
  if (!source.includes(lastOwnInclude)) throw new Error(`mm/huge_memory.c has no ${lastOwnInclude.trim()}`);
  return source
    .replace(bypass, "$1(!hugebar_asks && $2)$3")
    .replace(lastOwnInclude, `${lastOwnInclude}\nextern bool hugebar_asks;\n`);
}
