import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { authority } from "./basic-auth.ts";
import { readWebConfig } from "./web-config.ts";

/** Of the password "right", at bcrypt's lowest cost. */
const HASH = "$2b$04$qNp0cMA2tWXKHBmMPlk9j.5jxPzDkXpl6UFuiwSDwgQKjkanavZt.";

const folder = mkdtempSync(join(tmpdir(), "hugebar-web-config-"));
const file = join(folder, "web.yml");
after(() => rmSync(folder, { recursive: true }));

function read(text: string) {
  writeFileSync(file, text);
  return readWebConfig(file);
}

describe("readWebConfig", () => {
  it("is open where the file is empty", () => {
    for (const text of ["", "# nothing\n", "basic_auth_users: {}\n"]) {
      assert.deepEqual(read(text), { tls: null, users: null });
    }
  });

  it("reads certificates beside the file, and asks no client for one unless told so", () => {
    writeFileSync(join(folder, "a.crt"), "CERT");
    writeFileSync(join(folder, "a.key"), "KEY");
    const { tls } = read("tls_server_config:\n  cert_file: a.crt\n  key_file: a.key\n  min_version: TLS13\n");
    assert.deepEqual(tls, {
      cert: "CERT",
      key: "KEY",
      minVersion: "TLSv1.3",
      requestCert: false,
      rejectUnauthorized: false,
    });
  });

  it("refuses what it could not do, naming it", () => {
    for (const [text, problem] of [
      ["{", /web\.yml/],
      ["unknown: 1\n", /unknown/],
      ["http_server_config:\n  http2: true\n", /http_server_config/],
      ["basic_auth_users:\n  me: secret\n", /me.*bcrypt/],
      ["tls_server_config:\n  cert_file: gone\n  key_file: gone\n", /gone cannot be read: ENOENT/],
      [
        "tls_server_config:\n  cert_file: a.crt\n  key_file: a.key\n  client_auth_type: RequireAndVerifyClientCert\n",
        /client_ca_file/,
      ],
      [
        "tls_server_config:\n  cert_file: a.crt\n  key_file: a.key\n  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: a.crt\n",
        /not to be had/,
      ],
      ["- a\n- b\n", /web\.yml/],
    ] as const) {
      assert.throws(
        () => read(text),
        (error: unknown) => {
          assert.ok(error instanceof Error && "code" in error && error.code === "ERR_ARGUMENT", text);
          assert.match(error.message, problem);
          return true;
        },
      );
    }
    assert.throws(() => readWebConfig(join(folder, "nowhere")), { code: "ERR_ARGUMENT" });
  });
});

describe("authority", () => {
  const basic = (text: string): string => `Basic ${Buffer.from(text).toString("base64")}`;

  it("lets in who knows the password, and nobody else", async () => {
    const mayAsk = authority(new Map([["me", HASH]]));
    assert.equal(await mayAsk(basic("me:right")), true);
    assert.equal(await mayAsk(basic("me:right")), true, "the second time without the work");
    for (const header of [
      undefined,
      "",
      "Basic",
      "Bearer x",
      basic("me:wrong"),
      basic("you:right"),
      basic("me"),
      basic("me:right:"),
    ]) {
      assert.equal(await mayAsk(header), false, String(header));
    }
  });

  it("asks nobody where there are no users", async () => {
    assert.equal(await authority(null)(undefined), true);
  });
});
