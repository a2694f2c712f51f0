/** The device that a verb names, opened as its options say. */

import type { Device } from "../device/device.ts";
import { openDevice } from "../open.ts";
import type { Arguments } from "./verbs.ts";

/** @throws what `openDevice` throws */
export function openNamedDevice({ operands, options }: Arguments<"map" | "conform">): Device {
  return openDevice(operands[0] ?? "", {
    enableMemory: options["enable-memory"],
    ...(options.api === undefined ? {} : { api: options.api }),
    ...(options["vf-token"] === undefined ? {} : { vfToken: options["vf-token"] }),
  });
}
