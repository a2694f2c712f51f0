/**
 * The codec of `struct vfio_region_info` and its capability chain, as the kernel's ioctl and a vfio-user server both
 * answer it. What comes in is a kernel's or a stranger's word: lengths, loops and overflow are checked here.
 */

import { hugebarError, type HugebarError } from "../../errors.ts";
import type { Area } from "../../layout/areas.ts";
import { requireBytes, walkCapabilities } from "./capability-chain.ts";
import {
  VFIO_INFO_CAP_HEADER,
  VFIO_REGION_INFO,
  VFIO_REGION_INFO_CAP_MSIX_MAPPABLE,
  VFIO_REGION_INFO_CAP_SPARSE_MMAP,
  VFIO_REGION_INFO_CAP_SPARSE_MMAP_BODY,
  VFIO_REGION_INFO_CAP_TYPE,
  VFIO_REGION_INFO_CAP_TYPE_BODY,
  VFIO_REGION_INFO_FLAG_CAPS,
  VFIO_REGION_INFO_FLAG_MMAP,
  VFIO_REGION_SPARSE_MMAP_AREA,
} from "./vfio-abi.ts";

/** A region's description: `struct vfio_region_info` with the capabilities that hugebar knows. */
export interface RegionDescription {
  readonly index: number;
  /** Bytes. */
  readonly size: number;
  /** VFIO_REGION_INFO_FLAG_… */
  readonly flags: number;
  readonly fdOffset: number;
  /** The areas of the sparse-mmap capability in the order given; null without the capability. */
  readonly sparseAreas: readonly Area[] | null;
  /** The device says that the MSI-X table may be mapped along with the rest. */
  readonly msixMappable: boolean;
  /** Of a device-specific region. */
  readonly type: { readonly type: number; readonly subtype: number } | null;
}

/** The parts of a region that its description allows to map, as listed and unchecked (DESIGN: area). */
export function mappableAreas(region: RegionDescription): readonly Area[] {
  if ((region.flags & VFIO_REGION_INFO_FLAG_MMAP) === 0) return [];
  return region.sparseAreas ?? [{ offset: 0, size: region.size }];
}

/**
 * Decodes a region's description.
 *
 * @param region How messages call the region: `2 of 0000:01:00.0`.
 * @throws ERR_PROTOCOL when the structure or its capability chain is cut short, loops or points outside;
 *   ERR_REGION_LAYOUT when a size or an offset exceeds 2^53 − 1.
 */
export function decodeRegionInfo(bytes: Uint8Array, region: string): RegionDescription {
  if (bytes.length < VFIO_REGION_INFO.size) {
    throw malformed(region, `${bytes.length} bytes are too few for a vfio_region_info`);
  }
  const info = VFIO_REGION_INFO.decode(bytes);
  let sparseAreas: readonly Area[] | null = null;
  let msixMappable = false;
  let type: RegionDescription["type"] = null;

  const first = (info.flags & VFIO_REGION_INFO_FLAG_CAPS) === 0 ? 0 : info.cap_offset;
  const fault = (problem: string) => malformed(region, problem);
  for (const { id, at } of walkCapabilities(bytes, first, VFIO_REGION_INFO.size, fault)) {
    if (id === VFIO_REGION_INFO_CAP_SPARSE_MMAP) sparseAreas = decodeSparseAreas(bytes, at, region);
    else if (id === VFIO_REGION_INFO_CAP_MSIX_MAPPABLE) msixMappable = true;
    else if (id === VFIO_REGION_INFO_CAP_TYPE) {
      requireBytes(bytes, at, VFIO_REGION_INFO_CAP_TYPE_BODY.size, fault);
      type = VFIO_REGION_INFO_CAP_TYPE_BODY.decode(bytes, at);
    }
  }

  return {
    index: info.index,
    size: safeNumber(info.size, "its size", region),
    flags: info.flags,
    fdOffset: safeNumber(info.offset, "its file offset", region),
    sparseAreas,
    msixMappable,
    type,
  };
}

/** Encodes a region's description whole: `argsz` is its length, the capabilities follow the structure. */
export function encodeRegionInfo(region: RegionDescription): Uint8Array {
  const capabilities: Uint8Array[] = [];
  if (region.sparseAreas !== null) {
    capabilities.push(
      capability(VFIO_REGION_INFO_CAP_SPARSE_MMAP, [
        VFIO_REGION_INFO_CAP_SPARSE_MMAP_BODY.encode({ nr_areas: region.sparseAreas.length }),
        ...region.sparseAreas.map(({ offset, size }) =>
          VFIO_REGION_SPARSE_MMAP_AREA.encode({ offset: BigInt(offset), size: BigInt(size) }),
        ),
      ]),
    );
  }
  if (region.type !== null) {
    capabilities.push(
      capability(VFIO_REGION_INFO_CAP_TYPE, [VFIO_REGION_INFO_CAP_TYPE_BODY.encode(region.type)]),
    );
  }
  if (region.msixMappable) capabilities.push(capability(VFIO_REGION_INFO_CAP_MSIX_MAPPABLE, []));

  let argsz = VFIO_REGION_INFO.size;
  for (const bytes of capabilities) {
    const last = bytes === capabilities.at(-1);
    argsz += bytes.length;
    if (!last)
      VFIO_INFO_CAP_HEADER.encodeInto(bytes, 0, { ...VFIO_INFO_CAP_HEADER.decode(bytes), next: argsz });
  }
  const hasCapabilities = capabilities.length > 0;
  const header = VFIO_REGION_INFO.encode({
    argsz,
    flags: hasCapabilities
      ? region.flags | VFIO_REGION_INFO_FLAG_CAPS
      : region.flags & ~VFIO_REGION_INFO_FLAG_CAPS,
    index: region.index,
    cap_offset: hasCapabilities ? VFIO_REGION_INFO.size : 0,
    size: BigInt(region.size),
    offset: BigInt(region.fdOffset),
  });
  return Buffer.concat([header, ...capabilities]);
}

function decodeSparseAreas(bytes: Uint8Array, at: number, region: string): Area[] {
  const body = VFIO_REGION_INFO_CAP_SPARSE_MMAP_BODY;
  requireBytes(bytes, at, body.size, (problem) => malformed(region, problem));
  const { nr_areas } = body.decode(bytes, at);
  const first = at + body.size;
  const room = Math.floor((bytes.length - first) / VFIO_REGION_SPARSE_MMAP_AREA.size);
  // Before any allocation: a count of 2^32 must not be believed.
  if (nr_areas > room) {
    throw malformed(region, `its sparse-mmap capability claims ${nr_areas} areas and has room for ${room}`);
  }
  return Array.from({ length: nr_areas }, (_, number) => {
    const area = VFIO_REGION_SPARSE_MMAP_AREA.decode(
      bytes,
      first + number * VFIO_REGION_SPARSE_MMAP_AREA.size,
    );
    return {
      offset: safeNumber(area.offset, `the offset of area ${number}`, region),
      size: safeNumber(area.size, `the size of area ${number}`, region),
    };
  });
}

function capability(id: number, parts: readonly Uint8Array[]): Uint8Array {
  const body = Buffer.concat(parts);
  const bytes = VFIO_INFO_CAP_HEADER.encode({ id, version: 1 }, body.length);
  bytes.set(body, VFIO_INFO_CAP_HEADER.size);
  return bytes;
}

function safeNumber(value: bigint, what: string, region: string): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw hugebarError("ERR_REGION_LAYOUT", {
      region,
      problem: `${what} (0x${value.toString(16)}) exceeds 2^53 − 1`,
    });
  }
  return Number(value);
}

function malformed(region: string, problem: string): HugebarError {
  return hugebarError("ERR_PROTOCOL", { action: `read the description of region ${region}`, problem });
}
