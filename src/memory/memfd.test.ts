import assert from "node:assert/strict";
import { fstatSync } from "node:fs";
import { describe, it } from "node:test";
import { openDescriptors } from "../system/descriptors.fixture.ts";
import { HugebarError } from "../errors.ts";
import { GIB } from "../layout/sizes.ts";
import { MFD_ALLOW_SEALING, MFD_CLOEXEC, O_CLOEXEC, O_RDONLY } from "../system/constants.ts";
import { linux } from "../system/libc.ts";
import { canBeSealed, createMemfd, sealAgainstShrinking } from "./memfd.ts";
import { SystemCallError, type System } from "../system/system.ts";

describe("createMemfd", () => {
  it("takes no memory for its size", () => {
    const fd = createMemfd("sparse", 256 * GIB, linux);
    const { size, blocks } = fstatSync(fd);
    assert.deepEqual({ size, blocks }, { size: 256 * GIB, blocks: 0 });
    linux.close(fd);
  });

  it("cannot be cut off under a mapping, by a peer for example", () => {
    const fd = createMemfd("sealed", 4096, linux);
    for (const size of [0, 8192]) {
      assert.throws(() => linux.ftruncate(fd, size), { call: "ftruncate", code: "EPERM" });
    }
    linux.close(fd);
  });

  it("leaves no descriptor behind where a call fails", () => {
    const before = openDescriptors();
    const failing = (call: keyof System): System => ({
      ...linux,
      [call]: () => {
        throw new SystemCallError(call, 12);
      },
    });
    for (const call of ["memfd_create", "ftruncate", "fcntl"] as const) {
      assert.throws(
        () => createMemfd("x", 4096, failing(call)),
        (error) =>
          error instanceof HugebarError &&
          error.message ===
            `Cannot create the memory file "x" of 4096 bytes: ${call}: not enough memory (ENOMEM)` &&
          error.cause instanceof SystemCallError,
      );
    }
    assert.deepEqual(openDescriptors(), before);
  });
});

describe("sealAgainstShrinking", () => {
  const size = 4096;
  const withFile = (fd: number, use: (fd: number) => void): void => {
    try {
      use(fd);
    } finally {
      linux.close(fd);
    }
  };
  const memfd = (flags: number): number => {
    const fd = linux.memfd_create("peer", MFD_CLOEXEC | flags);
    linux.ftruncate(fd, size);
    return fd;
  };

  it("seals what can be sealed, once", () => {
    withFile(memfd(MFD_ALLOW_SEALING), (fd) => {
      for (const _ of [1, 2]) assert.equal(sealAgainstShrinking(fd, linux), true);
      assert.throws(() => linux.ftruncate(fd, 0), { code: "EPERM" });
      linux.ftruncate(fd, 2 * size);
    });
    withFile(createMemfd("own", size, linux), (fd) => assert.equal(sealAgainstShrinking(fd, linux), true));
  });

  it("says so where it cannot be", () => {
    withFile(memfd(0), (fd) => {
      assert.equal(sealAgainstShrinking(fd, linux), false);
      linux.ftruncate(fd, 0);
    });
    withFile(memfd(MFD_ALLOW_SEALING), (fd) => {
      const readOnly = linux.open(`/proc/self/fd/${fd}`, O_RDONLY | O_CLOEXEC);
      withFile(readOnly, () => assert.equal(sealAgainstShrinking(readOnly, linux), false));
      assert.equal(sealAgainstShrinking(fd, linux), true);
    });
    withFile(linux.open(import.meta.filename, O_RDONLY | O_CLOEXEC), (fd) =>
      assert.equal(sealAgainstShrinking(fd, linux), false),
    );
  });

  it("tells a sealed file passed along for reading only", () => {
    withFile(createMemfd("own", size, linux), (fd) =>
      withFile(linux.open(`/proc/self/fd/${fd}`, O_RDONLY | O_CLOEXEC), (readOnly) =>
        assert.equal(sealAgainstShrinking(readOnly, linux), true),
      ),
    );
  });

  it("does not trust the seal of huge pages, into which a hole can be punched", () => {
    const MFD_HUGETLB = 0x4;
    withFile(linux.memfd_create("huge", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB), (fd) => {
      assert.equal(canBeSealed(fd, linux), true);
      assert.equal(sealAgainstShrinking(fd, linux), false);
    });
  });
});
