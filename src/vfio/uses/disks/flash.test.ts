import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { deviceUses } from "../../device-uses.ts";
import { BDF, HOME, mount, OTHER_HOME, placed, recorded } from "../machine/recorded-machine.fixture.ts";

describe("flashUses", () => {
  it("knows what is mounted on flash memory, by number, name and volume, and UBI", (test) => {
    const survey = recorded(test, {
      devices: [{ bdf: BDF, driver: "cafe_nand" }],
      sys: {
        ...placed("class/mtd", `${HOME}/mtd/mtd0`, { name: "boot\n", dev: "90:0\n" }),
        ...placed("class/mtd", `${HOME}/mtd/mtd0ro`, { name: "boot\n", dev: "90:1\n" }),
        ...placed("class/mtd", `${HOME}/mtd/mtd1`, { name: "logs\n" }),
        ...placed("class/mtd", `${HOME}/mtd/mtd2`, { name: "root\n" }),
        ...placed("class/mtd", `${HOME}/mtd/mtd3`, { name: "free\n" }),
        ...placed("class/mtd", `${OTHER_HOME}/mtd/mtd4`, { name: "other\n" }),
        ...placed("class/ubi", "devices/virtual/ubi/ubi0", { mtd_num: "2\n" }),
        ...placed("class/ubi", "devices/virtual/ubi/ubi0/ubi0_0", { name: "root\n" }),
        ...placed("class/ubi", "devices/virtual/ubi/ubi1", { mtd_num: "4\n" }),
      },
      proc: {
        "1/mountinfo":
          mount("0:40", "/boot", "jffs2", "mtd0") +
          mount("0:41", "/logs", "jffs2", "mtd:logs") +
          mount("0:42", "/", "ubifs", "ubi0:root") +
          mount("0:43", "/other", "ubifs", "ubi1_0") +
          mount("0:44", "/tmp", "tmpfs", "mtd0"),
      },
    });
    assert.deepEqual(deviceUses(survey, BDF).uses, [
      "/dev/mtd0 is mounted on /boot",
      "/dev/mtd1 is mounted on /logs",
      "/dev/ubi0 is built on /dev/mtd2",
      "/dev/mtd2 is mounted on /",
    ]);
  });
});
