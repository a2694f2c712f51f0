/**
 * The web configuration file that Prometheus' exporters share (prometheus/exporter-toolkit, web-configuration.md): TLS
 * and passwords, as far as Node's TLS goes. A key that is not known here is an error: what it asks for would not be done.
 */

import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { ServerOptions } from "node:https";
import * as v from "valibot";
import { parse } from "yaml";
import { hugebarError } from "../errors.ts";

const VERSIONS = { TLS10: "TLSv1", TLS11: "TLSv1.1", TLS12: "TLSv1.2", TLS13: "TLSv1.3" } as const;
const versionSchema = v.optional(v.picklist(["TLS10", "TLS11", "TLS12", "TLS13"]));

const configurationSchema = v.strictObject({
  tls_server_config: v.optional(
    v.strictObject({
      cert_file: v.string(),
      key_file: v.string(),
      client_auth_type: v.optional(
        v.picklist([
          "NoClientCert",
          "RequestClientCert",
          "RequireAnyClientCert",
          "VerifyClientCertIfGiven",
          "RequireAndVerifyClientCert",
        ]),
        "NoClientCert",
      ),
      client_ca_file: v.optional(v.string()),
      min_version: versionSchema,
      max_version: versionSchema,
    }),
  ),
  basic_auth_users: v.optional(
    v.record(
      v.string(),
      v.pipe(v.string(), v.regex(/^\$2[aby]\$\d\d\$[./0-9A-Za-z]{53}$/, "it is no bcrypt hash")),
    ),
  ),
});

type Configuration = v.InferOutput<typeof configurationSchema>;

export interface WebConfig {
  /** Null for plain HTTP. */
  readonly tls: ServerOptions | null;
  /** Who may ask: bcrypt hashes by name; null for everybody. */
  readonly users: ReadonlyMap<string, string> | null;
}

export const OPEN: WebConfig = { tls: null, users: null };

/** @throws ERR_ARGUMENT naming the file and what is wrong in it */
export function readWebConfig(path: string): WebConfig {
  const { tls_server_config: tls, basic_auth_users: users } = readConfiguration(path);
  return {
    tls: tls === undefined ? null : tlsOptions(path, tls),
    users: users === undefined || Object.keys(users).length === 0 ? null : new Map(Object.entries(users)),
  };
}

function readConfiguration(path: string): Configuration {
  const content: unknown = parseYaml(path);
  const result = v.safeParse(configurationSchema, content ?? {});
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw invalid(path, `${v.getDotPath(issue) ?? "the file"}: ${issue.message}`);
}

function parseYaml(path: string): unknown {
  const text = readText(path, path);
  try {
    return parse(text);
  } catch (error) {
    throw invalid(path, error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error), error);
  }
}

function tlsOptions(path: string, tls: NonNullable<Configuration["tls_server_config"]>): ServerOptions {
  // Relative to the file, as the toolkit has it.
  const read = (file: string): string => readText(path, resolve(dirname(path), file));
  const { client_auth_type: auth, client_ca_file: ca } = tls;
  if (auth.includes("Verify") && ca === undefined) {
    throw invalid(path, `client_auth_type ${auth} needs a client_ca_file`);
  }
  if (auth === "RequireAnyClientCert" || auth === "VerifyClientCertIfGiven") {
    throw invalid(path, `client_auth_type ${auth} is not to be had with Node's TLS`);
  }
  return {
    cert: read(tls.cert_file),
    key: read(tls.key_file),
    minVersion: VERSIONS[tls.min_version ?? "TLS12"],
    ...(tls.max_version === undefined ? {} : { maxVersion: VERSIONS[tls.max_version] }),
    ...(ca === undefined ? {} : { ca: read(ca) }),
    requestCert: auth !== "NoClientCert",
    rejectUnauthorized: auth === "RequireAndVerifyClientCert",
  };
}

function readText(configuration: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    throw invalid(configuration, `${path} cannot be read: ${code}`, error);
  }
}

function invalid(path: string, problem: string, cause?: unknown): Error {
  return hugebarError("ERR_ARGUMENT", { what: `--web.config.file ${path}`, problem }, cause);
}
