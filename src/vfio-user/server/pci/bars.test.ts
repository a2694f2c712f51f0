/** Each kind of BAR, as its author describes it and as a client finds it. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  VFIO_PCI_CONFIG_REGION_INDEX,
  VFIO_REGION_INFO,
  VFIO_REGION_INFO_FLAG_MMAP,
} from "../../../device/transport/vfio-abi.ts";
import { linux } from "../../../system/libc.ts";
import { VFIO_USER_DEVICE_GET_REGION_INFO } from "../../wire/protocol.ts";
import { ownThread } from "../own-thread.fixture.ts";
import type { DeviceRegion } from "../parts/region-description.ts";
import { defineRegisters } from "../registers/registers.ts";
import { buildDevice } from "../served-device.ts";
import { littleEndian, putLittleEndian } from "../registers/masked-bytes.ts";

const { start, pair } = ownThread();
const CONFIG = VFIO_PCI_CONFIG_REGION_INDEX;
const pci = { vendor: 1, device: 2 };

describe("BARs", () => {
  it("are of the kind that was chosen: in configuration space, and as regions", async () => {
    const registers = defineRegisters({ port: { offset: 0, width: 4, reset: 5 } });
    start({
      pci,
      regions: [
        { index: 0, bar: { type: "io" }, registers },
        {
          index: 1,
          size: 2 ** 20,
          memory: "sparse",
          bar: { type: "memory", width: 32, prefetchable: false },
        },
        { index: 2, size: 4096, bar: { type: "memory", width: 64, prefetchable: true } },
        { index: 4, size: 2 ** 31, memory: "sparse", bar: { type: "memory", width: 32 } },
        { index: 5, size: 256, bar: { type: "io" }, read: () => {} },
      ],
    });
    const [peer] = await pair();
    const sized = async (index: number): Promise<number> => {
      const ones = new Uint8Array(4).fill(0xff);
      await peer.write(CONFIG, 0x10 + 4 * index, ones);
      return littleEndian((await peer.read(CONFIG, 0x10 + 4 * index, 4)).payload.subarray(-4), 0, 4);
    };
    const found: number[] = [];
    for (let index = 0; index < 6; index += 1) found.push(await sized(index));
    assert.deepEqual(found, [
      0xffff_fffd, // 4 ports
      0xfff0_0000, // 1 MiB, 32 bits
      0xffff_f00c, // 4 KiB, 64 bits, prefetchable
      0xffff_ffff,
      0x8000_0008, // 2 GiB, 32 bits, prefetchable as memory is
      0xffff_ff01, // 256 ports
    ]);
    const regions: unknown[] = [];
    for (const index of [0, 1, 4, 5]) {
      const request = VFIO_REGION_INFO.encode({ argsz: 4096, index });
      const { payload, descriptors } = await peer.ask(VFIO_USER_DEVICE_GET_REGION_INFO, request);
      const { size, flags } = VFIO_REGION_INFO.decode(payload);
      regions.push([Number(size), (flags & VFIO_REGION_INFO_FLAG_MMAP) !== 0, descriptors.length]);
      for (const fd of descriptors) linux.close(fd);
    }
    assert.deepEqual(regions, [
      [4, false, 0],
      [2 ** 20, true, 1],
      [2 ** 31, true, 1],
      [256, false, 0],
    ]);
    assert.deepEqual([...(await peer.read(0, 0, 4)).payload.subarray(-4)], [5, 0, 0, 0]);

    // I/O decoding can be switched where there is something to decode.
    const command = new Uint8Array(2);
    putLittleEndian(command, 0, 2, 0x0001);
    await peer.write(CONFIG, 4, command);
    assert.deepEqual([...(await peer.read(CONFIG, 4, 2)).payload.subarray(-2)], [1, 0]);
  });

  it("are refused where PCI does not have them", () => {
    const wrong: [RegExp, ...DeviceRegion[]][] = [
      [/256 at most/, { index: 0, size: 512, bar: { type: "io" } }],
      [/4 or more; make it 4/, { index: 0, size: 2, bar: { type: "io" } }],
      [/cannot be mapped/, { index: 0, size: 256, memory: "sparse", bar: { type: "io" } }],
      [/no next BAR/, { index: 5, size: 4096, bar: { type: "memory", width: 64 } }],
      [
        /BAR 1 is described/,
        { index: 0, size: 4096, bar: { type: "memory", width: 64 } },
        { index: 1, size: 4096 },
      ],
      [/needs 64 bits/, { index: 0, size: 2 ** 32, memory: "sparse", bar: { type: "memory", width: 32 } }],
      [/needs 64 bits/, { index: 5, size: 2 ** 32, memory: "sparse" }],
      [/BARs are regions 0 to 5/, { index: 6, size: 4096, bar: { type: "memory" } }],
    ];
    for (const [message, ...regions] of wrong) {
      const build = (): unknown => buildDevice({ pci, regions }, "/none", () => assert.fail());
      assert.throws(build, { code: "ERR_ARGUMENT", message });
    }
    const without = { regions: [{ index: 0, size: 4096, bar: { type: "memory" } }] } as const;
    assert.throws(() => buildDevice(without, "/none", () => assert.fail()), { message: /no `pci`/ });
  });
});
