/** A recorded machine of 123 virtual machines, each with a device of its own: good ones, bad ones, and two that may not be read. */

import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export const CROWD = { machines: 123, refused: 2 } as const;

const GIB = 2n ** 30n;
/** Every third is off by 2 MiB, every tenth by a page; the others are aligned. */
const MISSES = (number: number): bigint => (number % 3 === 0 ? 2n << 20n : number % 10 === 1 ? 4096n : 0n);

/** Writes its /proc and /sys below `folder`. */
export function writeCrowd(folder: string): { readonly proc: string; readonly sys: string } {
  const [proc, sys] = [join(folder, "proc"), join(folder, "sys")];
  const write = (path: string, text: string): void => {
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, text);
  };
  write(join(proc, "sys/kernel/osrelease"), "6.18.3\n");
  write(join(proc, "sys/kernel/arch"), "x86_64\n");
  write(join(proc, "sys/kernel/hostname"), "host-17\n");
  write(join(proc, "hugebar-record"), "time: 2026-11-20T08:15:42.000Z\nprocesses: 1411\n");
  write(join(sys, "kernel/mm/transparent_hugepage/enabled"), "[always] madvise never\n");
  write(join(sys, "kernel/mm/transparent_hugepage/hpage_pmd_size"), "2097152\n");
  mkdirSync(join(sys, "bus/pci/devices"), { recursive: true });
  for (let number = 1; number <= CROWD.machines; number += 1) {
    const pid = 4000 + number;
    const bdf = `0000:${number.toString(16).padStart(2, "0")}:00.0`;
    const physical = 0x200000000000n + BigInt(number) * 64n * GIB;
    const size = 32n * GIB;
    const device = join(sys, `devices/pci0000:00/${bdf}`);
    const none = `${"0x0000000000000000 ".repeat(3).trim()}\n`;
    write(
      join(device, "resource"),
      `${none.repeat(2)}0x${physical.toString(16).padStart(16, "0")} 0x${(physical + size - 1n).toString(16).padStart(16, "0")} 0x000000000014220c\n${none.repeat(10)}`,
    );
    for (const [name, text] of [
      ["class", "0x030200"],
      ["vendor", "0x10de"],
      ["device", "0x2330"],
    ] as const) {
      write(join(device, name), `${text}\n`);
    }
    symlinkSync("../../../bus/pci/drivers/vfio-pci", join(device, "driver"));
    symlinkSync(`../../../devices/pci0000:00/${bdf}`, join(sys, `bus/pci/devices/${bdf}`));
    const own = join(proc, String(pid));
    const start = 0x7f0000000000n + MISSES(number);
    write(
      join(own, "maps"),
      `${start.toString(16)}-${(start + size).toString(16)} rw-s 20000000000 00:0f 1060                    anon_inode:[vfio-device]\n`,
    );
    write(join(own, "comm"), "qemu-system-x86\n");
    write(
      join(own, "status"),
      `Name:\tqemu-system-x86\nTgid:\t${pid}\nPid:\t${pid}\nVmPTE:\t    1536 kB\nTHP_enabled:\t1\n`,
    );
    write(
      join(own, "cgroup"),
      `0::/machine.slice/machine-qemu-${number}-gpu-${number}.scope/libvirt/emulator\n`,
    );
    write(
      join(own, "fdinfo/12"),
      `pos:\t0\nflags:\t02000002\nvfio-device-syspath: /sys/devices/pci0000:00/${bdf}\n`,
    );
    mkdirSync(join(own, "fd"));
    symlinkSync("anon_inode:[vfio-device]", join(own, "fd/12"));
  }
  for (let number = 1; number <= CROWD.refused; number += 1) {
    write(join(proc, `${9000 + number}/comm`), "qemu-system-x86\n");
    write(join(proc, `${9000 + number}/refused`), "not-permitted\n");
  }
  return { proc, sys };
}
