import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { askingRelease, letItAsk } from "./asking-source.ts";

function source(condition: string): string {
  return `#include "internal.h"
#include "swap.h"

static bool bypass(void)
{
	if (forced)
		return true;
	${condition}
		return true;
	return false;
}
`;
}

describe("letItAsk", () => {
  it("makes the bypass depend on us, however the source asks for a huge pfnmap", () => {
    for (const condition of [
      "(vma->vm_flags & VM_PFNMAP) && has_huge_fault",
      "vma_test(vma, VMA_PFNMAP_BIT) && has_huge_fault",
    ]) {
      const expected = source(`if (!hugebar_asks && (${condition}))`).replace(
        '"swap.h"\n',
        '"swap.h"\n\nextern bool hugebar_asks;\n',
      );
      assert.equal(letItAsk(source(`if (${condition})`)), expected);
    }
  });

  it("goes by the last name of its series that asked", () => {
    const makefile = (version: string, level: string): string =>
      `# SPDX-License-Identifier: GPL-2.0\nVERSION = ${version}\nPATCHLEVEL = ${level}\nSUBLEVEL = 117\n`;
    assert.equal(askingRelease(makefile("6", "12")), "6.12.114");
    assert.equal(askingRelease(makefile("7", "3")), "7.2.7");
    assert.throws(() => askingRelease("all:\n"), /does not say its version/);
  });

  it("leaves a source alone that asks by itself", () => {
    assert.equal(letItAsk(source("if (never)")), source("if (never)"));
  });

  it("refuses to guess", () => {
    const twice = "if (pfnmap && PFNMAP && has_huge_fault)\n\t\treturn true;\n\tif (PFNMAP && huge_fault)";
    assert.throws(() => letItAsk(source(twice)), /more than one place/);
    assert.throws(
      () => letItAsk(source("if (PFNMAP && huge_fault)").replace('"swap.h"', '"x.h"')),
      /swap\.h/,
    );
  });
});
