/** All that the test bed can provision, by name. */

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

export const artefacts = {
  busybox,
  "bar-reader": barReader,
  "guest-system": guestSystem,
  "kernel-headers": kernelHeaders,
  "storage-tools": storageTools,
  "qemu-area-aligned": qemuRoot("area-aligned"),
  "qemu-unaligned": qemuRoot("unaligned"),
  "qemu-region-aligned": qemuRoot("region-aligned"),
  "kernel-stock": kernel("stock").image,
  "facts-stock": kernelFactsOf("stock"),
  "kernel-newest": kernel("newest").image,
  "facts-newest": kernelFactsOf("newest"),
  "kernel-built": kernel("built").image,
  "facts-built": kernelFactsOf("built"),
  "facts-built-asking": kernelFactsOf("built-asking"),
  "debian-oldest": debianRoot("debian-oldest"),
  "debian-stable": debianRoot("debian-stable"),
  "debian-newest": debianRoot("debian-newest"),
  "debian-oldest-dependencies": debianDependencies("debian-oldest"),
  "debian-stable-dependencies": debianDependencies("debian-stable"),
  "debian-newest-dependencies": debianDependencies("debian-newest"),
} as const satisfies Readonly<Record<string, Artefact>>;

export type ArtefactName = keyof typeof artefacts;

export const artefactNames: readonly ArtefactName[] = Object.keys(artefacts).filter(isArtefactName);

export function isArtefactName(name: string): name is ArtefactName {
  return Object.hasOwn(artefacts, name);
}
