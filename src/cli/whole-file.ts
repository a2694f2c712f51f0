/** Files written whole or not at all: beside the place first, then put there by one `rename`. */

import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  type Stats,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";

/**
 * Finds out before any work whether a file can be written there. Throws what `fs` throws: EISDIR for a folder, ENOENT for
 * a folder that is not there, EACCES, EROFS.
 */
export function checkWritable(path: string): void {
  const there = statSync(path, { throwIfNoEntry: false });
  if (there?.isDirectory() === true) throw Object.assign(new Error("it is a folder"), { code: "EISDIR" });
  if (there !== undefined) accessSync(path, constants.W_OK);
  // A device or a pipe is written to in its place.
  if (there === undefined || there.isFile())
    accessSync(dirname(placeOf(path)), constants.W_OK | constants.X_OK);
}

/** Throws what `fs` throws; what was there before is then untouched, and nothing stands beside it. */
export function writeWholeFile(path: string, text: string): void {
  checkWritable(path);
  const before = statSync(path, { throwIfNoEntry: false });
  if (before !== undefined && !before.isFile()) {
    writeFileSync(path, text);
    return;
  }
  const place = placeOf(path);
  const beside = join(dirname(place), `.${basename(place)}.${process.pid}.part`);
  try {
    writeFileSync(beside, text, { flag: "wx" });
    if (before !== undefined) likeBefore(beside, before);
    renameSync(beside, place);
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  }
}

/** Where a link leads, so that the link stays. */
function placeOf(path: string): string {
  let place = path;
  // As many links as the kernel follows.
  for (let links = 0; links < 40; links += 1) {
    try {
      place = resolve(dirname(place), readlinkSync(place));
    } catch {
      return place;
    }
  }
  return place;
}

function likeBefore(path: string, { mode, uid, gid }: Stats): void {
  try {
    chownSync(path, uid, gid);
  } catch {
    // Only root gives files away; the new one is then the writer's.
  }
  chmodSync(path, mode & 0o777);
}
