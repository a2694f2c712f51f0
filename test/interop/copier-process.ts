/** A program that serves a copier until it is ended: `node copier-process.ts SOCKET`. For tests that kill it. */

import { SharedMemory } from "../../src/memory/shared-memory.ts";
import { MEMORY_SIZE } from "./copier-registers.ts";
import { serveCopier } from "./copier.ts";

const [, , socket = ""] = process.argv;
serveCopier(socket, new SharedMemory(MEMORY_SIZE));
process.stdout.write("listening\n");
