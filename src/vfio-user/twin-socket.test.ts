import assert from "node:assert/strict";
import { constants } from "node:os";
import { describe, it } from "node:test";
import { VFIO_DEVICE_INFO } from "../device/vfio-abi.ts";
import { SOCK_CLOEXEC, SOCK_STREAM } from "../memory/constants.ts";
import { linux } from "../memory/libc.ts";
import { negotiate } from "./negotiation.ts";
import {
  VFIO_USER_DEVICE_GET_INFO,
  VFIO_USER_DEVICE_RESET,
  VFIO_USER_DMA_READ,
  VFIO_USER_DMA_REGION_ACCESS,
  VFIO_USER_VERSION,
} from "./protocol.ts";
import { encodeMessage, encodeReply, RawPeer, versionPayload } from "./raw-peer.fixture.ts";
import { openDescriptors, scriptedServer, type Scripted } from "./scripted-server.fixture.ts";

const TWIN = { twin_socket: { supported: true, fd_index: 0 } };

/** The server's answer to the version, with its end of a twin socket kept. */
function answer(script: Scripted, capabilities: object, passed: boolean): RawPeer {
  const [near, far] = linux.socketpair(SOCK_STREAM | SOCK_CLOEXEC);
  const reply = encodeReply({ command: VFIO_USER_VERSION, payload: versionPayload(capabilities) });
  script.server.send(reply, passed ? [far] : []);
  linux.close(far);
  return new RawPeer(near);
}

describe("a twin socket", () => {
  it("brings the server's commands, also while a reply is waited for on the other", () => {
    const before = openDescriptors();
    const script = scriptedServer();
    const twin = answer(script, TWIN, true);
    negotiate(script.channel, "vfio-user:/scripted", linux);
    const payload = VFIO_USER_DMA_REGION_ACCESS.encode({ addr: 0n, count: 4n });
    twin.send(encodeMessage({ id: 9, command: VFIO_USER_DMA_READ, payload }));
    const info = VFIO_DEVICE_INFO.encode({ argsz: 16, num_regions: 9 });
    script.server.send(encodeReply({ id: 1, command: VFIO_USER_DEVICE_GET_INFO, payload: info }));
    assert.equal(script.client.info().regionCount, 9);
    const refused = twin.receive();
    assert.equal(refused?.id, 9);
    assert.equal(refused?.errno, constants.errno.EFAULT);
    script.close();
    assert.equal(twin.receive(), null, "it is closed with the connection");
    twin.close();
    assert.deepEqual(openDescriptors(), before);
  });

  it("that is closed, or lies, ends the connection", () => {
    for (const lie of [null, encodeReply({ command: VFIO_USER_DMA_READ })]) {
      const before = openDescriptors();
      const script = scriptedServer({ milliseconds: 50 });
      const twin = answer(script, TWIN, true);
      negotiate(script.channel, "vfio-user:/scripted", linux);
      if (lie === null) twin.endOfStream();
      else twin.send(lie);
      const code = lie === null ? "ERR_DISCONNECTED" : "ERR_PROTOCOL";
      assert.throws(() => script.client.reset(), { code });
      assert.throws(() => script.client.reset(), { code: "ERR_DISCONNECTED" });
      script.close();
      twin.close();
      assert.deepEqual(openDescriptors(), before);
    }
  });

  it("keeps the time limit", () => {
    const script = scriptedServer({ milliseconds: 30 });
    const twin = answer(script, TWIN, true);
    negotiate(script.channel, "vfio-user:/scripted", linux);
    assert.throws(() => script.client.reset(), { code: "ERR_TIMEOUT" });
    script.close();
    twin.close();
  });

  it("must come with the answer that agrees to it, and with no other", () => {
    const cases: [object, boolean, RegExp][] = [
      [TWIN, false, /passed none along/],
      [{ twin_socket: { supported: true } }, true, /passed none along/],
      [{ twin_socket: { supported: true, fd_index: 1 } }, true, /passed none along/],
      [
        { twin_socket: { supported: false, fd_index: 0 } },
        true,
        /passed a descriptor along with its version/,
      ],
      [{}, true, /passed a descriptor along with its version/],
    ];
    for (const [capabilities, passed, message] of cases) {
      const before = openDescriptors();
      const script = scriptedServer();
      const twin = answer(script, capabilities, passed);
      assert.throws(() => negotiate(script.channel, "it", linux), { code: "ERR_PROTOCOL", message });
      script.close();
      twin.close();
      assert.deepEqual(openDescriptors(), before);
    }
    const script = scriptedServer();
    answer(script, {}, false).close();
    negotiate(script.channel, "it", linux);
    script.server.send(encodeReply({ id: 1, command: VFIO_USER_DEVICE_RESET }));
    script.client.reset();
    script.close();
  });
});
