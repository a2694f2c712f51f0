/**
 * Has Node take the guest's TypeScript files as they are: `guest-disk.ts` has removed their types already. Node would
 * do that in WebAssembly, and under QEMU's software emulation with two processors one start in a hundred or two died
 * of SIGSEGV inside that code (seen with QEMU 10.0 and Node 26; of 1,100 starts without it none did).
 */

import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";

registerHooks({
  load(url, context, next) {
    if (!url.startsWith("file:") || !url.endsWith(".ts")) return next(url, context);
    return { format: "module", source: readFileSync(fileURLToPath(url)), shortCircuit: true };
  },
});
