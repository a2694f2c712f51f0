/** Machines and what is to be found of them, for tests of one use each. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { deviceUses } from "../device-uses.ts";
import { BDF, recorded, type Recorded } from "./machine/recorded-machine.fixture.ts";

export interface UsesCase extends Recorded {
  readonly name: string;
  /** Of the function `BDF`, in any order. */
  readonly uses: readonly string[];
}

/** @param subject what tells such uses */
export function describeUses(subject: string, cases: readonly UsesCase[]): void {
  void describe(subject, () => {
    for (const { name, uses, ...machine } of cases) {
      void it(`knows ${name}`, (test) => {
        assert.deepEqual([...deviceUses(recorded(test, machine), BDF).uses].sort(), [...uses].sort());
      });
    }
  });
}
