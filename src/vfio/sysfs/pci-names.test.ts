import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parsePciNames, readPciNames } from "./pci-names.ts";

const FILE = `# Vendors
10de  NVIDIA Corporation
\t2342  GH100 [GH200 120GB / 480GB]
\t\t10de 16eb  A subsystem
ffff  Illegal Vendor ID
C 03  Display controller
\t00  VGA compatible controller
\t\t00  VGA controller
\t02  3D controller
`;

describe("parsePciNames", () => {
  const names = parsePciNames(FILE);
  it("finds vendors, devices and classes", () => {
    assert.equal(names.vendor(0x10de), "NVIDIA Corporation");
    assert.equal(names.device(0x10de, 0x2342), "GH100 [GH200 120GB / 480GB]");
    assert.equal(names.class(0x030200), "3D controller");
    assert.equal(names.class(0x03ff00), "Display controller");
  });

  it("knows no name that is not there", () => {
    assert.deepEqual([names.vendor(1), names.device(0x10de, 1), names.class(0xff0000)], [null, null, null]);
    assert.equal(readPciNames(["/nowhere"]).vendor(0x10de), null);
  });
});
