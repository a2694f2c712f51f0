/** Where the exporter listens: an address, a socket's path, or what systemd hands over. */

import { lstatSync, unlinkSync } from "node:fs";
import { createConnection, type ListenOptions } from "node:net";
import type { Server } from "node:http";
import { hugebarError } from "../errors.ts";
import { failureInWords } from "../system/errno.ts";

/** sd_listen_fds(3): the first descriptor handed over. */
const SD_LISTEN_FDS_START = 3;

/**
 * @param text `127.0.0.1:9990`, `[::1]:9990`, `:9990` for every address, `unix:/run/hugebar.sock`, or `systemd`
 * @throws ERR_USAGE
 */
export function parseListen(text: string, environment: NodeJS.ProcessEnv): ListenOptions & { fd?: number } {
  if (text === "systemd") return { fd: inheritedSocket(environment) };
  if (text.startsWith("unix:") && text.length > 5) return { path: text.slice(5) };
  const [, bracketed, name, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([^[\]:\s]*)):(\d{1,5})$/.exec(text) ?? [];
  if (port === undefined || Number(port) > 65535) {
    throw hugebarError("ERR_USAGE", {
      problem: `--listen ${text}: use ADDRESS:PORT, [ADDRESS]:PORT, unix:PATH or systemd`,
    });
  }
  const host = bracketed ?? name ?? "";
  return host === "" ? { port: Number(port) } : { host, port: Number(port) };
}

/** The one socket of systemd's socket unit (sd_listen_fds(3)). */
function inheritedSocket(environment: NodeJS.ProcessEnv): number {
  const [pid, count] = [environment["LISTEN_PID"], environment["LISTEN_FDS"]];
  if (pid !== String(process.pid) || count !== "1") {
    throw hugebarError("ERR_USAGE", {
      problem: "--listen systemd: this process was handed no socket; start it by a socket unit",
    });
  }
  return SD_LISTEN_FDS_START;
}

/** Listens, and says where: `http://127.0.0.1:9990`. @throws ERR_BUSY, ERR_PERMISSION, ERR_SYSTEM */
export async function listen(server: Server, where: ListenOptions, scheme: string): Promise<string> {
  if (where.path !== undefined) await removeDead(where.path);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(where, resolve);
  try {
    await promise;
  } catch (error) {
    throw listenError(error, where);
  } finally {
    server.off("error", reject);
  }
  const address = server.address();
  if (address === null) return scheme;
  if (typeof address === "string") return `unix:${address}`;
  const host = address.family === "IPv6" ? `[${address.address}]` : address.address;
  return `${scheme}://${host}:${address.port}`;
}

/** A socket's file outlives a process that was killed. One at which somebody answers is left alone. */
async function removeDead(path: string): Promise<void> {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSocket()) return;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const connection = createConnection(path);
  connection.once("connect", () => resolve(false));
  connection.once("error", (error: NodeJS.ErrnoException) => resolve(error.code === "ECONNREFUSED"));
  const isDead = await promise;
  connection.destroy();
  if (isDead) unlinkSync(path);
}

function listenError(error: unknown, where: ListenOptions): Error {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  const problem = failureInWords(error);
  const action = `listen at ${where.path ?? `${where.host ?? ""}:${where.port ?? ""}`}`;
  if (code === "EADDRINUSE") {
    return hugebarError("ERR_BUSY", { action, problem: "another process listens there" }, error);
  }
  if (code === "EACCES" || code === "EPERM") {
    return hugebarError("ERR_PERMISSION", { action, problem }, error);
  }
  return hugebarError("ERR_SYSTEM", { action, problem }, error);
}
