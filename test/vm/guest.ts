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
  /** What went wrong with the guest itself, or null when it ran to its end. */
  readonly problem: string | null;
  readonly seconds: number;
}

const defaultTimeLimitSeconds = 300;

export async function runGuest(options: GuestOptions): Promise<GuestReport> {
  const { qemus = [], timeLimitSeconds = defaultTimeLimitSeconds } = options;
  await provision([
    ...(["guest-system", "qemu-10.0", `kernel-${options.kernel}`] as const),
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
    const ending = await emulate(folder, qemuArguments(folder, options), timeLimitSeconds);
    const console = readFileSync(join(folder, "console"), "utf8");
    const events = readEvents(readFileSync(join(folder, "report"), "utf8"));
    return { ...summaryOf(events, ending), console, seconds: (Date.now() - started) / 1000 };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function qemuArguments(folder: string, options: GuestOptions): string[] {
  const { kernel: name, devices = [], append = "", memoryMebibytes = 2048 } = options;
  const commandLine = `console=ttyS0 loglevel=5 log_buf_len=8M panic=-1 intel_iommu=on ${append}`;
  return [
    ["-accel", "tcg,thread=multi", "-cpu", "max,phys-bits=46", "-smp", "2"],
    ["-machine", "q35,kernel-irqchip=split", "-m", String(memoryMebibytes)],
    ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
    ["-serial", `file:${join(folder, "console")}`, "-serial", `file:${join(folder, "report")}`],
    ["-kernel", join(folderOf(kernel(name)), "vmlinuz"), "-initrd", diskPath],
    ["-append", commandLine],
    // Room for BARs of up to half a terabyte; q35's own hole has 32 GiB.
    ["-device", "intel-iommu,intremap=on,aw-bits=48", "-global", "q35-pcihost.pci-hole64-size=1024G"],
    ...devices,
  ].flat();
}

function summaryOf(
  events: readonly GuestEvent[],
  ending: string | null,
): Pick<GuestReport, "tests" | "diagnostics" | "output" | "problem"> {
  const tests = events.filter((event) => event.type === "test");
  const texts = (type: "diagnostic" | "output"): string[] =>
    events.flatMap((event) => (event.type === type ? [event.text] : []));
  const end = events.find((event) => event.type === "end");
  const failed = tests.some(({ failure }) => failure !== null);
  const problem =
    ending ??
    (end === undefined
      ? "the guest ended before its tests did"
      : end.status !== 0 && !failed
        ? `node --test ended with status ${end.status} in the guest, and no test failed`
        : tests.length === 0
          ? "no test ran in the guest"
          : null);
  return { tests, diagnostics: texts("diagnostic"), output: texts("output").join(""), problem };
}
