/** `hugebar serve`: a vfio-user device of any shape, until a signal. */

import { VFIO_PCI_CONFIG_REGION_INDEX } from "../../device/transport/vfio-abi.ts";
import { hugebarError } from "../../errors.ts";
import type { Area } from "../../layout/areas.ts";
import type { DeviceRegion } from "../../vfio-user/server/parts/region-description.ts";
import type { PciDescription } from "../../vfio-user/server/pci/pci-config-space.ts";
import type { DeviceDescription } from "../../vfio-user/server/device-description.ts";
import { superchip } from "../../vfio-user/server/superchip.ts";
import { serveDevice } from "../../vfio-user/server/server.ts";
import { listenToMessages } from "../../vfio-user/wire/message-events.ts";
import { servedJson, servedText } from "../../report/served-report.ts";
import { messageLine } from "../../report/text/message-text.ts";
import { jsonText, type Output } from "../output.ts";
import { awaitInterruption } from "../signals.ts";
import { parseRegion, parseRegionArea } from "../values.ts";
import type { Arguments } from "../verbs.ts";

type ServeOptions = Arguments<"serve">["options"];

/** What the device says it is: QEMU's test device, which no driver takes. */
const TEST_DEVICE: PciDescription = { vendor: 0x1b36, device: 0x0005, capabilities: [{ type: "pcie" }] };

/** A region to serve: sparse memory of this size. */
interface SparseRegion extends DeviceRegion {
  readonly size: number;
}

export async function run({ options }: Arguments<"serve">, output: Output): Promise<number> {
  if (options.trace && options.quiet)
    throw hugebarError("ERR_USAGE", { problem: "--quiet and --trace ask for opposite things" });
  const regions = readRegions(options);
  if (regions.length === 0 && options.like === undefined)
    throw hugebarError("ERR_USAGE", {
      problem: "--region INDEX:SIZE or --like is missing: see hugebar serve --help",
    });
  const likeness = options.like === undefined ? null : superchip(options.like);
  const interruption = awaitInterruption();
  const stopTrace = options.trace
    ? listenToMessages((message) => output.message(messageLine(message)))
    : null;
  try {
    const server = serveDevice(
      {
        ...deviceOf(likeness?.device ?? null, regions),
        connected: () => output.message("a client has connected"),
        disconnected: (error) => output.message(error?.message ?? "the client has left"),
      },
      {
        socket: options.socket,
        onError: (error) => output.message(error instanceof Error ? error.message : String(error)),
      },
    );
    try {
      // Registers are nothing to map.
      const own = (likeness?.device.regions ?? []).map(({ index, size = 0 }) => ({ index, size, areas: [] }));
      const served = [...own, ...regions];
      if (options.json) output.writeJson(jsonText(servedJson(options.socket, served)));
      output.message(servedText(options.socket, served));
      return await interruption.exitCode;
    } finally {
      await server.close();
    }
  } finally {
    likeness?.close();
    stopTrace?.();
    interruption.dispose();
  }
}

function deviceOf(likeness: DeviceDescription | null, regions: readonly SparseRegion[]): DeviceDescription {
  if (likeness !== null) return { ...likeness, regions: [...likeness.regions, ...regions] };
  // Configuration space is made for it, unless it is one of the regions asked for.
  const ownConfigSpace = regions.some(({ index }) => index === VFIO_PCI_CONFIG_REGION_INDEX);
  return { ...(ownConfigSpace ? {} : { pci: TEST_DEVICE }), regions };
}

function readRegions(options: ServeOptions): SparseRegion[] {
  const areas = options.area.map((text) => ({ text, ...parseRegionArea("--area", text) }));
  const shapes = options.region.map((text) => parseRegion("--region", text));
  const stray = areas.find(({ index }) => !shapes.some((shape) => shape.index === index));
  if (stray !== undefined) {
    throw hugebarError("ERR_USAGE", {
      problem: `--area ${stray.text} is of a region that no --region describes: see hugebar serve --help`,
    });
  }
  return shapes.map((shape) => {
    const own = areas.filter(({ index }) => index === shape.index);
    return sparseRegion(
      shape,
      own.map(({ area }) => area),
    );
  });
}

function sparseRegion(
  { index, size }: { index: number; size: number },
  areas: readonly Area[],
): SparseRegion {
  if (size === 0) {
    throw hugebarError("ERR_ARGUMENT", {
      what: `--region ${index}:0`,
      problem: "a region has a byte or more",
    });
  }
  const region = { index, size, memory: "sparse" } as const;
  // Left out, they are all whole pages of the region.
  return areas.length === 0 ? region : { ...region, areas };
}
