/** A client, and a server that cuts off the file behind a region once the client has mapped it. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { Device } from "../../device/device.ts";
import type { Mapping } from "../../device/region/mapping.ts";
import { encodeRegionInfo } from "../../device/transport/region-info.ts";
import { VFIO_DEVICE_INFO } from "../../device/transport/vfio-abi.ts";
import { MFD_ALLOW_SEALING, MFD_CLOEXEC, O_CLOEXEC, O_CREAT, O_RDWR } from "../../system/constants.ts";
import { openDescriptors } from "../../system/descriptors.fixture.ts";
import { linux } from "../../system/libc.ts";
import { VFIO_USER_DEVICE_GET_INFO, VFIO_USER_DEVICE_GET_REGION_INFO } from "../wire/protocol.ts";
import { encodeReply } from "../wire/raw-peer.fixture.ts";
import { scriptedServer } from "./scripted-server.fixture.ts";

/** linux/memfd.h */
const MFD_HUGETLB = 0x4;
const SIZE = 0x10_0000;
const AREA = { offset: 0x1000, size: 0x4000 };
/** Where the region starts in its file. */
const FILE_OFFSET = 0x3000;

/** A mapped region, and the server's descriptor of the file behind it. */
interface Mapped {
  readonly bar: Mapping;
  readonly fd: number;
}

function map(t: TestContext, fd: number, fileSize = FILE_OFFSET + AREA.offset + AREA.size): Mapped {
  linux.ftruncate(fd, fileSize);
  const script = scriptedServer();
  const { client, server } = script;
  server.send(
    encodeReply({
      command: VFIO_USER_DEVICE_GET_INFO,
      payload: VFIO_DEVICE_INFO.encode({ argsz: 16, flags: 3, num_regions: 9, num_irqs: 5 }),
    }),
  );
  const device = new Device(client, linux);
  const described = { index: 2, size: SIZE, flags: 7, fdOffset: FILE_OFFSET, sparseAreas: [AREA] };
  const payload = encodeRegionInfo({ ...described, msixMappable: false, type: null });
  server.send(encodeReply({ id: 1, command: VFIO_USER_DEVICE_GET_REGION_INFO, payload }), [fd]);
  t.after(() => {
    device.close();
    script.close();
    linux.close(fd);
  });
  return { bar: device.region(2).map(), fd };
}

function memfd(flags: number): number {
  return linux.memfd_create("region", MFD_CLOEXEC | flags);
}

function fileOnDisk(): number {
  const folder = mkdtempSync(join(tmpdir(), "hugebar-"));
  try {
    return linux.open(join(folder, "region"), O_RDWR | O_CREAT | O_CLOEXEC);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe("a region's file that its server cuts off", () => {
  it("stays whole where it can be sealed: the server is refused", (t) => {
    const { bar, fd } = map(t, memfd(MFD_ALLOW_SEALING));
    assert.equal(bar.canShrink, false);
    assert.throws(() => linux.ftruncate(fd, 0), { call: "ftruncate", code: "EPERM" });
    bar.write32(AREA.offset, 5);
    assert.equal(bar.read32(AREA.offset), 5);
  });

  const shrinkable = [
    ["a memory file that cannot be sealed", () => memfd(0)],
    ["a file on disk", fileOnDisk],
  ] as const;
  for (const [what, open] of shrinkable) {
    it(`is looked at before it is copied, viewed or verified, where it is ${what}`, (t) => {
      const { bar, fd } = map(t, open());
      assert.equal(bar.canShrink, true);
      const bytes = new Uint8Array(AREA.size);
      const copyAll = (): void => {
        bar.copyIn(AREA.offset, bytes.fill(7));
        bar.copyOut(AREA.offset, bytes);
      };
      copyAll();
      assert.equal(bar.view(AREA.offset, 8).byteLength, 8);
      assert.equal(bar.verify().bytes, AREA.size);

      linux.ftruncate(fd, FILE_OFFSET + AREA.offset + 0x1000);
      const gone = (access: string, length: number) => ({
        code: "ERR_PROTOCOL",
        message: `Cannot ${access} ${length} bytes at 0x1000 of region 2 of vfio-user:/scripted: the server broke the protocol: it has cut the file that it passed along off at 20480 bytes`,
      });
      assert.throws(() => bar.copyIn(AREA.offset, bytes), gone("write", 0x4000));
      assert.throws(() => bar.copyOut(AREA.offset, bytes), gone("read", 0x4000));
      assert.throws(() => bar.view(AREA.offset, 0x1001), gone("view", 0x1001));
      assert.throws(() => bar.verify(), gone("touch", 0x4000));
      // What is left of it is still memory.
      bar.copyOut(AREA.offset, bytes.subarray(0, 0x1000));
      assert.equal(bar.read32(AREA.offset), 0x0707_0707);

      linux.ftruncate(fd, FILE_OFFSET + AREA.offset + AREA.size);
      copyAll();
    });
  }

  it("is not mapped where it holds huge pages, which a server can take away below any seal", (t) => {
    const before = openDescriptors().length;
    const { bar } = map(t, memfd(MFD_ALLOW_SEALING | MFD_HUGETLB), 2 ** 30);
    assert.deepEqual(bar.areas, []);
    assert.equal(bar.canShrink, false);
    // The test's own descriptor, and the two ends of its socket: that of the region is closed.
    assert.equal(openDescriptors().length, before + 3);
  });
});
