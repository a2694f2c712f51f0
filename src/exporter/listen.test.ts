import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { listen, parseListen } from "./listen.ts";

describe("parseListen", () => {
  it("takes addresses, sockets, and what systemd hands over", () => {
    const handed = { LISTEN_PID: String(process.pid), LISTEN_FDS: "1" };
    assert.deepEqual(parseListen("127.0.0.1:9741", {}), { host: "127.0.0.1", port: 9741 });
    assert.deepEqual(parseListen("[::1]:0", {}), { host: "::1", port: 0 });
    assert.deepEqual(parseListen(":80", {}), { port: 80 });
    assert.deepEqual(parseListen("unix:/run/a b:c", {}), { path: "/run/a b:c" });
    assert.deepEqual(parseListen("systemd", handed), { fd: 3 });
  });

  it("refuses what is none, and what was handed to somebody else", () => {
    for (const text of ["", "9741", "localhost", "::1:80", "a:65536", "a:-1", "unix:", "[::1]", "a b:1"]) {
      assert.throws(() => parseListen(text, {}), { code: "ERR_USAGE" }, text);
    }
    for (const environment of [
      {},
      { LISTEN_PID: "1", LISTEN_FDS: "1" },
      { LISTEN_PID: String(process.pid), LISTEN_FDS: "2" },
    ]) {
      assert.throws(() => parseListen("systemd", environment), { code: "ERR_USAGE" });
    }
  });
});

describe("listen", () => {
  const folder = mkdtempSync(join(tmpdir(), "hugebar-listen-"));
  after(() => rmSync(folder, { recursive: true }));

  it("says where, and refuses a place that is taken", async () => {
    const [first, second] = [createServer(), createServer()];
    const address = await listen(first, { host: "127.0.0.1", port: 0 }, "http");
    assert.match(address, /^http:\/\/127\.0\.0\.1:\d+$/);
    const port = Number(address.split(":").at(-1));
    await assert.rejects(listen(second, { host: "127.0.0.1", port }, "http"), { code: "ERR_BUSY" });
    first.close();
  });

  it("takes the place of a socket that nobody answers at any more, and of nothing else", async () => {
    const path = join(folder, "metrics.sock");
    const [first, second] = [createServer(), createServer()];
    assert.equal(await listen(first, { path }, "http"), `unix:${path}`);
    await assert.rejects(listen(second, { path }, "http"), { code: "ERR_BUSY" });
    first.close();
    const file = join(folder, "file");
    writeFileSync(file, "precious");
    await assert.rejects(listen(second, { path: file }, "http"), { code: "ERR_BUSY" });
  });
});
