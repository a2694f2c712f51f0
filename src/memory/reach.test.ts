import assert from "node:assert/strict";
import { constants } from "node:os";
import { describe, it, type TestContext } from "node:test";

import { MAP_SHARED, MFD_CLOEXEC, PROT_NONE, PROT_READ, PROT_WRITE } from "../system/constants.ts";
import { linux } from "../system/libc.ts";
import { SystemCallError } from "../system/system.ts";
import { readMinorFaults } from "./counters.ts";
import { reach } from "./reach.ts";

const { pageSize } = linux;

/** Pages of a file, mapped. */
function mapped(t: TestContext, pages: number, protection = PROT_READ | PROT_WRITE) {
  const fd = linux.memfd_create("reach", MFD_CLOEXEC);
  t.after(() => linux.close(fd));
  linux.ftruncate(fd, pages * pageSize);
  const address = linux.mmap(0n, pages * pageSize, protection, MAP_SHARED, fd, 0);
  t.after(() => linux.munmap(address, pages * pageSize));
  return { fd, address };
}

describe("reach", () => {
  it("reads what is 0 and what is not, and brings the page in", (t) => {
    const { fd, address } = mapped(t, 64);
    linux.pwrite(fd, Uint8Array.of(1), pageSize);
    const before = readMinorFaults();
    for (let page = 0; page < 64; page += 1) assert.ok(reach(linux, address + BigInt(page * pageSize)));
    assert.ok(readMinorFaults() > before, "no page was brought in");
  });

  it("tells where an access would be SIGBUS: behind the file's end", (t) => {
    const { fd, address } = mapped(t, 2);
    linux.ftruncate(fd, pageSize);
    assert.equal(reach(linux, address), true);
    assert.equal(reach(linux, address + BigInt(pageSize)), false);
  });

  it("tells where it would be SIGSEGV: what may not be read", (t) => {
    assert.equal(reach(linux, mapped(t, 1, PROT_NONE).address), false);
  });

  it("reads what may not be written", (t) => {
    assert.equal(reach(linux, mapped(t, 1, PROT_READ).address), true);
  });

  it("passes on what is no answer", () => {
    const refuse = (): never => {
      throw new SystemCallError("futex", constants.errno.ENOSYS);
    };
    assert.throws(() => reach({ ...linux, futex: refuse }, 0n), { call: "futex", code: "ENOSYS" });
  });
});
