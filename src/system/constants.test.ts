import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** The files that name what the kernel and the protocol define. */
const TABLES = [
  "src/system/constants.ts",
  "src/device/file/pci-regs.ts",
  "src/device/transport/vfio-abi.ts",
  "src/vfio/ioctls/iommufd-abi.ts",
  "src/vfio/ioctls/vfio-kernel-abi.ts",
  "src/vfio-user/wire/protocol.ts",
];

function read(path: string): string {
  return readFileSync(join(root, path), "utf8");
}

describe("the constants of the kernel and the protocol", () => {
  it("are all used", () => {
    const uses = new Map<string, number>();
    for (const path of globSync("{src,test,bench,examples}/**/*.ts", { cwd: root })) {
      for (const [word] of read(path).matchAll(/\b[A-Z]\w+/g)) uses.set(word, (uses.get(word) ?? 0) + 1);
    }
    for (const path of TABLES) {
      const names = [...read(path).matchAll(/^export const (\w+)/gm)].map(([, name = ""]) => name);
      assert.ok(names.length > 20, path);
      assert.deepEqual(
        names.filter((name) => uses.get(name) === 1),
        [],
        path,
      );
    }
  });
});
