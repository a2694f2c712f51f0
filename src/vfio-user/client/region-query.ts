/** VFIO_USER_DEVICE_GET_REGION_INFO: asking a server about a region, and not believing everything it says. */

import { decodeRegionInfo, mappableAreas } from "../../device/transport/region-info.ts";
import type { RegionInfo } from "../../device/transport/transport.ts";
import { VFIO_REGION_INFO } from "../../device/transport/vfio-abi.ts";
import type { Area } from "../../layout/areas.ts";
import { canLoseMappedPages } from "../../memory/memfd.ts";
import type { System } from "../../system/system.ts";
import { VFIO_USER_DEVICE_GET_REGION_INFO } from "../wire/protocol.ts";
import { brokenProtocol } from "../wire/client-faults.ts";
import { requestMessage } from "../wire/message-header.ts";
import { payloadOf, type RequestChannel } from "./request-channel.ts";
import { askWhole, type Question } from "./whole-answer.ts";

/** First guess of a description's size: enough for the structure and 252 areas. */
const SIZE_GUESS = 4096;

/**
 * Asks the server about region `index`. The descriptor in the answer, if any, is the caller's to close.
 *
 * @throws ERR_PROTOCOL when the answer cannot be true; whatever `RequestChannel.exchange` throws.
 */
export function queryRegion(
  channel: RequestChannel,
  device: string,
  index: number,
  system: System,
): RegionInfo {
  const region = `${index} of ${device}`;
  const action = () => `read the description of region ${region}`;
  const reply = askWhole(channel, question(index, action), system);
  const { descriptors } = reply;
  try {
    const { index: described, size, flags, fdOffset, ...rest } = decodeRegionInfo(payloadOf(reply), region);
    if (described !== index) throw brokenProtocol(action, `it described region ${described}`);
    const [passed = null] = descriptors;
    // A server that passes no descriptor along has a region to read and write, whatever else it says of it.
    const mappable = passed === null ? [] : mappableAreas({ index, size, flags, fdOffset, ...rest });
    checkDescriptor(passed, mappable, action);
    const fd = passed === null || canLoseMappedPages(passed, system) ? null : passed;
    const areas = fd === null ? [] : mappable;
    if (fd === null && passed !== null) system.close(passed);
    return {
      index,
      size,
      flags,
      fdOffset,
      areas,
      fd,
      physical: null,
      driver: null,
      backing: "shared-memory",
    };
  } catch (error) {
    for (const fd of descriptors) system.close(fd);
    throw error;
  }
}

function question(index: number, action: () => string): Question {
  return {
    answer: "its description",
    guess: SIZE_GUESS,
    request: (argsz) => ({
      action,
      command: VFIO_USER_DEVICE_GET_REGION_INFO,
      head: requestMessage(VFIO_REGION_INFO.encode({ argsz, index })),
      mostDescriptors: 1,
    }),
    neededBytes: (payload) =>
      payload.length < VFIO_REGION_INFO.size ? 0 : VFIO_REGION_INFO.decode(payload).argsz,
  };
}

/** A descriptor comes along only where something can be mapped. */
function checkDescriptor(fd: number | null, areas: readonly Area[], action: () => string): void {
  if (fd !== null && areas.length === 0) {
    throw brokenProtocol(action, "it passed a descriptor along where nothing can be mapped");
  }
}
