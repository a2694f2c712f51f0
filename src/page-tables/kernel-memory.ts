/** The running kernel, opened for reading: its memory, its structures and its symbols. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { HugebarError, hugebarError } from "../errors.ts";
import { Btf } from "./btf.ts";
import { findSymbols } from "./kallsyms.ts";
import { Kcore } from "./kcore.ts";
import { StructLayout } from "./struct-layout.ts";
import { arm64Format, x86HostFormat, type TableFormat } from "./table-format.ts";

/** Where the kernel shows itself: `/proc` and `/sys`, of the machine that this runs on. */
export interface KernelRoots {
  readonly proc: string;
  readonly sys: string;
}

/** What `modules` of the kernel may have a BTF of their own, and which symbols are read. */
const KVM = "kvm";
const SYMBOLS = ["init_task", "vm_list", "physical_mask"];

/** The paging of the machine: `x86_64` or `aarch64`, as `uname -m` names it, and bytes of a page. */
export interface KernelPaging {
  readonly arch: string;
  readonly pageSize: number;
}

export interface KernelMemory {
  readonly kcore: Kcore;
  readonly layout: StructLayout;
  /** That of KVM, which may be a module; null where there is no KVM. */
  readonly kvmLayout: StructLayout | null;
  readonly symbols: ReadonlyMap<string, bigint>;
  readonly paging: KernelPaging;
  /** Processes' page tables. */
  readonly hostFormat: TableFormat;
  close(): void;
}

/**
 * Opens the running kernel for reading. It is read only: nothing is stopped, and no lock is taken.
 *
 * @throws ERR_PERMISSION without root, under lockdown at `confidentiality`, in a container, or where addresses are hidden;
 *   ERR_NOT_SUPPORTED on a kernel without `/proc/kcore` or BTF, or on another architecture; ERR_PROTOCOL when either
 *   is not what it should be
 */
export function openKernelMemory({ proc, sys }: KernelRoots, paging: KernelPaging): KernelMemory {
  if (paging.arch !== "x86_64" && paging.arch !== "aarch64") {
    throw unsupported(`the page tables of ${paging.arch} are not known: x86-64 and arm64 are`);
  }
  const vmlinux = tryTo(
    () => new Btf("vmlinux", readFileSync(join(sys, "kernel/btf/vmlinux"))),
    "this kernel has no BTF: it needs CONFIG_DEBUG_INFO_BTF",
    sys,
  );
  const kcore = tryTo(
    () => new Kcore(join(proc, "kcore")),
    "this kernel has no /proc/kcore: it needs CONFIG_PROC_KCORE",
    sys,
  );
  try {
    const symbols = tryTo(
      () => findSymbols(join(proc, "kallsyms"), SYMBOLS),
      "this kernel has no /proc/kallsyms: it needs CONFIG_KALLSYMS_ALL",
      sys,
    );
    const kvm = symbols.has("vm_list") ? readKvmBtf(sys, vmlinux) : null;
    return {
      kcore,
      layout: new StructLayout(vmlinux),
      kvmLayout: kvm === null ? null : new StructLayout(kvm),
      symbols,
      paging,
      hostFormat: hostFormatOf(kcore, symbols, paging),
      close() {
        kcore.close();
      },
    };
  } catch (error) {
    kcore.close();
    throw error;
  }
}

/** KVM's structures: its module's, or the kernel's own where KVM is built in. */
function readKvmBtf(sys: string, vmlinux: Btf): Btf {
  let bytes: Buffer;
  try {
    bytes = readFileSync(join(sys, "kernel/btf", KVM));
  } catch {
    return vmlinux;
  }
  return new Btf(KVM, bytes, vmlinux);
}

/**
 * How many levels there are, by where the kernel maps memory. An address of arm64's has as many ones in front as its
 * tables leave bits unused; x86-64's upper half begins at bit 47 or, with five levels, at bit 56.
 */
function hostFormatOf(
  kcore: Kcore,
  symbols: ReadonlyMap<string, bigint>,
  { arch, pageSize }: KernelPaging,
): TableFormat {
  const lowest = kcore.segments.reduce(
    (least, { virtual, physical }) => (physical !== null && virtual < least ? virtual : least),
    2n ** 64n,
  );
  const ones = leadingOnes(lowest);
  if (lowest === 2n ** 64n || ones < 7) throw unsupported("/proc/kcore does not say where memory lies");
  if (arch === "aarch64") return arm64Format({ pageShift: Math.log2(pageSize), addressBits: 64 - ones });
  const physicalMask = readPhysicalMask(kcore, symbols);
  return x86HostFormat({ levels: ones >= 16 ? 4 : 5, ...(physicalMask === null ? {} : { physicalMask }) });
}

/** What an entry's address is; where memory is encrypted, without the bit that says so. Null where nobody says. */
export function readPhysicalMask(kcore: Kcore, symbols: ReadonlyMap<string, bigint>): bigint | null {
  const address = symbols.get("physical_mask");
  if (address === undefined) return null;
  const bytes = Buffer.alloc(8);
  kcore.readVirtual(address, bytes);
  const mask = bytes.readBigUInt64LE();
  // A mask of at least 36 bits, as the smallest x86-64 processor has.
  return (mask & 0xf_ffff_ffffn) === 0xf_ffff_ffffn ? mask : null;
}

function leadingOnes(address: bigint): number {
  let ones = 0;
  while (ones < 64 && ((address >> BigInt(63 - ones)) & 1n) === 1n) ones += 1;
  return ones;
}

function tryTo<T>(open: () => T, absent: string, sys: string): T {
  try {
    return open();
  } catch (error) {
    if (error instanceof HugebarError) throw error;
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT") throw unsupported(absent);
    const isRefusal = code === "EACCES" || code === "EPERM";
    throw hugebarError(
      isRefusal ? "ERR_PERMISSION" : "ERR_SYSTEM",
      {
        action: "read page tables",
        problem: isRefusal ? refusalIn(sys) : error instanceof Error ? error.message : String(error),
      },
      error,
    );
  }
}

function refusalIn(sys: string): string {
  let lockdown = "";
  try {
    lockdown = readFileSync(join(sys, "kernel/security/lockdown"), "utf8");
  } catch {
    // Not built in, or securityfs is not mounted: then it is not that, as far as can be seen.
  }
  return lockdown.includes("[confidentiality]")
    ? "kernel lockdown is at confidentiality, which closes /proc/kcore: boot with lockdown=integrity"
    : "/proc/kcore may be opened by root with CAP_SYS_RAWIO only: run hugebar as root, outside of a container";
}

function unsupported(problem: string): HugebarError {
  return hugebarError("ERR_NOT_SUPPORTED", { action: "read page tables", problem });
}
