import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { ownerByArguments, ownerByGroup, ownerInWords, ownerText, readOwner } from "./owner.ts";

const ID = "0123456789abcdef".repeat(4);
const POD = "3f2504e0-4f89-11d3-9a0c-0305e82c3301";

describe("ownerByGroup", () => {
  it("knows virtual machines, containers, pods and units", () => {
    const owners = new Map<string, string>([
      [String.raw`0::/machine.slice/machine-qemu\x2d3\x2dweb\x2d01.scope/libvirt/emulator`, "domain web-01"],
      [String.raw`0::/machine.slice/machine-ch\x2d1\x2ddb.scope`, "domain db"],
      [String.raw`0::/machine.slice/machine-debian.scope/payload`, "machine debian"],
      ["0::/machine.slice/systemd-nspawn@debian.service/payload", "machine debian"],
      ["0::/qemu.slice/101.scope", "machine 101"],
      [`0::/system.slice/docker-${ID}.scope`, "container 0123456789ab"],
      [`12:devices:/docker/${ID}\n0::/`, "container 0123456789ab"],
      [
        `0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-${ID}.scope/container`,
        "container 0123456789ab",
      ],
      [
        `0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${POD.replaceAll("-", "_")}.slice/cri-containerd-${ID}.scope`,
        `container 0123456789ab of pod ${POD}`,
      ],
      [`0::/kubepods/besteffort/pod${POD}/${ID}`, `container 0123456789ab of pod ${POD}`],
      // Seen from a container with a name space of control groups of its own; and Kata's virtual machine.
      [
        `0::/../../kubepods-pod${POD.replaceAll("-", "_")}.slice/crio-${ID}.scope`,
        `container 0123456789ab of pod ${POD}`,
      ],
      [`0::/kubepods/pod${POD}/kata_${ID}`, `container 0123456789ab of pod ${POD}`],
      // Kata's virtual machine monitor outside of its containers.
      [
        `0::/kubepods.slice/kubepods-burstable-pod${POD.replaceAll("-", "_")}.slice/kata_overhead`,
        `pod ${POD}`,
      ],
      ["0::/lxc.payload.build/init.scope", "container build"],
      ["0::/lxc/build", "container build"],
      ["4:memory:/lxc.payload/build\n1:name=systemd:/lxc.payload/build/init.scope", "container build"],
      // Before version 2, and with both, controllers differ: the first may know of the service alone that started it.
      [
        [
          "12:misc:/system.slice/libvirtd.service",
          String.raw`11:memory:/machine.slice/machine-qemu\x2d3\x2dweb\x2d01.scope`,
          "0::/system.slice/libvirtd.service",
        ].join("\n"),
        "domain web-01",
      ],
      [
        `12:rdma:/system.slice/crio.service\n11:devices:/kubepods.slice/kubepods-pod${POD.replaceAll("-", "_")}.slice/crio-${ID}.scope`,
        `container 0123456789ab of pod ${POD}`,
      ],
      [`1:name=systemd:/docker/${ID}\n0::/system.slice/containerd.service`, "container 0123456789ab"],
      [`0::/system.slice/containerd.service\n1:name=systemd:/docker/${ID}`, "container 0123456789ab"],
      // libvirt where there is no systemd-machined.
      ["11:cpuset:/machine/qemu-3-web-01.libvirt-qemu/emulator", "domain web-01"],
      ["0::/machine/web-01.libvirt-qemu", "domain web-01"],
      [
        `0::/system.slice/kubepods-burstable-pod${POD.replaceAll("-", "_")}.slice:cri-containerd:${ID}`,
        `container 0123456789ab of pod ${POD}`,
      ],
      ["0::/system.slice/spdk.service", "unit spdk.service"],
      ["0::/user.slice/user-1000.slice/user@1000.service/app.slice/vm.service", "unit vm.service"],
      ["0::/user.slice/user-1000.slice/session-2.scope", "unit session-2.scope"],
    ]);
    const found = [...owners].map(([text]) => {
      const owner = ownerByGroup(`${text}\n`);
      return [text, owner === null ? null : ownerInWords(owner)];
    });
    assert.deepEqual(found, [...owners]);
    for (const text of ["0::/\n", "", "0::/user.slice\n"]) assert.equal(ownerByGroup(text), null, text);
  });
});

describe("ownerByArguments", () => {
  it("reads QEMU's -name, and no other program's", () => {
    const name = (value: string, program = "/usr/bin/qemu-system-x86_64"): string | undefined =>
      ownerByArguments([program, "-machine", "q35", "-name", value, ""])?.name;
    assert.equal(name("web-01"), "web-01");
    assert.equal(name("guest=web-01,debug-threads=on"), "web-01");
    assert.equal(name("guest=a,,b,process=x"), "a,b");
    assert.equal(name("debug-threads=on"), undefined);
    assert.equal(name("web-01", "/usr/bin/kvm"), "web-01");
    assert.equal(name("web-01", "/usr/bin/podman"), undefined);
    assert.equal(ownerByArguments(["qemu-system-x86_64", "-name"]), null);
  });

  it("reads Firecracker's --id", () => {
    const name = (...words: string[]): string | undefined =>
      ownerByArguments(["/usr/bin/firecracker-v1.16.1", "--api-sock", "x", ...words])?.name;
    assert.deepEqual([name("--id", "vm-1"), name("--id=vm-2")], ["vm-1", "vm-2"]);
    assert.deepEqual([name(), name("--id"), name("--id="), name("--ids", "x")], Array(4).fill(undefined));
  });
});

describe("readOwner", () => {
  it("prefers the machine's name to the unit that started it, and reads what was recorded", () => {
    const proc = mkdtempSync(join(tmpdir(), "hugebar-owner-"));
    try {
      mkdirSync(join(proc, "7"));
      writeFileSync(join(proc, "7/cgroup"), "0::/system.slice/vm.service\n");
      assert.deepEqual(readOwner(proc, 7), { kind: "unit", name: "vm.service", pod: null });
      writeFileSync(join(proc, "7/cmdline"), "qemu-system-x86_64\0-name\0web\0");
      const owner = readOwner(proc, 7);
      assert.deepEqual(owner, { kind: "machine", name: "web", pod: null });
      mkdirSync(join(proc, "8"));
      writeFileSync(
        join(proc, "8/hugebar-owner"),
        ownerText(owner ?? { kind: "unit", name: "x", pod: null }),
      );
      assert.deepEqual(readOwner(proc, 8), owner);
      assert.equal(readOwner(proc, 9), null);
    } finally {
      rmSync(proc, { recursive: true });
    }
  });
});
