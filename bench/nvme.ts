/**
 * `npm run bench:nvme`: the rate of `examples/nvme.ts` beside the kernel's own driver, on QEMU's disk in a guest. A row
 * of its own, for it takes a guest; it writes nothing.
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";

import { nvme } from "../test/vm/devices.ts";
import { DISK_SIZE, diskBytes } from "../test/vm/disk-image.ts";
import { runGuest } from "../test/vm/guest.ts";
import { formatTime } from "./bars.ts";
import { summarise } from "./pairs.ts";

const SAMPLE = v.object({
  depth: v.number(),
  reads: v.number(),
  seconds: v.object({ hugebar: v.number(), peer: v.number() }),
});
const HEAD = "| depth | a read | the kernel's | compared |\n|---:|---:|---:|---:|\n";
type Sample = v.InferOutput<typeof SAMPLE>;

const folder = mkdtempSync(join(tmpdir(), "hugebar-nvme-"));
try {
  const image = join(folder, "image");
  writeFileSync(image, diskBytes(0, DISK_SIZE));
  const report = await runGuest({
    kernel: "groups", // as distributed: with the kernel's nvme driver
    tests: ["test/vm/guest/nvme-rate.guest.ts"],
    devices: [nvme(0x12, image)],
    environment: { UV_THREADPOOL_SIZE: "32" },
  });
  const failure = report.problem ?? report.tests.find((test) => test.failure !== null)?.failure?.message;
  if (failure !== undefined) throw new Error(`${failure}\n${report.output}`);
  const samples = report.diagnostics.flatMap(readSample);
  process.stdout.write(`${report.kernel}\n\n${HEAD}${[1, 32].map((depth) => row(depth, samples)).join("")}`);
} finally {
  rmSync(folder, { recursive: true });
}

function readSample(line: string): Sample[] {
  const text = /nvme-rate (.*)/.exec(line)?.[1];
  return text === undefined ? [] : [v.parse(SAMPLE, JSON.parse(text))];
}

/** No bar: how long an emulated processor takes is the emulator's. */
function row(depth: number, samples: readonly Sample[]): string {
  const pairs = samples
    .filter((sample) => sample.depth === depth)
    .map(({ reads, seconds }) => ({
      hugebar: (seconds.hugebar / reads) * 1e9,
      peer: (seconds.peer / reads) * 1e9,
    }));
  const { hugebar, peer, ratio } = summarise(pairs);
  if (peer === null || ratio === null) throw new Error(`no samples at depth ${depth}`);
  return `| ${depth} | ${formatTime(hugebar)} | ${formatTime(peer)} | ${ratio.toFixed(2)} × |\n`;
}
