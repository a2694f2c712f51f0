/** For tests: verifies a mapping of memory, as the user who runs it may, and prints the verdict and how it came about. */

import { linux } from "../../system/libc.ts";
import { Device } from "../device.ts";
import { memfdTransport } from "../memfd-transport.fixture.ts";

const device = new Device(memfdTransport([{ size: 2 ** 20 }]), linux);
const { verdict, measuredBy, whyCounters } = device.region(0).map().verify();
process.stdout.write(`${verdict} ${measuredBy} ${whyCounters}\n`);
device.close();
