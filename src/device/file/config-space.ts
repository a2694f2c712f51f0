/**
 * PCI configuration space, decoded from its bytes: identity, command register, the list of capabilities, MSI-X. The
 * bytes come from a device's config region or from sysfs, which shows an ordinary user only the first 64.
 */

import { hugebarError } from "../../errors.ts";
import type { Area } from "../../layout/areas.ts";
import {
  PCI_CAPABILITY_LIST,
  PCI_CAP_ID_MSIX,
  PCI_CAP_LIST_ID,
  PCI_CAP_LIST_NEXT,
  PCI_CAP_MSIX_SIZEOF,
  PCI_CFG_SPACE_SIZE,
  PCI_CLASS_REVISION,
  PCI_COMMAND,
  PCI_DEVICE_ID,
  PCI_HEADER_TYPE,
  PCI_HEADER_TYPE_MASK,
  PCI_HEADER_TYPE_NORMAL,
  PCI_MSIX_ENTRY_SIZE,
  PCI_MSIX_FLAGS,
  PCI_MSIX_FLAGS_ENABLE,
  PCI_MSIX_FLAGS_MASKALL,
  PCI_MSIX_FLAGS_QSIZE,
  PCI_MSIX_PBA,
  PCI_MSIX_TABLE,
  PCI_MSIX_TABLE_BIR,
  PCI_STATUS,
  PCI_STATUS_CAP_LIST,
  PCI_STD_HEADER_SIZEOF,
  PCI_SUBSYSTEM_ID,
  PCI_SUBSYSTEM_VENDOR_ID,
  PCI_VENDOR_ID,
} from "./pci-regs.ts";

/** One capability: its id (PCI_CAP_ID_…) and where it starts in configuration space. */
export interface PciCapability {
  readonly id: number;
  readonly offset: number;
}

/** One extended capability: its id (PCI_EXT_CAP_ID_… of linux/pci_regs.h), its version, and where it starts in configuration space. */
export interface ExtendedCapability extends PciCapability {
  readonly version: number;
}

/** A structure inside a BAR. */
export interface BarRange extends Area {
  /** 0 to 5. */
  readonly bar: number;
}

/** The MSI-X capability. */
export interface MsixCapability {
  readonly offset: number;
  readonly vectors: number;
  readonly enabled: boolean;
  readonly maskedAll: boolean;
  readonly table: BarRange;
  /** The pending bits. */
  readonly pba: BarRange;
}

/** What configuration space says of a device. */
export interface ConfigSpace {
  readonly vendor: number;
  readonly device: number;
  /** Class, subclass and programming interface: 0x010802 for NVMe. */
  readonly class: number;
  readonly revision: number;
  /** Null for a bridge, whose header has no such fields. */
  readonly subsystem: { readonly vendor: number; readonly device: number } | null;
  /** PCI_COMMAND_… */
  readonly command: number;
  readonly status: number;
  readonly headerType: number;
  /** In the order of the list. */
  readonly capabilities: readonly PciCapability[];
  readonly msix: MsixCapability | null;
}

/**
 * Decodes configuration space. Of a list of capabilities that leaves `bytes` or loops, what comes before counts.
 *
 * @param bytes At least the 64 bytes of the header.
 * @param device How messages call the device.
 * @throws ERR_PROTOCOL when the header is cut short, or the device does not answer (all ones).
 */
export function decodeConfigSpace(bytes: Uint8Array, device: string): ConfigSpace {
  const action = `read the configuration space of ${device}`;
  if (bytes.length < PCI_STD_HEADER_SIZEOF) {
    const problem = `its header has ${PCI_STD_HEADER_SIZEOF} bytes, only ${bytes.length} came`;
    throw hugebarError("ERR_PROTOCOL", { action, problem });
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const vendor = view.getUint16(PCI_VENDOR_ID, true);
  // A read that no device answers completes with all ones (PCI Express Base Specification, 2.3.2).
  if (vendor === 0xffff) {
    throw hugebarError("ERR_PROTOCOL", { action, problem: "the device does not answer; was it removed?" });
  }
  const classRevision = view.getUint32(PCI_CLASS_REVISION, true);
  const headerType = view.getUint8(PCI_HEADER_TYPE) & PCI_HEADER_TYPE_MASK;
  const capabilities = [...walkCapabilities(view)];
  return {
    vendor,
    device: view.getUint16(PCI_DEVICE_ID, true),
    class: classRevision >>> 8,
    revision: classRevision & 0xff,
    subsystem:
      headerType === PCI_HEADER_TYPE_NORMAL
        ? {
            vendor: view.getUint16(PCI_SUBSYSTEM_VENDOR_ID, true),
            device: view.getUint16(PCI_SUBSYSTEM_ID, true),
          }
        : null,
    command: view.getUint16(PCI_COMMAND, true),
    status: view.getUint16(PCI_STATUS, true),
    headerType,
    capabilities,
    msix: decodeMsix(view, capabilities),
  };
}

/** Follows the list; every offset is visited at most once, so a loop cannot hold us. */
function* walkCapabilities(view: DataView): Generator<PciCapability> {
  if ((view.getUint16(PCI_STATUS, true) & PCI_STATUS_CAP_LIST) === 0) return;
  const seen = new Set<number>();
  // The two low bits are reserved and must be masked (PCI Local Bus Specification 3.0, 6.7).
  let offset = view.getUint8(PCI_CAPABILITY_LIST) & ~3;
  while (offset >= PCI_STD_HEADER_SIZEOF && offset + 2 <= view.byteLength && !seen.has(offset)) {
    seen.add(offset);
    const id = view.getUint8(offset + PCI_CAP_LIST_ID);
    if (id === 0xff) return;
    yield { id, offset };
    offset = view.getUint8(offset + PCI_CAP_LIST_NEXT) & ~3;
  }
}

/**
 * Follows the list of extended capabilities, from 0x100 on, in all of configuration space. Each begins with its id (16
 * bits), its version (4) and where the next one is (12); 0 ends the list, and is there where no capability is.
 */
export function* walkExtendedCapabilities(bytes: Uint8Array): Generator<ExtendedCapability> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const seen = new Set<number>();
  let offset = PCI_CFG_SPACE_SIZE;
  while (offset >= PCI_CFG_SPACE_SIZE && offset + 4 <= view.byteLength && !seen.has(offset)) {
    seen.add(offset);
    const header = view.getUint32(offset, true);
    if (header === 0 || header === 0xffff_ffff) return;
    // Id 0 is a capability that is hidden: vfio-pci leaves it in the list where it is the first.
    if ((header & 0xffff) !== 0) yield { id: header & 0xffff, version: (header >>> 16) & 0xf, offset };
    offset = (header >>> 20) & ~3;
  }
}

function decodeMsix(view: DataView, capabilities: readonly PciCapability[]): MsixCapability | null {
  const capability = capabilities.find(({ id }) => id === PCI_CAP_ID_MSIX);
  if (capability === undefined || capability.offset + PCI_CAP_MSIX_SIZEOF > view.byteLength) return null;
  const { offset } = capability;
  const flags = view.getUint16(offset + PCI_MSIX_FLAGS, true);
  const vectors = (flags & PCI_MSIX_FLAGS_QSIZE) + 1;
  return {
    offset,
    vectors,
    enabled: (flags & PCI_MSIX_FLAGS_ENABLE) !== 0,
    maskedAll: (flags & PCI_MSIX_FLAGS_MASKALL) !== 0,
    table: decodeBarRange(view.getUint32(offset + PCI_MSIX_TABLE, true), vectors * PCI_MSIX_ENTRY_SIZE),
    // One bit for each vector, in quadwords.
    pba: decodeBarRange(view.getUint32(offset + PCI_MSIX_PBA, true), Math.ceil(vectors / 64) * 8),
  };
}

function decodeBarRange(register: number, size: number): BarRange {
  const bar = register & PCI_MSIX_TABLE_BIR;
  return { bar, offset: register - bar, size };
}
