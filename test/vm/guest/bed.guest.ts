/** The test bed itself: what every other test in a guest relies on. */

import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { release } from "node:os";
import { describe, it } from "node:test";

import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE } from "../../../src/system/constants.ts";
import { linux } from "../../../src/system/libc.ts";
import { dynamicDebugCount, kernelLog, setDynamicDebug } from "./kernel-log.ts";
import { kernelFacts } from "./kernel.ts";
import { bindTo, driverOf, iommuGroupOf, readAttribute, unbind } from "./pci.ts";
import {
  readTransparentHugepage,
  setTransparentHugepage,
  transparentHugepageModes,
} from "./transparent-hugepage.ts";

const bdf = "0000:00:10.0";

describe("the guest", () => {
  it("runs the kernel it was asked for", () => {
    assert.equal(release(), kernelFacts.release);
  });

  it("has the device with its 64 GiB BAR", () => {
    assert.equal(readAttribute(bdf, "vendor"), "0x1b36");
    const [start = "", end = ""] = (readAttribute(bdf, "resource").split("\n")[2] ?? "").split(" ");
    assert.equal(BigInt(end) - BigInt(start) + 1n, 64n << 30n);
  });

  it("maps memory from Node", () => {
    const address = linux.mmap(0n, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const bytes = new Uint8Array(linux.view(address, 4096));
    bytes[4095] = 7;
    assert.equal(bytes[4095], 7);
    linux.munmap(address, 4096);
  });

  it("hands the device to vfio-pci and takes it back", () => {
    bindTo(bdf);
    assert.ok(existsSync(`/dev/vfio/${iommuGroupOf(bdf)}`));
    unbind(bdf);
    assert.equal(driverOf(bdf), null);
    assert.equal(existsSync(`/dev/vfio/${iommuGroupOf(bdf)}`), false);
  });

  it("offers groups on every kernel, cdev and iommufd where its role says so", () => {
    bindTo(bdf);
    const { cdevs } = kernelFacts;
    assert.ok(existsSync("/dev/vfio/vfio"));
    assert.equal(existsSync("/dev/iommu"), cdevs);
    assert.equal(existsSync("/dev/vfio/devices"), cdevs);
    if (cdevs) assert.deepEqual(readdirSync("/dev/vfio/devices"), ["vfio0"]);
    unbind(bdf);
  });

  it("switches transparent huge pages", () => {
    const before = readTransparentHugepage();
    for (const mode of transparentHugepageModes) {
      setTransparentHugepage(mode);
      assert.equal(readTransparentHugepage(), mode);
    }
    setTransparentHugepage(before);
  });

  it("shows vfio-pci's debug lines in the kernel's log", () => {
    setDynamicDebug("vfio_pci_core", true);
    assert.notEqual(dynamicDebugCount("vfio_pci_core"), 0);
    setDynamicDebug("vfio_pci_core", false);
    assert.equal(dynamicDebugCount("vfio_pci_core"), 0);
    assert.ok(kernelLog().some((line) => /Linux version \d+\.\d+/.test(line)));
  });

  it("has kprobe events", () => {
    assert.ok(existsSync("/sys/kernel/tracing/kprobe_events"));
  });
});
