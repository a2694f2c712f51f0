/** What a server can say of its device's state that cannot be true. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HugebarError } from "../../errors.ts";
import {
  VFIO_DEVICE_FEATURE_ARGUMENT,
  VFIO_DEVICE_FEATURE_MIG_STATE,
} from "../../device/transport/vfio-abi.ts";
import { VFIO_USER_DEVICE_FEATURE, VFIO_USER_MIG_DATA, VFIO_USER_MIG_DATA_READ } from "../wire/protocol.ts";
import { encodeReply } from "../wire/raw-peer.fixture.ts";
import { scriptedServer, type Scripted } from "./scripted-server.fixture.ts";

function scripted(
  command: number,
  payload: Uint8Array,
  use: (migration: Scripted["client"]["migration"]) => void,
): void {
  const script = scriptedServer();
  try {
    script.server.send(encodeReply({ id: 0, command, payload }));
    use(script.client.migration);
  } finally {
    script.close();
  }
}

const isLie = (error: unknown): boolean => error instanceof HugebarError && error.code === "ERR_PROTOCOL";
const data = (size: number, length: number): Uint8Array =>
  VFIO_USER_MIG_DATA.encode({ argsz: 8 + size, size }, length);

describe("a client that reads a device's state", () => {
  const lies: readonly (readonly [string, Uint8Array])[] = [
    ["seven bytes", new Uint8Array(7)],
    ["more than it asked for", data(5, 5)],
    ["less than the reply says", data(4, 3)],
    ["2^32 − 1 bytes", VFIO_USER_MIG_DATA.encode({ argsz: 0, size: 2 ** 32 - 1 }, 4)],
  ];
  for (const [what, payload] of lies) {
    it(`does not believe ${what}`, () =>
      scripted(VFIO_USER_MIG_DATA_READ, payload, (migration) =>
        assert.throws(() => migration.read(new Uint8Array(4)), isLie),
      ));
  }

  it("takes a reply that is as long as what it asked for, however little is in it", () =>
    scripted(VFIO_USER_MIG_DATA_READ, data(1, 4), (migration) =>
      assert.equal(migration.read(new Uint8Array(4)), 1),
    ));
});

describe("a client that changes a device's state", () => {
  it("does not believe a reply that is cut short, or speaks of another state", () => {
    const head = VFIO_DEVICE_FEATURE_ARGUMENT.encode({ argsz: 16, flags: 0 });
    const other = Buffer.concat([head, VFIO_DEVICE_FEATURE_MIG_STATE.encode({ device_state: 2 })]);
    for (const payload of [head, other]) {
      scripted(VFIO_USER_DEVICE_FEATURE, payload, (migration) => {
        assert.throws(() => migration.setState(1), isLie);
      });
    }
    scripted(VFIO_USER_DEVICE_FEATURE, head, (migration) => assert.throws(() => migration.state(), isLie));
    scripted(VFIO_USER_DEVICE_FEATURE, head, (migration) => assert.throws(() => migration.flags(), isLie));
  });
});
