import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { installPackage } from "../test/package/packed.ts";

const folder = new URL("./", import.meta.url);

/** Reads all of disk.img by the driver, pages in disorder and many at a time. */
const READ_DISK = `
  import { serveInWorker } from "hugebar";
  import { Nvme } from "./nvme.ts";
  const controller = new URL("./nvme-controller.ts", import.meta.url);
  const server = await serveInWorker(controller, { socket: "nvme.sock", data: "disk.img" });
  const nvme = await Nvme.open("vfio-user:nvme.sock");
  console.log(nvme.model, nvme.size, nvme.blockSize);
  const offsets = Array.from({ length: 256 }, (_, page) => ((page * 77) % 256) * 4096);
  let [read, wrong] = [0, 0];
  await nvme.read(offsets, 32, (offset, page) => {
    read += 1;
    if (page.some((byte) => byte !== offset / 4096)) wrong += 1;
  });
  console.log(read + " pages, " + wrong + " wrong");
  nvme.close();
  await server.close();
`;

/** Has the adder add up pieces of memory, with a factor, where there is none, and after a reset. */
const ADD = `
  import { setTimeout as sleep } from "node:timers/promises";
  import { openDevice, serveInWorker, SharedMemory } from "hugebar";
  import { FACTOR, REGISTERS } from "./adder.ts";
  const adder = new URL("./adder.ts", import.meta.url);
  const server = await serveInWorker(adder, { socket: "adder.sock" });
  const device = openDevice("vfio-user:adder.sock");
  const [registers, ports] = [device.region(0).map(), device.region(1).map()];
  const memory = new SharedMemory(1 << 16);
  const mapped = device.dma.map(memory, 0x1_0000n);
  const segments = [0x1_2000n, 3n, 0x1_8ffen, 4n];
  memory.bytes(0, 32).set(new Uint8Array(new BigUint64Array(segments).buffer));
  memory.bytes(0x2000, 3).fill(10);
  memory.bytes(0x8ffe, 4).fill(1);
  const capability = device.config.extendedCapabilities.find(({ id }) => id === FACTOR.id);
  async function add(address, count) {
    registers.write64(REGISTERS.list.offset, address);
    registers.write32(REGISTERS.segments.offset, count);
    ports.write8(0, 1);
    while (registers.read32(REGISTERS.state.offset) === 1) await sleep(1);
    return [registers.read32(REGISTERS.state.offset), registers.read64(REGISTERS.sum.offset)].join(" ");
  }
  console.log(await add(0x1_0000n, 2));
  device.config.write8(capability.offset + 4 + 6, 5);
  console.log(await add(0x1_0000n, 1));
  console.log(await add(0x5_0000n, 1));
  mapped.close();
  console.log(await add(0x1_0000n, 1));
  device.reset();
  console.log(registers.read32(REGISTERS.state.offset));
  device.close();
  await server.close();
`;

describe("examples", () => {
  // Copied out of the repository, into a project that has installed the package: as a user has them.
  const { files, project, remove } = installPackage();
  after(remove);
  for (const path of files.keys()) {
    if (path.startsWith("examples/"))
      copyFileSync(new URL(`../${path}`, folder), join(project, path.slice(9)));
  }

  function run(example: string): string[] {
    const options = ["--disable-warning=ExperimentalWarning", example];
    return execFileSync(process.execPath, options, { cwd: project, encoding: "utf8" }).trimEnd().split("\n");
  }

  it("map-a-region.ts maps, writes, views, closes", () => {
    const lines = run("map-a-region.ts");
    assert.match(lines[0] ?? "", /^256 GiB at 0x[0-9a-f]+ \[$/);
    assert.deepEqual(lines.slice(1), [
      "  { size: 1073741824, count: 188 },",
      "  { size: 2097152, count: 7 },",
      "  { size: 4096, count: 256 }",
      "]",
      "true",
      "0",
    ]);
  });

  it("drive-copy-engine.ts moves bytes by DMA and takes interrupts", () => {
    assert.deepEqual(run("drive-copy-engine.ts"), ["fetch: 0n", "store: 0n", "copied: hello", "outside: 1n"]);
  });

  it("nvme.ts reads from nvme-controller.ts what stands in the file", () => {
    writeFileSync(
      join(project, "disk.img"),
      Uint8Array.from({ length: 1 << 20 }, (_, at) => at >> 12),
    );
    writeFileSync(join(project, "read-disk.ts"), READ_DISK);
    assert.deepEqual(run("read-disk.ts"), ["A file, by hugebar 1048576 512", "256 pages, 0 wrong"]);
  });

  it("adder.ts adds up what lies in pieces, when its port is written", () => {
    writeFileSync(join(project, "add.ts"), ADD);
    assert.deepEqual(run("add.ts"), ["2 34", "2 150", "3 150", "3 150", "0"]);
  });

  for (const [page, examples] of [
    ["README.md", ["gb200.ts", "map-a-region.ts"]],
    ["docs/write-a-driver.md", ["edu.ts", "nvme.ts"]],
    [
      "docs/write-a-device.md",
      [
        "gb200.ts",
        "copy-engine.ts",
        "adder.ts",
        "drive-copy-engine.ts",
        "nvme-numbers.ts",
        "nvme-controller.ts",
      ],
    ],
  ] as const) {
    it(`stand in ${page} as they are here`, () => {
      const text = readFileSync(new URL(`../${page}`, folder), "utf8");
      for (const example of examples) {
        assert(
          text.includes(`\`\`\`ts\n${readFileSync(new URL(example, folder), "utf8")}\`\`\``),
          `${page} does not show ${example}`,
        );
      }
    });
  }
});
