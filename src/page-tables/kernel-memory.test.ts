import assert from "node:assert/strict";
import { rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import fc from "fast-check";
import { HugebarError } from "../errors.ts";
import { CHANGED } from "./changed.ts";
import { openKernelMemory, type KernelMemory } from "./kernel-memory.ts";
import { ProcessTables } from "./processes.ts";
import {
  GUEST_ADDRESS,
  HOST_ADDRESS,
  PID,
  simulatedKernel,
  type SimulatedKernel,
} from "./simulated-kernel.fixture.ts";
import { VirtualMachines } from "./virtual-machines.ts";

const GIB = 2 ** 30;
const MIB = 2 ** 20;
const X64 = { arch: "x86_64", pageSize: 4096 };

function kernel(t: TestContext, without: readonly string[] = []): SimulatedKernel {
  const simulated = simulatedKernel(without);
  t.after(() => {
    simulated.remove();
  });
  return simulated;
}

function withMemory<T>(simulated: SimulatedKernel, use: (memory: KernelMemory) => T): T {
  const memory = openKernelMemory(simulated, X64);
  try {
    return use(memory);
  } finally {
    memory.close();
  }
}

const hostRange = { address: HOST_ADDRESS, size: 2 * GIB };
const guestRange = { guestAddress: GUEST_ADDRESS, size: GIB };

describe("openKernelMemory", () => {
  it("reads a process's leaves", (t) => {
    const simulated = kernel(t);
    simulated.process.map(HOST_ADDRESS, 3, 5 * GIB);
    for (let index = 0; index < 3; index += 1) {
      simulated.process.map(HOST_ADDRESS + BigInt(GIB + index * 2 * MIB), 2, 6 * GIB + index * 2 * MIB);
    }
    simulated.write();
    const leaves = withMemory(simulated, (memory) =>
      new ProcessTables(memory, simulated.proc).leaves(PID, [hostRange]),
    );
    assert.ok(leaves !== null && leaves !== CHANGED);
    assert.deepEqual(leaves[0]?.leaves, [
      { size: GIB, count: 1 },
      { size: 2 * MIB, count: 3 },
    ]);
    assert.equal(leaves[0]?.mappedBytes, GIB + 6 * MIB);
  });

  it("has no leaves of a process that is not there", (t) => {
    const simulated = kernel(t);
    withMemory(simulated, (memory) => {
      assert.equal(new ProcessTables(memory, simulated.proc).leaves(PID + 1, [hostRange]), null);
    });
  });

  it("reads a virtual machine's slots and leaves", (t) => {
    const simulated = kernel(t);
    simulated.guest.map(GUEST_ADDRESS, 2, 5 * GIB);
    simulated.guest.map(GUEST_ADDRESS + BigInt(2 * MIB), 1, 5 * GIB + 2 * MIB);
    simulated.write();
    withMemory(simulated, (memory) => {
      const machines = new VirtualMachines(memory);
      const list = machines.list();
      assert.ok(list !== CHANGED);
      const [machine, ...others] = list;
      assert.ok(machine !== undefined && others.length === 0);
      assert.deepEqual(machine.slots, [
        {
          id: 3,
          guestAddress: GUEST_ADDRESS,
          size: GIB,
          hostAddress: HOST_ADDRESS,
          logsDirtyPages: true,
          readOnly: false,
        },
      ]);
      const byMm = new ProcessTables(memory, simulated.proc).byAddressSpace();
      assert.ok(byMm !== CHANGED);
      assert.equal(byMm.get(machine.mm), PID);
      const leaves = machines.leaves(machine, [guestRange]);
      assert.ok(leaves !== null && leaves !== CHANGED);
      assert.deepEqual(leaves[0]?.leaves, [
        { size: 2 * MIB, count: 1 },
        { size: 4096, count: 1 },
      ]);
    });
  });

  it("says what is missing, and what to do", (t) => {
    const fails = (change: (simulated: SimulatedKernel) => void, code: string, message: RegExp): void => {
      const simulated = kernel(t);
      change(simulated);
      assert.throws(() => withMemory(simulated, (memory) => new ProcessTables(memory, simulated.proc)), {
        code,
        message,
      });
    };
    fails(({ sys }) => rmSync(join(sys, "kernel/btf/vmlinux")), "ERR_NOT_SUPPORTED", /DEBUG_INFO_BTF/);
    fails(({ proc }) => rmSync(join(proc, "kcore")), "ERR_NOT_SUPPORTED", /PROC_KCORE/);
    fails(({ proc }) => writeFileSync(join(proc, "kcore"), "no"), "ERR_PROTOCOL", /kcore/);
    fails(({ proc }) => writeFileSync(join(proc, "kallsyms"), ""), "ERR_NOT_SUPPORTED", /init_task/);
    const hidden = "0000000000000000 D init_task\n";
    fails(({ proc }) => writeFileSync(join(proc, "kallsyms"), hidden), "ERR_PERMISSION", /kptr_restrict/);
    const contained = ({ proc }: SimulatedKernel): void => {
      rmSync(join(proc, "self/ns/pid"));
      symlinkSync("pid:[4026532000]", join(proc, "self/ns/pid"));
    };
    fails(contained, "ERR_NOT_SUPPORTED", /container/);
    const simulated = kernel(t, ["mm_struct.pgd"]);
    assert.throws(() => withMemory(simulated, (memory) => new ProcessTables(memory, simulated.proc)), {
      code: "ERR_NOT_SUPPORTED",
      message: /pgd in struct mm_struct/,
    });
    assert.throws(() => openKernelMemory(simulated, { arch: "riscv64", pageSize: 4096 }), {
      code: "ERR_NOT_SUPPORTED",
    });
  });

  it("says of a core file that is cut short that what it shows changes", (t) => {
    const simulated = kernel(t);
    truncateSync(join(simulated.proc, "kcore"), 4096 + 0x1100);
    withMemory(simulated, (memory) => {
      assert.equal(new ProcessTables(memory, simulated.proc).leaves(PID, [hostRange]), CHANGED);
      assert.equal(new VirtualMachines(memory).list(), CHANGED);
    });
  });

  it("tells nothing impossible, and ends, whatever the kernel's memory holds", (t) => {
    const simulated = kernel(t);
    simulated.process.map(HOST_ADDRESS, 3, 5 * GIB);
    simulated.process.map(HOST_ADDRESS + BigInt(GIB), 1, 6 * GIB);
    simulated.guest.map(GUEST_ADDRESS, 2, 5 * GIB);
    const whole = Buffer.from(simulated.memory.bytes);
    const used = 0x1_6000;
    fc.assert(
      fc.property(
        fc.array(fc.record({ at: fc.nat(used), value: fc.nat(255) }), { minLength: 1, maxLength: 40 }),
        fc.array(fc.record({ at: fc.nat(used / 8 - 1), to: fc.nat(used / 8 - 1) }), { maxLength: 8 }),
        (changes, copies) => {
          whole.copy(simulated.memory.bytes);
          const { bytes } = simulated.memory;
          for (const { at, value } of changes) bytes[at] = value;
          for (const { at, to } of copies) bytes.copyWithin(8 * to, 8 * at, 8 * at + 8);
          simulated.write();
          withMemory(simulated, (memory) => {
            const host = new ProcessTables(memory, simulated.proc).leaves(PID, [hostRange]);
            if (host !== null && host !== CHANGED) assert.ok((host[0]?.mappedBytes ?? 0) <= hostRange.size);
            const machines = new VirtualMachines(memory);
            const list = machines.list();
            for (const machine of list === CHANGED ? [] : list) {
              const guest = machines.leaves(machine, [guestRange]);
              if (guest !== null && guest !== CHANGED) assert.ok((guest[0]?.mappedBytes ?? 0) <= GIB);
            }
          });
        },
      ),
      { numRuns: 150 },
    );
  });

  it("survives a damaged head of the core file, with an error that says what it is", (t) => {
    const simulated = kernel(t);
    const whole = Buffer.from(simulated.memory.bytes);
    fc.assert(
      fc.property(
        fc.array(fc.record({ at: fc.nat(64 + 112 - 1), value: fc.nat(255) }), { minLength: 1, maxLength: 8 }),
        (changes) => {
          simulated.write();
          const file = join(simulated.proc, "kcore");
          simulated.damage(file, changes);
          try {
            withMemory(simulated, (memory) => {
              new ProcessTables(memory, simulated.proc).leaves(PID, [hostRange]);
              new VirtualMachines(memory).list();
            });
          } catch (error) {
            assert.ok(error instanceof HugebarError, String(error));
          }
        },
      ),
      { numRuns: 150 },
    );
    assert.ok(whole.equals(simulated.memory.bytes));
  });
});
