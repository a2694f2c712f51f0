/**
 * A process of its own that maps a part of the area by the file that it was given, and says which leaves it got there:
 * `other-process PART`, PART as `processes.ts` encodes it.
 */

import { readHostKernel, requireModel } from "../../device/leaves/host-kernel.ts";
import { linux } from "../../system/libc.ts";
import { openObserver } from "../observer.ts";
import { Trial } from "../trial.ts";
import { parsePart, PART_FD } from "./shared-part.ts";

const { offset, size, at, physical, ...area } = parsePart(process.argv[2] ?? "");
const { model, arch } = requireModel(readHostKernel(linux));
const tested = { ...area, size, system: linux, model, fd: PART_FD, physical: BigInt(physical) };
const observer = openObserver(linux, model, arch);
const trial = new Trial(tested, { offset, size });
const leaves = at.map((place) => observer.touch(trial, place));
process.stdout.write(JSON.stringify({ leaves }));
trial.close();
observer.close();
