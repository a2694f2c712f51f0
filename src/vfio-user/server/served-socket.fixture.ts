/** For tests: a device that a worker of this process serves, on a socket in a folder of its own. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import type { WorkerServer } from "./apart/device-apart.ts";
import { serveInWorker } from "./serve-in-worker.ts";

/**
 * Serves what a file beside this one describes (`device.fixture.ts`), as long as the tests run of the file, or of the
 * `describe`, that calls this. `data` is for its `serve`. Returns the socket's path. Tests and their `beforeEach` find the server listening; a
 * file's own `before` does not, for node:test starts those without waiting for each other.
 */
export function servedSocket(fixture: string, data: unknown = null): string {
  const folder = mkdtempSync(join(tmpdir(), "hugebar-"));
  const socket = join(folder, "device.sock");
  let server: WorkerServer | null = null;
  before(async () => {
    server = await serveInWorker(new URL(`./${fixture}`, import.meta.url), { socket, data });
  });
  after(async () => {
    await server?.close();
    rmSync(folder, { recursive: true });
  });
  return socket;
}
