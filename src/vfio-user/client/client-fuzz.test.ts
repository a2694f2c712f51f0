/** 100,000 mutated replies: the client returns or throws one of our errors, at once, and leaves nothing behind. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HugebarError } from "../../errors.ts";
import { encodeRegionInfo } from "../../device/transport/region-info.ts";
import { VFIO_DEVICE_INFO } from "../../device/transport/vfio-abi.ts";
import { MFD_CLOEXEC, O_CLOEXEC, O_RDONLY } from "../../system/constants.ts";
import { linux } from "../../system/libc.ts";
import { decodeVersion } from "../wire/version.ts";
import {
  VFIO_USER_DEVICE_GET_INFO,
  VFIO_USER_DEVICE_GET_REGION_INFO,
  VFIO_USER_DEVICE_RESET,
  VFIO_USER_REGION_ACCESS,
  VFIO_USER_REGION_READ,
  VFIO_USER_REGION_WRITE,
} from "../wire/protocol.ts";
import { fuzzSeed, mutate, randomFrom } from "../wire/random.fixture.ts";
import { encodeReply, versionPayload } from "../wire/raw-peer.fixture.ts";
import { openDescriptors } from "../../system/descriptors.fixture.ts";
import { scriptedServer } from "./scripted-server.fixture.ts";
import type { VfioUserTransport } from "./vfio-user-transport.ts";

const ROUNDS = 25_000;

const access = VFIO_USER_REGION_ACCESS.encode({ offset: 8n, region: 1, count: 4 });
const info = {
  command: VFIO_USER_DEVICE_GET_INFO,
  payload: VFIO_DEVICE_INFO.encode({ argsz: 16, num_regions: 9 }),
};
const region = encodeRegionInfo({
  index: 2,
  size: 0x10000,
  flags: 7,
  fdOffset: 0,
  sparseAreas: [
    { offset: 0, size: 0x1000 },
    { offset: 0x2000, size: 0x1000 },
  ],
  msixMappable: true,
  type: { type: 1, subtype: 2 },
});

/** What is asked, and the true reply. */
const exchanges: readonly [(client: VfioUserTransport) => unknown, Uint8Array][] = [
  [(client) => client.info(), encodeReply(info)],
  [
    (client) => client.read(1, 8, new Uint8Array(4)),
    encodeReply({ command: VFIO_USER_REGION_READ, payload: Buffer.concat([access, new Uint8Array(4)]) }),
  ],
  [
    (client) => client.write(1, 8, new Uint8Array(4)),
    encodeReply({ command: VFIO_USER_REGION_WRITE, payload: access }),
  ],
  [(client) => client.reset(), encodeReply({ command: VFIO_USER_DEVICE_RESET })],
];

describe("a client fed with mutated replies", () => {
  const seed = fuzzSeed();

  it(`survives ${exchanges.length * ROUNDS} of them`, (t) => {
    t.diagnostic(`seed ${seed}`);
    const random = randomFrom(seed);
    const before = openDescriptors();
    let refused = 0;
    for (const [ask, reply] of exchanges) {
      for (let round = 0; round < ROUNDS; round += 1) {
        const script = scriptedServer();
        const lie = mutate(reply, random);
        if (lie.length > 0) script.server.send(lie);
        script.server.endOfStream();
        refused += outcome(() => ask(script.client));
        script.close();
      }
    }
    assert.deepEqual(openDescriptors(), before);
    t.diagnostic(`${refused} refused`);
    assert.ok(refused > exchanges.length * ROUNDS * 0.5, "the lies are seen");
  });

  it(`survives ${ROUNDS} region descriptions with descriptors of every kind`, (t) => {
    t.diagnostic(`seed ${seed}`);
    const random = randomFrom(seed);
    const memfd = linux.memfd_create("test", MFD_CLOEXEC);
    linux.ftruncate(memfd, 0x10000);
    const [pipe, otherEnd] = linux.socketpair(1 | O_CLOEXEC);
    const nothing = linux.open("/dev/null", O_RDONLY | O_CLOEXEC);
    const before = openDescriptors();
    const reply = encodeReply({ id: 1, command: VFIO_USER_DEVICE_GET_REGION_INFO, payload: region });
    for (let round = 0; round < ROUNDS; round += 1) {
      const script = scriptedServer();
      const { client, server } = script;
      server.send(encodeReply(info));
      client.info();
      const lie = mutate(reply, random);
      const passed = Array.from({ length: random.below(4) }, () => random.pick([memfd, pipe, nothing]));
      if (lie.length > 0) server.send(lie, passed);
      server.endOfStream();
      outcome(() => client.prepareToMap(2));
      script.close();
    }
    assert.deepEqual(openDescriptors(), before);
    for (const fd of [memfd, pipe, otherEnd, nothing]) linux.close(fd);
  });

  it(`survives ${ROUNDS} version messages`, (t) => {
    t.diagnostic(`seed ${seed}`);
    const random = randomFrom(seed);
    for (let round = 0; round < ROUNDS; round += 1) {
      outcome(() => decodeVersion(mutate(versionPayload(), random), "the peer"));
    }
  });
});

/** 1 when it threw one of our errors, 0 when it returned; any other error fails the test. */
function outcome(ask: () => unknown): number {
  try {
    ask();
    return 0;
  } catch (error) {
    if (error instanceof HugebarError) return 1;
    throw error;
  }
}
