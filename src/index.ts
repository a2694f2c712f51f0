// Types of a program that has none of Node's own, and may have only the standard library of its target.
/// <reference lib="esnext.disposable" preserve="true" />

/** hugebar's public API. The tool is `cli/main.ts`. */

declare global {
  // Node's or the browser's, where a program has their types; else so much of it as signatures here need.
  interface AbortSignal {
    readonly aborted: boolean;
  }
}

export { openDevice, type OpenOptions } from "./open.ts";
export {
  openContainer,
  type Container,
  type ContainerDeviceOptions,
  type ContainerOptions,
} from "./open-container.ts";
export { HugebarError, type ErrorCode } from "./errors.ts";
export { SystemCallError } from "./system/system.ts";
export type { VfioApi } from "./vfio/container.ts";

export type { DmaAllocateOptions, DmaMapOptions, DmaRanges, DmaSpace } from "./device/dma/dma-space.ts";
export type { DmaMapping, DmaMemory } from "./device/dma/dma-mapping.ts";
export type { DirtyTracking } from "./device/dma/dirty-tracking.ts";
export type { IovaRange } from "./device/transport/iova-table.ts";
export type { InterruptEvent } from "./device/interrupts/interrupt-sequence.ts";
export type {
  InterruptKind,
  InterruptListener,
  Interrupts,
  InterruptSequenceOptions,
} from "./device/interrupts/interrupts.ts";
export type { Device } from "./device/device.ts";
export type { Migration, MigrationState } from "./device/migration/migration.ts";
export { moveState, type Movable, type MoveOptions } from "./device/migration/move-state.ts";
export type {
  BarRange,
  ConfigSpace,
  ExtendedCapability,
  MsixCapability,
  PciCapability,
} from "./device/file/config-space.ts";
export type { PciConfig, PowerState } from "./device/file/pci-config.ts";
export {
  PCI_CAP_ID_EXP,
  PCI_CAP_ID_MSI,
  PCI_CAP_ID_MSIX,
  PCI_CAP_ID_PM,
  PCI_CAP_ID_VNDR,
  PCI_COMMAND,
  PCI_COMMAND_INTX_DISABLE,
  PCI_COMMAND_IO,
  PCI_COMMAND_MASTER,
  PCI_COMMAND_MEMORY,
} from "./device/file/pci-regs.ts";
export {
  VFIO_DEVICE_FLAGS_CAPS,
  VFIO_DEVICE_FLAGS_PCI,
  VFIO_DEVICE_FLAGS_RESET,
  VFIO_PCI_BAR0_REGION_INDEX,
  VFIO_PCI_BAR5_REGION_INDEX,
  VFIO_PCI_CONFIG_REGION_INDEX,
  VFIO_PCI_ROM_REGION_INDEX,
  VFIO_PCI_VGA_REGION_INDEX,
  VFIO_REGION_INFO_FLAG_CAPS,
  VFIO_REGION_INFO_FLAG_MMAP,
  VFIO_REGION_INFO_FLAG_READ,
  VFIO_REGION_INFO_FLAG_WRITE,
} from "./device/transport/vfio-abi.ts";
export type { RegionIoEventFd } from "./device/region/ioeventfds.ts";
export type { DmaBuf, MapOptions, Region } from "./device/region/region.ts";
export type { Mapping } from "./device/region/mapping.ts";
export type { RegionAccess } from "./device/region/region-access.ts";
export type { MappedRegion } from "./device/leaves/mapped-region.ts";
export type { MappingLayout } from "./device/leaves/mapping-layout.ts";
export type { Comparison, LeavesFound } from "./device/leaves/measure-leaves.ts";
export type { Verification, VerifyOptions } from "./device/leaves/verify.ts";
export type { DeviceInfo, HotResetDevice, IoEventFdInfo } from "./device/transport/transport.ts";
export type { LaidArea } from "./memory/lay-region.ts";
export type {
  RegionMapEvent,
  RegionMapFaultEvent,
  RegionSetupEvent,
  RegionSparseEvent,
  RegionUnmapEvent,
} from "./device/region/diagnostics.ts";

export { arrangeAreas, gapsOf, type Area } from "./layout/areas.ts";
export { leafSpans, type LeafCount, type LeafSpan, type MappedRange } from "./layout/leaves.ts";
export { pagingModels, type PagingModel } from "./layout/paging.ts";
export { planRegion, type PlannedRegion, type StrategyPlan } from "./layout/plan.ts";
export {
  predictLayout,
  type Doubt,
  type LayoutPrediction,
  type LeafCost,
  type LeafHandler,
  type PredictedRange,
} from "./layout/prediction.ts";
export { strategies, type Strategy } from "./layout/strategies.ts";
export type { MappingWay } from "./rules/drivers.ts";
export type { Evidence, EvidenceSource } from "./rules/evidence.ts";
export { thpGate, type ThpGate, type ThpSetting, type ThpState } from "./rules/gate.ts";

export { serveDevice, type DeviceServer, type ServeOptions } from "./vfio-user/server/server.ts";
export {
  serveInWorker,
  type ModuleLocation,
  type ServeInWorkerOptions,
} from "./vfio-user/server/serve-in-worker.ts";
export { serveInProcess, type ProcessServer } from "./vfio-user/server/serve-in-process.ts";
export type { WorkerServer } from "./vfio-user/server/apart/device-apart.ts";
export type { WorkerServeOptions } from "./vfio-user/server/apart/messages.ts";
export type { Dma, DmaSegment } from "./vfio-user/server/dma/dma.ts";
export type { DmaLease, DmaViewOptions } from "./vfio-user/server/dma/dma-lease.ts";
export type { DeviceClient, Irq, IrqKind } from "./vfio-user/server/parts/device-client.ts";
export type { TracedSocket, VfioUserMessageEvent } from "./vfio-user/wire/message-events.ts";
export type { MaybePromise } from "./vfio-user/server/link/session.ts";
export type { CapabilityData } from "./vfio-user/server/pci/capability-data.ts";
export type { PciExtendedCapability } from "./vfio-user/server/pci/extended-capabilities.ts";
export type { PciDescription } from "./vfio-user/server/pci/pci-config-space.ts";
export type {
  InBar,
  PciCapabilityDescription,
  PciCapabilityKind,
} from "./vfio-user/server/pci/pci-capabilities.ts";
export { DeviceError } from "./vfio-user/wire/device-error.ts";
export { SharedMemory } from "./memory/shared-memory.ts";
export { waitingMemory, type WaitingMemory } from "./memory/waiting-memory.ts";
export type {
  MigrationDescription,
  StatePieces,
} from "./vfio-user/server/migration/migration-description.ts";
export type { DeviceDescription, QuiesceReason } from "./vfio-user/server/device-description.ts";
export type { ClientDmaRange } from "./vfio-user/server/dma/client-memory.ts";
export type {
  BarKind,
  DeviceRegion,
  IoEventFd,
  ReadHandler,
  RegionRegisters,
  WriteHandler,
} from "./vfio-user/server/parts/region-description.ts";
export type { IrqChange } from "./vfio-user/server/parts/irq-change.ts";
export type { ResetKind } from "./vfio-user/server/parts/reset-kind.ts";
export type { RegisterAccess, RegisterWrite } from "./vfio-user/server/registers/register-bank.ts";
export type {
  RegisterAccesses,
  RegisterDescription,
  RegisterMap,
  RegisterShape,
  RegisterValue,
} from "./vfio-user/server/registers/register-map.ts";
export {
  defineRegisters,
  type RegisterOptions,
  type Registers,
} from "./vfio-user/server/registers/registers.ts";

export {
  doctor,
  inspect,
  recordMachine,
  trace,
  type InspectOptions,
  type MachineOptions,
  type RecordOptions,
  type TraceOptions,
} from "./observe.ts";
export type { DiagnosisReport } from "./inspect/diagnosis-json.ts";
export type { Finding } from "./inspect/finding.ts";
export type {
  CostReport,
  GuestSlotReport,
  GuestsReport,
  InspectionReport,
  InspectionSummary,
  MappingReport,
  ProcessReport,
  TablesReport,
  VmaReport,
} from "./inspect/inspection-report.ts";
export type { Verdict } from "./inspect/judge/judge.ts";
export type { Reason } from "./inspect/judge/reasons.ts";
export type { TableReason } from "./inspect/judge/tables-reasons.ts";
export type { Owner } from "./inspect/proc/owner.ts";
export type { Unreadable } from "./inspect/proc/read-file.ts";
export type { Recorded } from "./inspect/record.ts";
export type { FaultsReport, TraceReport } from "./report/trace-json.ts";
