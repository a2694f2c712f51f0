/** A process of its own that opens a device, maps its largest BAR, says `ready` and holds on: `BDF API`. */

import { openDevice } from "../../../src/open.ts";

const [bdf = "", api] = process.argv.slice(2);
const device = openDevice(bdf, api === "group" || api === "cdev" ? { api } : {});
const mapping = device.region(2).map();
mapping.read8(0);
process.stdout.write("ready\n");
setInterval(() => mapping.read8(0), 100);
