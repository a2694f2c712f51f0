/** A server of somebody else's, that takes one client and leaves the others in its backlog. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { AF_UNIX, SOCK_CLOEXEC, SOCK_STREAM } from "../../system/constants.ts";
import { openDescriptors } from "../../system/descriptors.fixture.ts";
import { linux } from "../../system/libc.ts";
import { unixAddress } from "../../system/socket-address.ts";
import { servedClients } from "./busy-server.ts";
import { connectVfioUser } from "./client.ts";

const HOUR = 3_600_000;
let folder = "";
let path = "";
const fds: number[] = [];
const kept = (fd: number): number => {
  fds.push(fd);
  return fd;
};
const socket = (): number => kept(linux.socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));

function connect(): number {
  const fd = socket();
  linux.connect(fd, unixAddress(path));
  return fd;
}

function close(fd: number): void {
  fds.splice(fds.indexOf(fd), 1);
  linux.close(fd);
}

describe("a server that serves another client", () => {
  let listener = -1;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "hugebar-"));
    path = join(folder, "gerät 1.sock");
    listener = socket();
    linux.bind(listener, unixAddress(path));
    linux.listen(listener, 4);
  });
  afterEach(() => {
    for (const fd of fds.splice(0)) linux.close(fd);
    rmSync(folder, { recursive: true });
  });
  const accept = (): number => kept(linux.accept4(listener, SOCK_CLOEXEC));
  const open = (timeoutMilliseconds: number, to = path) => connectVfioUser(to, { timeoutMilliseconds });

  it("is busy, before the time limit and by any name of its socket, and nothing is left behind", () => {
    connect();
    accept();
    const before = openDescriptors();
    assert.throws(() => open(HOUR), { code: "ERR_BUSY", message: /is serving another client/ });
    assert.throws(() => open(HOUR, relative(process.cwd(), path)), { code: "ERR_BUSY" });
    assert.deepEqual(openDescriptors(), before);
  });

  it("is not when that one has left: the next client waits until the server is done with it", () => {
    const client = connect();
    accept();
    assert.equal(servedClients(path).size, 1);
    close(client);
    assert.equal(servedClients(path).size, 0);
    assert.throws(() => open(30), { code: "ERR_TIMEOUT" });
  });

  it("is not known to be where it accepts nobody, or had accepted nobody before us", () => {
    connect();
    assert.equal(servedClients(path).size, 0);
    assert.throws(() => open(30), { code: "ERR_TIMEOUT" });
  });

  it("may serve us as well", () => {
    connect();
    accept();
    const system = {
      ...linux,
      poll(...given: Parameters<typeof linux.poll>) {
        // Accepts us, in the first pause.
        if (given[0].length === 0) accept();
        return linux.poll(...given);
      },
    };
    assert.throws(() => connectVfioUser(path, { timeoutMilliseconds: 30, system }), { code: "ERR_TIMEOUT" });
  });
});
