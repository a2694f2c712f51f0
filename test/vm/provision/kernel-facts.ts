/**
 * What a kernel does, found out by booting it once and seeing (`guest/facts.guest.ts`), not by its version: the answer
 * is an artefact of its own, made anew with the kernel.
 */

import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { type Artefact, folderOf, obtain, repository } from "./cache.ts";
import { run } from "./command.ts";
import { type KernelFacts, parseFacts } from "./facts.ts";
import { guestSystem } from "./guest-system.ts";
import { kernel, type KernelName } from "./kernels.ts";
import { qemuRoot, whyNoQemu } from "./qemu.ts";

const probe = "test/vm/guest/facts.guest.ts";

export function kernelFactsOf(name: KernelName): Artefact {
  const { machine, image } = kernel(name);
  return {
    name: `facts-${name}`,
    get recipe() {
      return [...image.recipe, hashOf(join(folderOf(image), "vmlinuz")), kernel(name).append, textOf(probe)];
    },
    make(folder) {
      // What the guest needs: it runs in a process of its own, which asks for it and must not have to wait for this one.
      for (const artefact of [image, guestSystem(machine)]) obtain(artefact);
      for (const role of machine.emulators({ vfioUser: [] })) {
        obtain(qemuRoot(role, machine.emulator));
        if (whyNoQemu(role, machine.emulator) === null) break;
      }
      const program = join(repository, "test/vm/provision/establish.ts");
      run(process.execPath, ["--disable-warning=ExperimentalWarning", program, name, folder]);
    },
  };
}

/** What was found out about a kernel that is provisioned. */
export function readFacts(name: KernelName): KernelFacts {
  const file = join(folderOf(kernelFactsOf(name)), "facts.json");
  return parseFacts(readFileSync(file, "utf8"));
}

function hashOf(path: string): string {
  if (!existsSync(path)) return "not made yet";
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

function textOf(path: string): string {
  return readFileSync(join(repository, path), "utf8");
}
