import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { linux } from "../system/libc.ts";
import { SystemCallError, type System } from "../system/system.ts";
import { createGuest } from "./guest.ts";

const MIB = 2 ** 20;
const memory = { guestAddress: 0x4000_0000n, hostAddress: 0x7f00_0000_0000n, size: 4 * MIB };
const CHECK_EXTENSION = 0xae03;
const CREATE_VM = 0xae01;
const CREATE_VCPU = 0xae41;
const SET_MEMORY = 0x4020ae46;
const PRE_FAULT = 0xc040aed5;

/** A KVM by script: what each request answers, all descriptors that are open, and what was asked. */
function scripted(answer: (request: number, argument: Uint8Array | number) => number) {
  const open = new Set<number>();
  const asked: [request: number, bytes: string][] = [];
  let next = 100;
  const take = (): number => {
    open.add(next);
    return next++;
  };
  const system: System = {
    ...linux,
    open: take,
    close(fd) {
      assert.ok(open.delete(fd));
    },
    ioctl(_fd, request, argument) {
      asked.push([
        request,
        typeof argument === "number" ? String(argument) : Buffer.from(argument).toString("hex"),
      ]);
      const answered = answer(request, argument);
      return request === CREATE_VM || request === CREATE_VCPU ? take() : answered;
    },
  };
  return { system, open, asked };
}

function refusal(system: System): string {
  const guest = createGuest(system, memory);
  assert.ok(typeof guest === "string");
  return guest;
}

describe("createGuest", () => {
  it("says that there is no KVM", () => {
    const system: System = {
      ...linux,
      open: () => {
        throw new SystemCallError("open", 2);
      },
    };
    assert.equal(createGuest(system, memory), "/dev/kvm cannot be opened (ENOENT)");
  });

  it("says that KVM does not fill a second stage unasked, and leaves nothing open", () => {
    const { system, open } = scripted(() => 0);
    assert.match(refusal(system), /no KVM_PRE_FAULT_MEMORY/);
    assert.equal(open.size, 0);
  });

  it("leaves nothing open where a step fails", () => {
    for (const failing of [CREATE_VM, CREATE_VCPU]) {
      const { system, open } = scripted((request) => {
        if (request === failing) throw new SystemCallError("ioctl", 12);
        return 1;
      });
      assert.match(refusal(system), /makes no such virtual machine \(ioctl: .*ENOMEM/);
      assert.equal(open.size, 0);
    }
  });

  it("asks on until all is filled", () => {
    const { system, open, asked } = scripted((request, argument) => {
      if (request === CHECK_EXTENSION) return 1;
      if (request !== PRE_FAULT || typeof argument === "number") return 0;
      // As the kernel does: a step further each time.
      const view = new DataView(argument.buffer, argument.byteOffset);
      view.setBigUint64(0, view.getBigUint64(0, true) + BigInt(2 * MIB), true);
      view.setBigUint64(8, view.getBigUint64(8, true) - BigInt(2 * MIB), true);
      return 0;
    });
    const guest = createGuest(system, memory);
    assert.ok(typeof guest !== "string");
    guest.close();
    assert.equal(open.size, 0);
    const [slot, ...others] = asked.filter(([request]) => request === SET_MEMORY);
    assert.equal(others.length, 0);
    const bytes = Buffer.from(slot?.[1] ?? "", "hex");
    assert.equal(bytes.length, 32);
    assert.deepEqual(
      [8, 16, 24].map((at) => bytes.readBigUInt64LE(at)),
      [memory.guestAddress, BigInt(memory.size), memory.hostAddress],
    );
    const faults = asked.filter(([request]) => request === PRE_FAULT);
    assert.deepEqual(
      faults.map(([, hex]) => hex.length / 2),
      [64, 64],
    );
  });
});
