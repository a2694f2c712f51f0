/**
 * Recognises a kernel that fell over a breakpoint of its own. While it changes its code it puts an INT3 there for the others to
 * wait at, and has a handler for it until it is done (arch/x86/kernel/alternative.c, text_poke_bp_batch). With `thread=multi`
 * QEMU was seen to run code that it had translated with the INT3 in it when the handler was gone: an Oops, early in boot, at an
 * instruction that is a no-op by then. No code of ours runs there, nor do breakpoints of anybody's.
 */

/** What a guest's console has of it; null where there is none. */
export function strayBreakpoint(console: string): string | null {
  const oops = /^\[ *\d+\.\d+\] Oops: int3:.*$/m.exec(console);
  if (oops === null || !console.includes("Kernel panic - not syncing")) return null;
  const at = /^\[ *\d+\.\d+\] RIP: .*$/m.exec(console.slice(oops.index))?.[0] ?? "";
  return `the kernel fell over a breakpoint of its own:\n${oops[0]}\n${at}`;
}
