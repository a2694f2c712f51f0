/** The way of data: a BAR that is a file of the host's, read and written by every kind of access. */

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { before, describe, it } from "node:test";

import type { Mapping } from "../../../src/device/region/mapping.ts";
import { byteAt, bytesAt, FROM_GUEST, FROM_HOST, SHARED_SIZE } from "../shared-memory.ts";
import { apis, openDevice } from "./open.ts";
import { pageSize } from "./paging.ts";
import { bindTo, readAttribute } from "./pci.ts";

const bdf = "0000:00:11.0";
const bar = 2;
const widths = [1, 2, 4, 8] as const;

/** Reads one word of this width, as the bytes that it has in memory. */
function readWord(mapping: Mapping, offset: number, width: (typeof widths)[number]): number[] {
  const word = new DataView(new ArrayBuffer(8));
  if (width === 1) word.setUint8(0, mapping.read8(offset));
  else if (width === 2) word.setUint16(0, mapping.read16(offset), true);
  else if (width === 4) word.setUint32(0, mapping.read32(offset), true);
  else word.setBigUint64(0, mapping.read64(offset), true);
  return [...new Uint8Array(word.buffer, 0, width)];
}

function writeWord(mapping: Mapping, offset: number, width: (typeof widths)[number]): void {
  const word = new DataView(new ArrayBuffer(8));
  for (let index = 0; index < width; index += 1) word.setUint8(index, byteAt(offset + index));
  if (width === 1) mapping.write8(offset, word.getUint8(0));
  else if (width === 2) mapping.write16(offset, word.getUint16(0, true));
  else if (width === 4) mapping.write32(offset, word.getUint32(0, true));
  else mapping.write64(offset, word.getBigUint64(0, true));
}

/** One word of each width after another, at its own alignment, until `size` bytes are full. */
function* words({ offset, size }: { offset: number; size: number }) {
  for (let at = offset; at < offset + size; at += 16) {
    yield { at, width: 8 as const };
    yield { at: at + 8, width: 4 as const };
    yield { at: at + 12, width: 2 as const };
    yield { at: at + 14, width: 1 as const };
    yield { at: at + 15, width: 1 as const };
  }
}

before(() => {
  bindTo(bdf);
});

for (const api of apis) {
  describe(`memory shared with the host, by ${api}`, () => {
    it("is the BAR in full", (t) => {
      const region = openDevice(t, bdf, api).region(bar);
      assert.equal(region.size, SHARED_SIZE);
      assert.deepEqual(region.areas, [{ offset: 0, size: SHARED_SIZE }]);
    });

    it("holds the host's bytes for every width, through the mapping and through the file", (t) => {
      const mapping = openDevice(t, bdf, api).region(bar).map();
      for (const enabled of [true, false]) {
        mapping.setEnabled(enabled);
        for (const width of widths) {
          for (let at = FROM_HOST.offset; at < FROM_HOST.offset + 0x100; at += width) {
            assert.deepEqual(readWord(mapping, at, width), [...bytesAt({ offset: at, size: width })]);
          }
        }
      }
    });

    it("holds them for views and copies", (t) => {
      const region = openDevice(t, bdf, api).region(bar);
      const mapping = region.map();
      const expected = bytesAt(FROM_HOST);
      const { offset, size } = FROM_HOST;
      assert.deepEqual(new Uint8Array(mapping.view(offset, size)), expected);
      const copy = new Uint8Array(size);
      mapping.copyOut(offset, copy);
      assert.deepEqual(copy, expected);
      copy.fill(0);
      region.read(offset, copy);
      assert.deepEqual(copy, expected);
    });

    it("holds them in a gap", (t) => {
      const areas = [{ offset: 0, size: 0x10_0000 }];
      const mapping = openDevice(t, bdf, api).region(bar).map({ areas });
      assert.deepEqual(mapping.gaps, [{ offset: 0x10_0000, size: SHARED_SIZE - 0x10_0000 }]);
      for (const width of widths) {
        assert.deepEqual(readWord(mapping, FROM_HOST.offset, width), [
          ...bytesAt({ offset: FROM_HOST.offset, size: width }),
        ]);
      }
      // Over the edge of the area: whole through the file.
      mapping.write16(0xf_fffe, 0x1234);
      assert.equal(mapping.read32(0xf_fffe) & 0xffff, 0x1234);
    });

    it("takes the guest's bytes, for the host to find", (t) => {
      const region = openDevice(t, bdf, api).region(bar);
      const mapping = region.map();
      for (const { at, width } of words(FROM_GUEST.mapping)) writeWord(mapping, at, width);
      const { view, copy, gap } = FROM_GUEST;
      new Uint8Array(mapping.view(view.offset, view.size)).set(bytesAt(view));
      mapping.copyIn(copy.offset, bytesAt(copy));
      mapping.setEnabled(false);
      for (const { at, width } of words(FROM_GUEST.file)) writeWord(mapping, at, width);
      mapping.close();
      const gapped = region.map({ areas: [{ offset: 0, size: 0x10_0000 }] });
      for (const { at, width } of words(gap)) writeWord(gapped, at, width);
      for (const part of Object.values(FROM_GUEST)) {
        const found = new Uint8Array(part.size);
        region.read(part.offset, found);
        assert.deepEqual(found, bytesAt(part));
      }
    });
  });

  describe(`a BAR smaller than a page, by ${api}`, () => {
    const intrMask = 0;
    const ivPosition = 8;

    it("is mapped as its page, if it has that to itself, and reached as far as it goes", (t) => {
      const region = openDevice(t, bdf, api).region(0);
      assert.equal(region.size, 0x100);
      const mapping = region.map();
      assert.deepEqual(
        mapping.areas.map(({ offset, size }) => ({ offset, size })),
        isAloneInPage(bdf, 0) ? [{ offset: 0, size: pageSize }] : [],
      );
      assert.equal(mapping.read32(ivPosition), 0);
      mapping.write32(intrMask, 0xa5);
      assert.equal(mapping.read32(intrMask), 0xa5);
      assert.throws(() => mapping.read32(0x100), { code: "ERR_ACCESS_RANGE" });
      mapping.setEnabled(false);
      assert.equal(mapping.read32(intrMask), 0xa5);
      mapping.write32(intrMask, 0);
    });
  });
}

/** Whether the BAR begins a page, and nothing else of any device lies there (vfio_pci_probe_mmaps). */
function isAloneInPage(bdf: string, bar: number): boolean {
  const resources = readdirSync("/sys/bus/pci/devices").flatMap((device) =>
    readAttribute(device, "resource")
      .split("\n")
      .slice(0, 6)
      .map((line, index) => {
        const [start = "0", end = "0"] = line.split(" ");
        return { device, index, start: BigInt(start), end: BigInt(end) };
      }),
  );
  const own = resources.find(({ device, index }) => device === bdf && index === bar);
  assert.ok(own !== undefined);
  const page = own.start - (own.start % BigInt(pageSize));
  const others = resources.filter(
    (each) => each !== own && each.end >= page && each.start < page + BigInt(pageSize),
  );
  return own.start === page && others.length === 0;
}
