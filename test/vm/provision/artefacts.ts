/** All that the test bed can provision, by name. */

import { arm64 } from "../machine/arm64.ts";
import { x86_64 } from "../machine/x86-64.ts";
import { barReader } from "./bar-reader.ts";
import { busybox } from "./busybox.ts";
import type { Artefact } from "./cache.ts";
import { debianDependencies, debianRoot } from "./debian-root.ts";
import { guestSystem } from "./guest-system.ts";
import { kernelFactsOf } from "./kernel-facts.ts";
import { kernelHeaders } from "./kernel-headers.ts";
import { kernel } from "./kernels.ts";
import { storageTools } from "./storage-tools.ts";
import { qemuRoot } from "./qemu.ts";

/** What all tests together want, but for the long matrix (test/kernels). */
const usual = {
  // First, for tests of packages want them, which need no kernel.
  "debian-oldest": debianRoot("debian-oldest"),
  "debian-stable": debianRoot("debian-stable"),
  "debian-newest": debianRoot("debian-newest"),
  "debian-oldest-dependencies": debianDependencies("debian-oldest"),
  "debian-stable-dependencies": debianDependencies("debian-stable"),
  "debian-newest-dependencies": debianDependencies("debian-newest"),
  busybox,
  "bar-reader": barReader,
  "guest-system": guestSystem(x86_64),
  "guest-system-arm64": guestSystem(arm64),
  "kernel-headers": kernelHeaders,
  "storage-tools": storageTools,
  "qemu-area-aligned": qemuRoot("area-aligned"),
  "qemu-unaligned": qemuRoot("unaligned"),
  "qemu-region-aligned": qemuRoot("region-aligned"),
  "qemu-aarch64-area-aligned": qemuRoot("area-aligned", "aarch64"),
  "kernel-stock": kernel("stock").image,
  "kernel-newest": kernel("newest").image,
  "kernel-built": kernel("built").image,
  "kernel-stock-arm64-16k": kernel("stock-arm64-16k").image,
  // What they do, by booting each: last, when the processors are free.
  "facts-stock": kernelFactsOf("stock"),
  "facts-newest": kernelFactsOf("newest"),
  "facts-built": kernelFactsOf("built"),
  "facts-built-asking": kernelFactsOf("built-asking"),
  "facts-stock-arm64-16k": kernelFactsOf("stock-arm64-16k"),
} as const satisfies Readonly<Record<string, Artefact>>;

/** What only that wants. */
const longMatrix = {
  "qemu-aarch64-unaligned": qemuRoot("unaligned", "aarch64"),
  "qemu-aarch64-region-aligned": qemuRoot("region-aligned", "aarch64"),
  "qemu-aarch64-on-arm64-area-aligned": qemuRoot("area-aligned", "aarch64-on-arm64"),
  "qemu-aarch64-on-arm64-unaligned": qemuRoot("unaligned", "aarch64-on-arm64"),
  "qemu-aarch64-on-arm64-region-aligned": qemuRoot("region-aligned", "aarch64-on-arm64"),
  "kernel-built-tables": kernel("built-tables").image,
  "facts-built-tables": kernelFactsOf("built-tables"),
  "kernel-stock-arm64": kernel("stock-arm64").image,
  "facts-stock-arm64": kernelFactsOf("stock-arm64"),
  "kernel-newest-arm64": kernel("newest-arm64").image,
  "facts-newest-arm64": kernelFactsOf("newest-arm64"),
  "kernel-newest-arm64-16k": kernel("newest-arm64-16k").image,
  "facts-newest-arm64-16k": kernelFactsOf("newest-arm64-16k"),
  "kernel-built-arm64": kernel("built-arm64").image,
  "facts-built-arm64": kernelFactsOf("built-arm64"),
  "kernel-built-arm64-newest": kernel("built-arm64-newest").image,
  "facts-built-arm64-newest": kernelFactsOf("built-arm64-newest"),
} as const satisfies Readonly<Record<string, Artefact>>;

export const artefacts = { ...usual, ...longMatrix };

export type ArtefactName = keyof typeof artefacts;

export const artefactNames: readonly ArtefactName[] = Object.keys(artefacts).filter(isArtefactName);

export const usualNames: readonly ArtefactName[] = Object.keys(usual).filter(isArtefactName);

export function isArtefactName(name: string): name is ArtefactName {
  return Object.hasOwn(artefacts, name);
}
