import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { openDescriptors } from "../../../system/descriptors.fixture.ts";
import { linux } from "../../../system/libc.ts";
import { unixAddress } from "../../../system/socket-address.ts";
import { AF_UNIX, SOCK_CLOEXEC, SOCK_STREAM } from "../../../system/constants.ts";
import { listenAt } from "./socket-file.ts";

const folder = mkdtempSync(join(tmpdir(), "hugebar-"));
after(() => rmSync(folder, { recursive: true }));

describe("a socket's file", () => {
  it("is its owner's alone, whatever the umask, and goes with the socket", () => {
    const path = join(folder, "one");
    const before = openDescriptors();
    const mask = process.umask(0);
    const socket = listenAt(path);
    process.umask(mask);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    socket.close();
    assert.equal(existsSync(path), false);
    assert.deepEqual(openDescriptors(), before);
  });

  it("is known to others by its full path, where that fits into an address", () => {
    const long = join(folder, "x".repeat(100));
    mkdirSync(long);
    const here = process.cwd();
    try {
      for (const [cwd, known] of [
        [folder, join(folder, "near")],
        [long, "near"],
      ] as const) {
        process.chdir(cwd);
        const socket = listenAt("near");
        const table = readFileSync("/proc/net/unix", "utf8");
        assert.ok(table.includes(` ${known}\n`));
        socket.close();
        assert.equal(existsSync("near"), false);
      }
    } finally {
      process.chdir(here);
    }
  });

  it("replaces one that nobody listens at any more", () => {
    const path = join(folder, "stale");
    const dead = linux.socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    linux.bind(dead, unixAddress(path));
    linux.close(dead);
    const socket = listenAt(path);
    const client = linux.socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    linux.connect(client, unixAddress(path));
    linux.close(client);
    socket.close();
  });

  it("leaves a live one alone, even when its backlog is full", () => {
    const path = join(folder, "live");
    const socket = listenAt(path);
    const before = openDescriptors();
    for (let refused = 0; refused < 40; refused += 1) {
      assert.throws(() => listenAt(path), { code: "ERR_BUSY", message: /another server listens there/ });
    }
    assert.deepEqual(openDescriptors(), before);
    socket.close();
  });

  it("does not follow symbolic links, to a socket, a file or nothing", () => {
    const target = join(folder, "target");
    const socket = listenAt(target);
    const file = join(folder, "plain");
    writeFileSync(file, "precious");
    for (const [name, to] of [
      ["a", target],
      ["b", file],
      ["c", join(folder, "missing")],
    ] as const) {
      const path = join(folder, name);
      symlinkSync(to, path);
      assert.throws(() => listenAt(path), { code: "ERR_BUSY", message: /symbolic link/ });
      unlinkSync(path);
    }
    assert.throws(() => listenAt(file), { code: "ERR_BUSY", message: /is no socket/ });
    assert.throws(() => listenAt(folder), { code: "ERR_BUSY", message: /is no socket/ });
    assert.equal(existsSync(join(folder, "missing")), false);
    socket.close();
  });

  it("is not removed when another has taken its place", () => {
    const path = join(folder, "taken");
    const socket = listenAt(path);
    renameSync(path, `${path}.old`);
    writeFileSync(path, "another's");
    socket.close();
    assert.equal(existsSync(path), true);
  });

  it("says what keeps it from being made", () => {
    const before = openDescriptors();
    assert.throws(() => listenAt(join(folder, "no", "such")), {
      code: "ERR_SYSTEM",
      message: /its directory does not exist/,
    });
    assert.throws(() => listenAt(join(folder, "x".repeat(108))), { code: "ERR_ARGUMENT" });
    assert.deepEqual(openDescriptors(), before);
  });
});
