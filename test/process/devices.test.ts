import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { assertGolden, assertGoldenJson } from "../golden.ts";
import { buildTool, type BuiltTool } from "./built-tool.ts";

let tool: BuiltTool;

let folder: string;

before(() => {
  tool = buildTool();
  folder = mkdtempSync(join(tmpdir(), "hugebar-devices-"));
});
after(() => {
  rmSync(folder, { recursive: true });
});

function machine(name: string): string[] {
  const root = (folder: string): string =>
    fileURLToPath(new URL(`../machines/${name}/${folder}`, import.meta.url));
  return ["--sys", root("sys"), "--proc", root("proc")];
}

function golden(name: string): URL {
  return new URL(`golden/${name}`, import.meta.url);
}

describe("hugebar devices", () => {
  it("lists the devices of a recorded machine as text and as JSON", () => {
    const [...sys] = machine("x86-mixed").slice(0, 2);
    const text = tool.run(["devices", "-i", "/dev/null", ...sys]);
    assert.deepEqual([text.status, text.stderr], [0, ""]);
    assertGolden(golden("devices-x86-mixed.txt"), text.stdout);
    const json = tool.run(["devices", "--json", "-i", "/dev/null", ...sys]);
    assert.deepEqual([json.status, json.stderr], [0, ""]);
    assertGoldenJson(golden("devices-x86-mixed.json"), json.stdout);
  });

  it("shows the names of pci.ids, and what the filters of lspci leave", () => {
    const ids = join(folder, "pci.ids");
    writeFileSync(ids, "15b3  Mellanox Technologies\n\t101d  MT2892 Family [ConnectX-6 Dx]\n");
    const [...sys] = machine("x86-mixed").slice(0, 2);
    const all = tool.run(["devices", "-i", ids, "--json", ...sys]).stdout;
    assert.match(all, /"vendorName": "Mellanox Technologies"/);
    assert.match(tool.run(["devices", "-i", ids, ...sys]).stdout, /Mellanox Technologies MT2892 Family/);
    const devices = (...words: string[]): string[] =>
      [...tool.run(["devices", "--json", ...words, ...sys]).stdout.matchAll(/"device": "([^"]*)"/g)].map(
        (match) => match[1] ?? "",
      );
    assert.deepEqual(devices("-s", "41:"), ["0000:41:00.0", "0000:41:00.1"]);
    assert.deepEqual(devices("-s", ".1"), ["0000:41:00.1"]);
    assert.deepEqual(devices("-d", "ffff:"), []);
    assert.equal(tool.run(["devices", "-s", "nvme0", ...sys]).status, 2);
  });

  it("shows one device by its short address", () => {
    const { stdout } = tool.run(["devices", "41:00.1", "--json", ...machine("x86-mixed").slice(0, 2)]);
    assert.match(stdout, /"device": "0000:41:00\.1"/);
    assert.doesNotMatch(stdout, /"device": "0000:41:00\.0"/);
  });

  it("ends with 3 where there is no such device, with 2 where it is no address", () => {
    const { status, stderr } = tool.run(["devices", "7f:00.0", ...machine("x86-mixed").slice(0, 2)]);
    assert.deepEqual(
      [status, stderr],
      [3, "hugebar: Cannot open 0000:7f:00.0: there is no such PCI device; `hugebar devices` lists them\n"],
    );
    assert.equal(tool.run(["devices", "nvme0"]).status, 2);
  });

  it("lists this machine", () => {
    const { status, stderr, stdout } = tool.run(["devices", "--json"]);
    assert.deepEqual([status, stderr], [0, ""]);
    assert.match(stdout, /"schemaVersion": 1/);
  });
});

describe("hugebar bind and unbind", () => {
  it("print what they would write", () => {
    for (const [verb, device] of [
      ["bind", "42:00.0"],
      ["unbind", "41:00.0"],
    ] as const) {
      const more = verb === "bind" ? ["--no-iommu"] : [];
      const text = tool.run([
        verb,
        device,
        "--dry-run",
        "--group",
        "--force",
        ...more,
        ...machine("x86-mixed"),
      ]);
      assert.equal(text.status, 0, verb);
      assertGolden(golden(`${verb}-dry-run.stderr`), text.stderr);
      const here = text.stdout.replaceAll(machine("x86-mixed")[1] ?? "", "/sys");
      assertGolden(golden(`${verb}-dry-run.txt`), here);
    }
  });

  it("leave a device alone that processes hold open", () => {
    const { status, stderr } = tool.run(["unbind", "41:00.0", "--dry-run", ...machine("x86-mixed")]);
    assert.equal(status, 5);
    assert.match(
      stderr,
      /^hugebar: Cannot unbind 0000:41:00\.0: process 310 \(.*\), process 350 \(.*\), process 360 \(.*\) hold it open; end that first, or wait for it with --force\n$/,
    );
  });

  it("need no write where the device is as it should be", () => {
    const { status, stdout, stderr } = tool.run(["bind", "41:00.0", "--dry-run", ...machine("x86-mixed")]);
    assert.deepEqual([status, stdout, stderr], [0, "", "hugebar: 0000:41:00.0 is bound to VFIO already\n"]);
  });

  it("refuse what carries a pool, a file system over several disks, or virtual functions", () => {
    const use = (name: string, device: string): [number | null, string] => {
      const { status, stdout, stderr } = tool.run(["bind", device, "--dry-run", ...machine(name)]);
      assert.equal(stdout, "");
      return [status, stderr];
    };
    const ending = "--force takes it away all the same\n";
    assert.deepEqual(use("bind-zfs-root", "01:00.0"), [
      5,
      `hugebar: Cannot bind 0000:01:00.0: it is in use: /dev/nvme0n1p1, /dev/nvme0n1p2, /dev/nvme0n1p3 may be of ZFS pool rpool, mounted on /, /rpool, …: nothing here tells which disks a pool has. ${ending}`,
    ]);
    const btrfs = "btrfs 0f2d4a1c-0000-4000-8000-000000000001, mounted on /data";
    assert.deepEqual(use("bind-zfs-root", "02:00.0"), [
      5,
      `hugebar: Cannot bind 0000:02:00.0: it is in use: /dev/nvme2n1 is mounted on /data; /dev/nvme2n1 is one of the disks of ${btrfs}. ${ending}`,
    ]);
    assert.deepEqual(use("bind-zfs-root", "03:00.0"), [
      5,
      `hugebar: Cannot bind 0000:03:00.0: it is in use: /dev/nvme1n1 is one of the disks of ${btrfs}. ${ending}`,
    ]);
    assert.deepEqual(use("bind-pf-with-vfs", "4b:00.0"), [
      5,
      `hugebar: Cannot bind 0000:4b:00.0: it is in use: it has 2 virtual functions: 0000:4b:01.0 (vfio-pci, held by process 4242 (qemu-system-x86)), 0000:4b:01.1 (vfio-pci). ${ending}`,
    ]);
  });

  it("never write to a recorded machine", () => {
    const { status, stderr } = tool.run(["bind", "42:00.0", ...machine("x86-mixed")]);
    assert.deepEqual(
      [status, stderr],
      [2, "hugebar: --sys and --proc read a recorded machine: they need --dry-run\n"],
    );
  });
});
