import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parseRelease, type Distribution } from "./release.ts";

/** Names of releases as distributions give them. */
const NAMES: Readonly<Record<Distribution, readonly string[]>> = {
  upstream: ["6.12", "6.12.107", "6.13.0-rc3"],
  debian: [
    "6.12.117+deb13-amd64",
    "6.12.9+bpo-amd64",
    "6.1.0-47-amd64",
    "5.10.0-32-cloud-arm64",
    "6.13-rc7-amd64",
  ],
  "ubuntu-mainline": ["6.13.4-061304-generic", "6.13.0-061300rc3-generic"],
  ubuntu: ["6.8.0-87-generic", "6.14.0-1018-aws", "6.8.0-1021-azure", "6.8.0-31-lowlatency-64k"],
  nvidia: ["6.8.0-1011-nvidia-64k", "6.17.0-1014-nvidia", "5.15.148-tegra"],
  redhat: ["4.18.0-553.el8_10.x86_64", "5.14.0-570.12.1.el9_6.aarch64+64k", "6.12.0-55.9.1.el10_0.x86_64"],
  oracle: ["5.15.0-312.187.5.1.el9uek.x86_64", "6.12.0-100.28.2.el10uek.aarch64"],
  fedora: ["6.18.54-200.fc43.x86_64", "7.3.0-0.rc1.260901g0123456789ab.20.fc45.x86_64"],
  suse: ["6.4.0-150600.23.38-default", "6.12.0-160000.7-default"],
  opensuse: ["7.3.0-1-default", "6.13.0-rc3-1.g0123456-default"],
  amazon: ["6.1.158-178.288.amzn2023.x86_64", "6.12.40-64.114.amzn2023.aarch64"],
  proxmox: ["6.8.12-15-pve", "6.17.2-1-pve"],
  wsl: ["6.6.87.2-microsoft-standard-WSL2", "5.15.167.4-microsoft-standard-WSL2"],
  "raspberry-pi": ["6.12.47+rpt-rpi-2712", "6.12.47+rpt-rpi-v8", "6.6.51-v8-16k+"],
  arch: ["7.2.8-arch1-1", "6.18.2-zen1-1-zen", "6.12.63-1-lts"],
  other: ["6.12.50+", "6.12.50-g0123456789ab", "6.18.44-fc-v669", "7.3.0-rc2-next-20260910"],
};

describe("parseRelease", () => {
  it("knows whose kernel it is", () => {
    for (const [distribution, names] of Object.entries(NAMES)) {
      for (const name of names) assert.equal(parseRelease(name)?.distribution, distribution, name);
    }
  });

  it("takes the numbers for what they are there", () => {
    const numbers = (name: string) => {
      const release = parseRelease(name);
      return release && [release.series, release.patch, release.candidate, release.faithful];
    };
    const rows: readonly (readonly [string, readonly unknown[] | null])[] = [
      ["6.12", [6_012, 0, null, true]],
      ["6.12.107+deb13-amd64", [6_012, 107, null, true]],
      ["6.1.0-47-amd64", [6_001, null, null, true]],
      ["6.13.0-rc3", [6_013, 0, 3, true]],
      ["6.13.0-061300rc3-generic", [6_013, 0, 3, true]],
      ["6.13.4-061304-generic", [6_013, 4, null, true]],
      ["7.3.0-0.rc1.260901g0123456789ab.20.fc45.x86_64", [7_003, 0, 1, false]],
      ["7.3.0-rc2-next-20260910", [7_003, 0, 2, false]],
      ["6.8.0-87-generic", [6_008, 0, null, false]],
      ["6.14.8-2-pve", [6_014, 8, null, false]],
      ["6.6.87.2-microsoft-standard-WSL2", [6_006, 87, null, false]],
      ["6.12.50+", [6_012, 50, null, false]],
      ["", null],
      ["6", null],
      ["6.x", null],
      ["v6.12.1", null],
    ];
    for (const [name, expected] of rows) assert.deepEqual(numbers(name), expected, name);
  });

  it("takes any text", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((rest) => `6.12.1${rest}`),
        ),
        (name) => {
          const release = parseRelease(name);
          assert.ok(release === null || Number.isSafeInteger(release.series));
        },
      ),
    );
    assert.equal(parseRelease(`6.12.1-${"0.".repeat(50_000)}`)?.distribution, "other");
  });
});
