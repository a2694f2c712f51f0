import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { HugebarError } from "../errors.ts";
import { BtfWriter } from "./btf.fixture.ts";
import { Btf } from "./btf.ts";
import { StructLayout } from "./struct-layout.ts";

function kernelBtf(): Buffer {
  const writer = new BtfWriter();
  const long = writer.int("long unsigned int", 8);
  const word = writer.int("unsigned int", 4);
  const head = writer.struct("list_head", 16, [
    { name: "next", type: long, bitOffset: 0 },
    { name: "prev", type: long, bitOffset: 64 },
  ]);
  const fields = writer.struct("", 4, [
    { name: "level", type: word, bitOffset: 0, bitSize: 4 },
    { name: "invalid", type: word, bitOffset: 11, bitSize: 1 },
    { name: "smm", type: word, bitOffset: 24, bitSize: 8 },
  ]);
  const role = writer.struct(
    "kvm_mmu_page_role",
    4,
    [
      { name: "word", type: word, bitOffset: 0 },
      { name: "", type: fields, bitOffset: 0 },
    ],
    5,
  );
  const alias = writer.typedef("role_t", role);
  writer.struct("kvm_mmu_page", 64, [
    { name: "link", type: head, bitOffset: 128 },
    { name: "role", type: alias, bitOffset: 320 },
    { name: "nodes", type: writer.array(head, 2), bitOffset: 384 },
  ]);
  return writer.bytes();
}

describe("Btf", () => {
  const layout = new StructLayout(new Btf("vmlinux", kernelBtf()));

  it("finds members by their path, through typedefs, arrays and anonymous structures", () => {
    assert.equal(layout.offset("kvm_mmu_page", "link.prev"), 24);
    assert.equal(layout.offset("kvm_mmu_page", "nodes.prev"), 56);
    assert.equal(layout.sizeOf("kvm_mmu_page"), 64);
    assert.deepEqual(layout.bits("kvm_mmu_page", "role.smm"), { word: 40, shift: 24, mask: 255 });
    assert.deepEqual(layout.bits("kvm_mmu_page", "role.level"), { word: 40, shift: 0, mask: 15 });
  });

  it("names what this kernel does not have", () => {
    assert.throws(() => layout.offset("kvm_mmu_page", "role.mirror"), {
      code: "ERR_NOT_SUPPORTED",
      message: /no role\.mirror in struct kvm_mmu_page/,
    });
    assert.throws(() => layout.offset("kvm", "mm"), { code: "ERR_NOT_SUPPORTED", message: /no struct kvm:/ });
    assert.equal(layout.bitsOrNull("kvm_mmu_page", "role.mirror"), null);
  });

  it("reads a module's on top of the kernel's", () => {
    const base = new Btf("vmlinux", kernelBtf());
    const writer = new BtfWriter(base.nextType, base.stringsLength);
    writer.struct("kvm", 32, [{ name: "roots", type: base.findStruct("list_head") ?? 0, bitOffset: 64 }]);
    const split = new StructLayout(new Btf("kvm", writer.bytes(), base));
    assert.equal(split.offset("kvm", "roots.prev"), 16);
    assert.equal(split.offset("kvm_mmu_page", "link"), 16);
  });

  it("survives BTF that is cut short or damaged, with an error that says what it is", () => {
    const whole = kernelBtf();
    const paths = ["link.prev", "role.smm", "nodes.next", "nothing"];
    fc.assert(
      fc.property(
        fc.nat(whole.length),
        fc.array(fc.record({ at: fc.nat(whole.length - 1), value: fc.nat(255) }), { maxLength: 6 }),
        (length, changes) => {
          const bytes = Buffer.from(whole.subarray(0, length === 0 ? whole.length : length));
          for (const { at, value } of changes) if (at < bytes.length) bytes[at] = value;
          try {
            const damaged = new StructLayout(new Btf("vmlinux", bytes));
            for (const path of paths) damaged.offsetOrNull("kvm_mmu_page", path);
          } catch (error) {
            assert.ok(error instanceof HugebarError, String(error));
          }
        },
      ),
      { numRuns: 3000 },
    );
  });
});
