import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { hasHugePfnmap } from "./drivers.ts";
import { gateOfMapping, type MappingState } from "./evidence.ts";
import { asksSetting } from "./gate.ts";
import { faultHandler } from "./handler.ts";

const yes = true;
const no = false;
const open = null;

type Told = boolean | null;
/** What a name decides of a kernel: huge leaves at all, asks the setting, wrong memory, order of touches. */
type Row = readonly [kernel: string, huge: Told, asks: Told, wrong: Told, order: Told];

/**
 * Names that distributions give, and what each decides; `open` is what the running kernel is asked. A stable number with
 * others' changes on top is a lower bound; Ubuntu's, Red Hat's and SUSE's x.y.0 is one of x.y.0.
 */
const NAMES: readonly Row[] = [
  // Debian builds stable releases with few changes: its number decides either way.
  ["5.10.0-32-amd64", no, yes, yes, yes],
  ["6.1.0-47-amd64", no, yes, yes, yes],
  ["6.12.9+bpo-amd64", yes, yes, yes, yes],
  ["6.12.43+deb13-amd64", yes, yes, no, no],
  ["6.12.107+deb13-cloud-arm64", yes, yes, no, no],
  ["6.12.117+deb13-amd64", yes, no, no, no],
  ["7.3.4+deb14-amd64", yes, no, no, no],
  // Ubuntu: 20.04 to 26.04, its clouds, its mainline builds.
  ["5.4.0-216-generic", open, open, open, open],
  ["5.15.0-153-generic", open, open, open, open],
  ["6.8.0-87-generic", open, open, open, open],
  ["6.8.0-1021-azure", open, open, open, open],
  ["6.8.0-1040-aws", open, open, open, open],
  ["6.11.0-29-generic", open, open, open, open],
  ["6.14.0-37-generic", yes, open, no, open],
  ["6.17.0-14-generic", yes, open, no, no],
  ["7.0.0-15-generic", yes, open, no, no],
  ["6.13.4-061304-generic", yes, yes, no, yes],
  // NVIDIA's, on Ubuntu's and for its boards.
  ["6.8.0-1011-nvidia-64k", open, open, open, open],
  ["6.14.0-1007-nvidia", yes, open, no, open],
  ["6.17.0-1014-nvidia-64k", yes, open, no, no],
  ["5.15.148-tegra", open, open, open, open],
  // Red Hat 8 to 10, and those built from it.
  ["4.18.0-553.el8_10.x86_64", open, open, open, open],
  ["5.14.0-427.13.1.el9_4.x86_64", open, open, open, open],
  ["5.14.0-570.12.1.el9_6.aarch64+64k", open, open, open, open],
  ["6.12.0-55.9.1.el10_0.x86_64", yes, open, open, open],
  ["6.12.0-124.8.1.el10_1.x86_64", yes, open, open, open],
  // Oracle's own kernel.
  ["5.15.0-312.187.5.1.el9uek.x86_64", open, open, open, open],
  ["6.12.0-100.28.2.el9uek.x86_64", yes, open, open, open],
  // SUSE's enterprise kernels, and the rolling one.
  ["5.14.21-150500.55.110-default", open, open, open, open],
  ["6.4.0-150600.23.38-default", open, open, open, open],
  ["6.12.0-160000.7-default", yes, open, open, open],
  ["7.2.9-1-default", yes, no, no, no],
  // Proxmox counts upstream's releases.
  ["6.8.12-15-pve", open, open, open, open],
  ["6.14.8-2-pve", yes, open, no, no],
  ["6.17.2-1-pve", yes, open, no, no],
  // Amazon's, Fedora's, Microsoft's for Windows, the Raspberry Pi's, Arch's.
  ["6.1.158-178.288.amzn2023.x86_64", open, open, open, open],
  ["6.12.40-64.114.amzn2023.aarch64", yes, open, no, no],
  ["6.11.4-301.fc41.x86_64", open, open, open, open],
  ["6.18.54-200.fc43.x86_64", yes, no, no, no],
  ["7.3.0-0.rc1.260901g0123456789ab.20.fc45.x86_64", yes, open, no, no],
  ["6.6.87.2-microsoft-standard-WSL2", open, open, open, open],
  ["6.12.47+rpt-rpi-2712", yes, open, no, no],
  ["6.6.51+rpt-rpi-v8", open, open, open, open],
  ["7.2.8-arch1-1", yes, no, no, no],
  ["6.12.63-1-lts", yes, open, no, no],
];

describe("a distribution's kernel", () => {
  for (const [kernel, huge, asks, wrong, order] of NAMES) {
    it(`is known by name, as far as it goes: ${kernel}`, () => {
      assert.equal(hasHugePfnmap(kernel, "x86_64"), huge);
      assert.equal(asksSetting(kernel), asks);
      assert.deepEqual(faultHandler(kernel), { mapsWrongMemory: wrong, dependsOnOrder: order });
    });

    it(`is asked for the rest, and always answers: ${kernel}`, () => {
      for (const enabled of ["always", "madvise", "never"] as const) {
        for (const advised of [true, false]) {
          const state: MappingState = {
            kernel,
            arch: "x86_64",
            driver: "vfio-pci",
            region: 0,
            enabled,
            advised,
            eligible: null,
            suitable: true,
            physicalOffset: false,
          };
          const byName = gateOfMapping(state).gate;
          if (huge !== open && asks !== open) assert.notEqual(byName, "unknown");
          assert.equal(gateOfMapping({ ...state, eligible: true }).gate, "open");
          const told = gateOfMapping({ ...state, eligible: false });
          assert.ok(told.gate === "closed" || told.gate === "absent");
          assert.notEqual(told.cause, "kernel-unknown");
        }
      }
    });
  }
});
