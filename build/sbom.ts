/** The software bill of materials: what npm says of the package, and what the executable has in it besides. */

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import * as v from "valibot";
import { sourceDate } from "./source-date.ts";

const root = fileURLToPath(new URL("../", import.meta.url));

const componentSchema = v.looseObject({ "bom-ref": v.string(), name: v.string(), version: v.string() });
const sbomSchema = v.looseObject({
  metadata: v.looseObject({ timestamp: v.string(), component: componentSchema }),
  components: v.array(componentSchema),
});

/** CycloneDX, as JSON. The same sources give the same text: its time is theirs, and its serial number a name of its content. */
export function sbom(): string {
  const words = ["sbom", "--sbom-format", "cyclonedx", "--omit", "dev", "--package-lock-only"];
  const made = v.parse(sbomSchema, JSON.parse(execFileSync("npm", words, { cwd: root, encoding: "utf8" })));
  const { component } = made.metadata;
  const content = {
    ...made,
    // Random, until all else is known.
    serialNumber: "",
    metadata: {
      ...made.metadata,
      timestamp: new Date(sourceDate() * 1000).toISOString(),
      // npm gives it the name of the folder.
      component: { ...component, name: component["bom-ref"].replace(/@[^@]*$/, "") },
    },
    components: [...made.components, nodeComponent()],
  };
  return `${JSON.stringify({ ...content, serialNumber: serialOf(JSON.stringify(content)) }, null, 2)}\n`;
}

/** The Node that the executable is made of. */
function nodeComponent() {
  const version = process.version.slice(1);
  return {
    "bom-ref": `node@${version}`,
    type: "platform",
    name: "node",
    version,
    scope: "required",
    description: "In the standalone executable and the packages made of it",
    purl: `pkg:generic/node@${version}`,
    licenses: [{ license: { id: "MIT" } }],
  };
}

/** A UUID of version 8, whose bits are those of a hash (RFC 9562, section 5.8). */
function serialOf(content: string): string {
  const hash = createHash("sha256").update(content).digest("hex");
  const variant = ((Number.parseInt(hash.charAt(16), 16) & 3) | 8).toString(16);
  const parts = [
    hash.slice(0, 8),
    hash.slice(8, 12),
    `8${hash.slice(13, 16)}`,
    `${variant}${hash.slice(17, 20)}`,
  ];
  return `urn:uuid:${[...parts, hash.slice(20, 32)].join("-")}`;
}
