/** A guest for QEMU's `-kernel`, assembled where the built kernel is compiled: `guest/kvm/bar-reader.S`. */

import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { buildRoot, inBuildRoot } from "./build-root.ts";
import { type Artefact, repository } from "./cache.ts";

const source = join(repository, "test/vm/guest/kvm/bar-reader.S");

/** Where multiboot loads it. */
const address = "0x100000";

export const barReader: Artefact = {
  name: "bar-reader",
  get recipe() {
    return [...buildRoot.recipe, readFileSync(source, "utf8"), address];
  },
  make(folder) {
    inBuildRoot("bar-reader", (workshop) => {
      copyFileSync(source, join(workshop.folder, "bar-reader.S"));
      workshop.run("as --32 -o bar-reader.o bar-reader.S");
      workshop.run(
        `ld -m elf_i386 -N --no-warn-rwx-segments -Ttext ${address} -e _start -o bar-reader bar-reader.o`,
      );
      copyFileSync(join(workshop.folder, "bar-reader"), join(folder, "bar-reader"));
    });
  },
};
