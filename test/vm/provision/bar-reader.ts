/** A guest for QEMU's `-kernel`, assembled where the built kernel is compiled: `guest/kvm/bar-reader.S`. */

import { copyFileSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

import { buildRoot } from "./build-root.ts";
import { type Artefact, obtain, repository } from "./cache.ts";
import { runInside } from "./roots.ts";

const source = join(repository, "test/vm/guest/kvm/bar-reader.S");

/** Where multiboot loads it. */
const address = "0x100000";

export const barReader: Artefact = {
  name: "bar-reader",
  get recipe() {
    return [...buildRoot.recipe, readFileSync(source, "utf8"), address];
  },
  make(folder) {
    const root = obtain(buildRoot);
    const work = join(root, "root", "bar-reader");
    rmSync(work, { recursive: true, force: true });
    mkdirSync(work, { recursive: true });
    copyFileSync(source, join(work, "bar-reader.S"));
    const commands = [
      "as --32 -o bar-reader.o bar-reader.S",
      `ld -m elf_i386 -N --no-warn-rwx-segments -Ttext ${address} -e _start -o bar-reader bar-reader.o`,
    ];
    runInside(root, ["cd /root/bar-reader", ...commands].join(" && "));
    copyFileSync(join(work, "bar-reader"), join(folder, "bar-reader"));
    rmSync(work, { recursive: true });
  },
};
