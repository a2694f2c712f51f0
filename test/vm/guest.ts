/**
 * Boots a guest, a real Linux kernel under QEMU's software emulation, and runs test files inside it.
 *
 *     const report = await runGuest({
 *       kernel: "built",                                  // or "stock", "newest": provision/kernels.ts
 *       tests: ["test/vm/guest/bed.guest.ts"],            // node:test files, named so that the host does not run them
 *       devices: [pciTestdev(0x10, "64G")],               // devices.ts, or any arguments of QEMU
 *       append: "transparent_hugepage=madvise",           // more kernel command line
 *     });
 *
 * A test file that starts a guest uses `runGuestTests` (guest-tests.ts) instead, which repeats the guest's results as
 * tests of its own. Nothing needs KVM or privileges. The guest has this checkout's `src/` and `test/` below
 * `/hugebar`, busybox's commands, debugfs and tracefs mounted, and vfio-pci loaded; no device is bound to it yet.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { memory, vfioUserPci } from "./devices.ts";
import { diskPath, emulate } from "./emulator.ts";
import { writeGuestDisk } from "./guest-disk.ts";
import { folderOf } from "./provision/cache.ts";
import { kernel, type KernelName } from "./provision/kernels.ts";
import { provision } from "./provision/provision.ts";
import type { QemuVersion } from "./provision/qemu.ts";
import { type GuestEvent, type GuestTest, readEvents } from "./report/events.ts";

export interface GuestOptions {
  readonly kernel: KernelName;
  /** Test files, relative to the root of the repository. */
  readonly tests: readonly string[];
  readonly devices?: readonly (readonly string[])[];
  /** Sockets of vfio-user devices, which become 0000:00:18.0, 0000:00:19.0 and so on; QEMU is then 11.1. */
  readonly vfioUser?: readonly string[];
  readonly append?: string;
  /** QEMUs to put into the guest, each to be run by `chroot /qemu/VERSION qemu-system-x86_64 …`. */
  readonly qemus?: readonly QemuVersion[];
  /** Environment variables for the tests, which find the kernel's name in `GUEST_KERNEL` as well. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly memoryMebibytes?: number;
  /** For the whole guest, from start to power-off; a single test has two thirds of it. */
  readonly timeLimitSeconds?: number;
}

export interface GuestReport {
  readonly tests: readonly GuestTest[];
  /** What the guest's tests said by `t.diagnostic()`. */
  readonly diagnostics: readonly string[];
  /** What the tests printed. */
  readonly output: string;
  readonly console: string;
  /** What QEMU wrote to standard error. */
  readonly messages: string;
  /** What went wrong with the guest itself, or null when it ran to its end. */
  readonly problem: string | null;
  readonly seconds: number;
}

const defaultTimeLimitSeconds = 300;

export async function runGuest(options: GuestOptions): Promise<GuestReport> {
  const { qemus = [], timeLimitSeconds = defaultTimeLimitSeconds } = options;
  const machine = versionFor(options);
  await provision([
    ...(["guest-system", `qemu-${machine}`, `kernel-${options.kernel}`] as const),
    ...qemus.map((version) => `qemu-${version}` as const),
  ]);
  const folder = mkdtempSync(join(tmpdir(), "hugebar-guest-"));
  try {
    for (const file of ["console", "report"]) writeFileSync(join(folder, file), "");
    await writeGuestDisk(join(folder, "disk"), {
      kernel: options.kernel,
      qemus,
      environment: {
        GUEST_KERNEL: options.kernel,
        TEST_FILES: options.tests.join(" "),
        TEST_TIMEOUT: String(Math.round((timeLimitSeconds * 2000) / 3)),
        ...options.environment,
      },
    });
    const started = Date.now();
    const arguments_ = qemuArguments(folder, options);
    const { problem, messages } = await emulate(folder, machine, arguments_, timeLimitSeconds);
    const console = readFileSync(join(folder, "console"), "utf8");
    const events = readEvents(readFileSync(join(folder, "report"), "utf8"));
    const seconds = (Date.now() - started) / 1000;
    return { ...summaryOf(events, problem), console, messages, seconds };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Which QEMU runs the guest: served devices are new. */
function versionFor({ vfioUser = [] }: GuestOptions): QemuVersion {
  return vfioUser.length > 0 ? "11.1" : "10.0";
}

function qemuArguments(folder: string, options: GuestOptions): string[] {
  const { kernel: name, devices = [], vfioUser = [], append = "", memoryMebibytes = 2048 } = options;
  const isShared = vfioUser.length > 0;
  // On a busy host the timer's ticks can fail to come while the kernel looks for them; it would panic (check_timer).
  const commandLine = `console=ttyS0 loglevel=5 log_buf_len=8M panic=-1 no_timer_check intel_iommu=on ${append}`;
  return [
    ["-accel", "tcg,thread=multi", "-cpu", "max,phys-bits=46", "-smp", "2"],
    ["-machine", "q35,kernel-irqchip=split,memory-backend=ram", ...memory(memoryMebibytes, isShared)],
    ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
    ["-serial", `file:${join(folder, "console")}`, "-serial", `file:${join(folder, "report")}`],
    ["-kernel", join(folderOf(kernel(name)), "vmlinuz"), "-initrd", diskPath],
    ["-append", commandLine],
    // Room for BARs of up to half a terabyte; q35's own hole has 32 GiB.
    ["-global", "q35-pcihost.pci-hole64-size=1024G"],
    // A device outside of QEMU is told of the IOMMU's mappings as they are made: that is the caching mode.
    ["-device", `intel-iommu,intremap=on,aw-bits=48,caching-mode=${isShared ? "on" : "off"}`],
    ...devices,
    ...vfioUser.map((socket, index) => vfioUserPci(socket, { addr: (0x18 + index).toString(16) })),
  ].flat();
}

function summaryOf(
  events: readonly GuestEvent[],
  qemuProblem: string | null,
): Pick<GuestReport, "tests" | "diagnostics" | "output" | "problem"> {
  const tests = events.filter((event) => event.type === "test");
  const texts = (type: "diagnostic" | "output"): string[] =>
    events.flatMap((event) => (event.type === type ? [event.text] : []));
  const end = events.find((event) => event.type === "end");
  const failed = tests.some(({ failure }) => failure !== null);
  const problem =
    qemuProblem ??
    (end === undefined
      ? "the guest ended before its tests did"
      : end.status !== 0 && !failed
        ? `node --test ended with status ${end.status} in the guest, and no test failed`
        : tests.length === 0
          ? "no test ran in the guest"
          : null);
  return { tests, diagnostics: texts("diagnostic"), output: texts("output").join(""), problem };
}
