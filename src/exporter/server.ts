/** Serves the metrics: `/metrics`, `/healthz`, and a page that leads to them. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { authority, type Authority } from "./basic-auth.ts";
import { exposition, wantsOpenMetrics } from "./exposition.ts";
import type { Family } from "./families.ts";
import type { WebConfig } from "./web-config.ts";

const PAGE = `<!doctype html><html lang="en"><title>hugebar</title><h1>hugebar</h1><p><a href="metrics">Metrics</a></p></html>\n`;

/** A scraper sends a few hundred bytes, at once. */
const REQUEST_MILLISECONDS = 10_000;
const MOST_CONNECTIONS = 256;

export interface MetricsSource {
  metrics(): Promise<readonly Family[]>;
}

export function metricsServer(source: MetricsSource, { tls, users }: WebConfig): Server {
  const mayAsk = authority(users);
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    // A response that cannot be written is one whose reader has gone.
    response.on("error", () => undefined);
    reply(source, mayAsk, request, response).catch((error: unknown) => {
      send(
        response,
        500,
        "text/plain; charset=utf-8",
        `${error instanceof Error ? error.message : String(error)}\n`,
      );
    });
  };
  const server = tls === null ? createServer(answer) : createTlsServer(tls, answer);
  server.requestTimeout = REQUEST_MILLISECONDS;
  server.headersTimeout = REQUEST_MILLISECONDS;
  server.maxConnections = MOST_CONNECTIONS;
  server.on("clientError", (_, socket) => socket.destroy());
  return server;
}

async function reply(
  source: MetricsSource,
  mayAsk: Authority,
  { method, url = "/", headers }: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = url.split("?")[0];
  if (method !== "GET" && method !== "HEAD") {
    response.setHeader("Allow", "GET, HEAD");
    return send(response, 405, "text/plain; charset=utf-8", "Only GET and HEAD.\n");
  }
  // Asked without a password by what starts and stops services; it tells nothing of the machine.
  if (path === "/healthz") return send(response, 200, "text/plain; charset=utf-8", "ok\n");
  if (!(await mayAsk(headers.authorization))) {
    response.setHeader("WWW-Authenticate", 'Basic realm="hugebar", charset="UTF-8"');
    return send(response, 401, "text/plain; charset=utf-8", "Who asks?\n");
  }
  if (path === "/") return send(response, 200, "text/html; charset=utf-8", PAGE);
  if (path !== "/metrics")
    return send(response, 404, "text/plain; charset=utf-8", "There is /metrics and /healthz.\n");
  const { contentType, text } = await exposition(
    await source.metrics(),
    wantsOpenMetrics(headers.accept ?? ""),
  );
  return send(response, 200, contentType, text);
}

function send(response: ServerResponse, status: number, contentType: string, text: string): void {
  if (response.headersSent) return void response.destroy();
  response.writeHead(status, {
    "Content-Type": contentType,
    "Content-Length": Buffer.byteLength(text),
    "X-Content-Type-Options": "nosniff",
  });
  response.end(response.req.method === "HEAD" ? undefined : text);
}
