/**
 * A program that serves a device with one mappable BAR until it is ended: `node plain-device.ts SOCKET`. For tests that
 * kill it.
 */

import { MIB } from "../../src/layout/sizes.ts";
import { serveDevice } from "../../src/vfio-user/server.ts";
import { configSpace } from "./config-space.ts";

const [, , socket = ""] = process.argv;
const BAR = 2;

serveDevice(
  { regions: [{ index: BAR, size: 16 * MIB, memory: "sparse" }, configSpace({ bar: BAR, onRead() {} })] },
  { socket },
);
process.stdout.write("listening\n");
