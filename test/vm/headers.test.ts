import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";

import { compareWithHeaders } from "../../src/vfio/ioctls/kernel-headers.fixture.ts";
import { missingProgram } from "../missing-program.ts";
import { leftOut } from "./guest-tests.ts";
import { folderOf } from "./provision/cache.ts";
import { kernelHeaders } from "./provision/kernel-headers.ts";
import { provision } from "./provision/provision.ts";

describe("constants and structures", () => {
  it("are those of the newest kernel's headers, all of them", { skip: missingProgram("cc") }, async (t) => {
    if (leftOut(t)) return;
    await provision(["kernel-headers"]);
    const { theirs, ours, unknown } = compareWithHeaders("cc", [join(folderOf(kernelHeaders), "include")]);
    assert.deepEqual(unknown, []);
    assert.deepEqual(theirs, ours);
  });
});
