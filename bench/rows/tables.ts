/** The row of reading page tables: those of a large region in small leaves, which are as many as its pages. */

import { GIB } from "../../src/layout/sizes.ts";
import { Kcore } from "../../src/page-tables/kcore.ts";
import { LeafTally } from "../../src/page-tables/leaf-tally.ts";
import { x86HostFormat } from "../../src/page-tables/table-format.ts";
import { walkTables } from "../../src/page-tables/walk.ts";
import { coreFile } from "../core-file.ts";
import { onOneProcessor } from "../one-processor.ts";
import { comparePairs, timed } from "../pairs.ts";
import type { Row } from "../row.ts";

const SIZE = 256 * GIB;

export const readTables: Row = {
  name: "tables",
  what: "page tables of a 256 GiB BAR in 4 KiB leaves, 67,108,864 of them, walked and counted",
  against: "C, reading the same bytes of the same file",
  bar: { kind: "ratio", most: 2 },
  async measure(peers) {
    const file = coreFile(SIZE);
    const memory = new Kcore(file.path);
    const walk = timed((times) => {
      for (let time = 0; time < times; time += 1) walkOnce(memory, file);
    });
    try {
      return await onOneProcessor(async () => {
        const peer = await peers.start("read-tables", [file.path, file.tables]);
        return comparePairs(walk, peer?.sample ?? null, { pairs: 9, count: 1 });
      });
    } finally {
      memory.close();
      file.close();
    }
  },
};

function walkOnce(memory: Kcore, { root, tables }: { root: number; tables: number }): void {
  const tally = new LeafTally(SIZE);
  const format = x86HostFormat({ levels: 4 });
  const read = walkTables({
    memory,
    format,
    root,
    from: 0n,
    size: SIZE,
    visit: (run) => {
      tally.add(run);
    },
  });
  const { leaves, mappedBytes } = tally.result(read);
  if (read !== tables || leaves.length !== 1 || mappedBytes !== SIZE)
    throw new Error("not all of it was read");
}
