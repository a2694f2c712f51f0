/**
 * Boots a guest, a real Linux kernel under QEMU's software emulation, and runs test files inside it.
 *
 *     const report = await runGuest({
 *       kernel: "iommufd",                                // what the tests need of it: provision/roles.ts
 *       tests: ["test/vm/guest/bed.guest.ts"],            // node:test files, named so that the host does not run them
 *       devices: [pciTestdev(0x10, "64G")],               // devices.ts, or any arguments of QEMU
 *       append: "transparent_hugepage=madvise",           // more kernel command line
 *     });
 *
 * A test file that starts a guest uses `runGuestTests` (guest-tests.ts) instead, which repeats the guest's results as
 * tests of its own. Nothing needs KVM or privileges. The guest has this checkout's `src/` and `test/` below
 * `/hugebar`, busybox's commands, debugfs and tracefs mounted, and vfio-pci loaded; no device is bound to it yet.
 */

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { diskPath, emulate } from "./emulator.ts";
import { writeGuestDisk } from "./guest-disk.ts";
import { type DeviceTreeNode, withNodes } from "./machine/device-tree.ts";
import { run } from "./provision/command.ts";
import { cacheFolder } from "./provision/cache.ts";
import type { Bootable } from "./provision/kernels.ts";
import { NotInArchive } from "./provision/not-in-archive.ts";
import { provision } from "./provision/provision.ts";
import { qemuCommand, qemuName, type QemuRole, type QemuBuild, whyNoQemu } from "./provision/qemu.ts";
import { guestSystemName } from "./provision/guest-system.ts";
import { castKernel, type KernelRole } from "./provision/roles.ts";
import { type GuestEvent, type GuestTest, readEvents } from "./report/events.ts";
import { strayBreakpoint } from "./stray-breakpoint.ts";

export interface GuestOptions extends BootOptions {
  readonly kernel: KernelRole;
}

export interface BootOptions {
  /** Test files, relative to the root of the repository. */
  readonly tests: readonly string[];
  readonly devices?: readonly (readonly string[])[];
  /** Sockets of vfio-user devices, which become 0000:00:18.0, 0000:00:19.0 and so on. */
  readonly vfioUser?: readonly string[];
  readonly append?: string;
  /** Nodes that the machine's own device tree gets below its PCI host, where it has one. */
  readonly deviceTree?: readonly DeviceTreeNode[];
  /** QEMUs to put into the guest, those that the archive has: `guest/qemu.ts` says which, and runs them. */
  readonly qemus?: readonly QemuRole[];
  /** Whether the tools of provision/storage-tools.ts are to be in the guest, each to be run by `chroot /tools`. */
  readonly storageTools?: boolean;
  /** Whether the guest that QEMUs inside run by KVM is to be there, for `guest/kvm/qemu-guest.ts`. */
  readonly kvmGuest?: boolean;
  /** Environment variables for the tests, which find what their kernel is in `guest/kernel.ts`. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly memoryMebibytes?: number;
  /** For the whole guest, from start to power-off. */
  readonly timeLimitSeconds?: number;
}

export interface GuestReport {
  /** Why there is no QEMU for some of what the tests wanted. */
  readonly leftOut: readonly string[];
  /** Files that say why the guest was booted once more: its processors stood still, or the emulator tripped its kernel. */
  readonly standstills: readonly string[];
  /** The kernel that had the role, and how that is known. */
  readonly kernel: string;
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

/** For guests that run and do not end: those that stand still are found sooner (standstill.ts), and a busy host takes its time. */
const defaultTimeLimitSeconds = 900;
const defaultMemoryMebibytes = 2048;

/** Booted on a busy host, a guest finds its time stamp counter slower than it is: its clock was seen to run seven times as fast. */
const guestClockMargin = 10;

export async function runGuest(options: GuestOptions): Promise<GuestReport> {
  const kernel = await castKernel(options.kernel);
  const report = await bootGuest(kernel, {
    ...options,
    environment: {
      GUEST_KERNEL: options.kernel,
      GUEST_FACTS: JSON.stringify(kernel.facts),
      ...options.environment,
    },
  });
  return { kernel: kernel.description, ...report };
}

/** The same with a kernel that is provisioned, of which nothing need be known. */
export async function bootGuest(
  kernel: Bootable,
  options: BootOptions,
): Promise<Omit<GuestReport, "kernel">> {
  const { qemus: wanted = [], vfioUser = [] } = options;
  const { machine } = kernel;
  const emulator = await castEmulator(machine.emulators({ vfioUser }), machine.emulator);
  const tools = options.storageTools === true ? (["storage-tools"] as const) : [];
  const inner = options.kvmGuest === true ? (["bar-reader"] as const) : [];
  await provision([
    guestSystemName(machine),
    ...tools,
    ...inner,
    ...wanted.map((role) => qemuName(role, machine.inner)),
  ]);
  const obstacles = wanted.map((role) => whyNoQemu(role, machine.inner));
  const leftOut = obstacles.filter((obstacle) => obstacle !== null);
  const qemus = wanted.filter((_, index) => obstacles[index] === null);
  const boot = (): Promise<Boot> => bootOnce(kernel, emulator, { ...options, qemus });
  const first = await boot();
  if (first.standstill === null) return { ...first, leftOut, standstills: [] };
  const file = keepStandstill(first.standstill, first.console);
  const { standstill, ...second } = await boot();
  return {
    ...second,
    leftOut,
    standstills: standstill === null ? [file] : [file, keepStandstill(standstill, second.console)],
  };
}

/** The first of these that the archive has, provisioned now if it is not there. */
async function castEmulator(roles: readonly QemuRole[], build: QemuBuild): Promise<QemuRole> {
  for (const role of roles) {
    await provision([qemuName(role, build)]);
    if (whyNoQemu(role, build) === null) return role;
  }
  const obstacles = roles.map((role) => whyNoQemu(role, build));
  throw new NotInArchive(`no QEMU for this guest: ${obstacles.join("; ")}`);
}

type Boot = Omit<GuestReport, "kernel" | "standstills" | "leftOut"> & { readonly standstill: string | null };

async function bootOnce(kernel: Bootable, emulator: QemuRole, options: BootOptions): Promise<Boot> {
  const { machine } = kernel;
  const { timeLimitSeconds = defaultTimeLimitSeconds } = options;
  const folder = mkdtempSync(join(tmpdir(), "hugebar-guest-"));
  const [console, report] = [join(folder, "console"), join(folder, "report")];
  try {
    for (const file of [console, report]) writeFileSync(file, "");
    await writeGuestDisk(join(folder, "disk"), {
      machine,
      modules: join(kernel.folder, "modules"),
      qemus: options.qemus ?? [],
      storageTools: options.storageTools ?? false,
      kvmGuest: options.kvmGuest ?? false,
      environment: {
        REPORT_PORT: machine.reportPort,
        GUEST_QEMUS: (options.qemus ?? []).join(" "),
        TEST_FILES: options.tests.join(" "),
        TEST_TIMEOUT: String(timeLimitSeconds * 1000 * guestClockMargin),
        LOOK_AFTER: String(Math.ceil(timeLimitSeconds / 2)),
        ...options.environment,
      },
    });
    const started = Date.now();
    const command = qemuCommand(emulator, machine.emulator);
    const machineOptions = {
      memoryMebibytes: options.memoryMebibytes ?? defaultMemoryMebibytes,
      console,
      report,
      kernel: join(kernel.folder, "vmlinuz"),
      disk: diskPath,
      append: `${kernel.append} ${options.append ?? ""}`,
      devices: options.devices ?? [],
      vfioUser: options.vfioUser ?? [],
    };
    const arguments_ = [
      ...machine.arguments(machineOptions),
      ...(options.deviceTree === undefined
        ? []
        : grownTree(
            folder,
            command,
            machine.arguments({ ...machineOptions, disk: join(folder, "disk") }),
            options.deviceTree,
          )),
    ];
    const { problem, standstill, ...run } = await emulate(
      folder,
      qemuCommand(emulator, machine.emulator),
      arguments_,
      timeLimitSeconds,
    );
    const events = readEvents(readFileSync(report, "utf8"));
    const seconds = (Date.now() - started) / 1000;
    const printed = readFileSync(console, "utf8");
    const summary = summaryOf(events, problem);
    return {
      ...summary,
      ...run,
      standstill: standstill ?? strayBreakpoint(printed),
      console: printed,
      seconds,
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** QEMU's arguments for the device tree that it would make by itself, with more nodes. */
function grownTree(
  folder: string,
  [program = "", ...words]: readonly string[],
  machineArguments: readonly string[],
  nodes: readonly DeviceTreeNode[],
): string[] {
  const file = join(folder, "device-tree");
  // It writes the tree and ends.
  run(program, [...words, ...machineArguments, "-machine", `dumpdtb=${file}`]);
  writeFileSync(file, withNodes(readFileSync(file), "pcie@10000000", nodes));
  return ["-dtb", file];
}

/** Writes down what a guest that the emulator failed was found to be in, and returns the file. */
function keepStandstill(state: string, console: string): string {
  const folder = join(cacheFolder(), "standstills");
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${new Date().toISOString().replaceAll(":", "")}-${process.pid}`);
  writeFileSync(file, `${state}\nThe guest's console:\n${console}`);
  return file;
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
