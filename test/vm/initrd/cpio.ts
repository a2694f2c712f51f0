/**
 * Archives in the "newc" format of cpio, which the kernel unpacks as its initial RAM disk; several, one after another,
 * count as one (Documentation/driver-api/early-userspace/buffer-format.rst).
 */

export interface CpioEntry {
  /** Where it lies, without a leading slash; the folders above it come first. */
  readonly path: string;
  /** Type and permissions, as in `st_mode`. */
  readonly mode: number;
  /** A file's bytes or a link's target; folders have none. */
  readonly content: Uint8Array;
}

export const MODE_FOLDER = 0o040755;
export const MODE_FILE = 0o100644;
export const MODE_PROGRAM = 0o100755;
export const MODE_LINK = 0o120777;

const blockSize = 512;

export function cpioArchive(entries: readonly CpioEntry[]): Buffer {
  const trailer: CpioEntry = { path: "TRAILER!!!", mode: 0, content: new Uint8Array() };
  const parts = [...entries, trailer].flatMap(recordOf);
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([...parts, new Uint8Array(padding(length, blockSize))]);
}

function recordOf({ path, mode, content }: CpioEntry, index: number): Uint8Array[] {
  const name = Buffer.from(`${path}\0`);
  const [uid, gid, links, time, major, minor, checksum] = [0, 0, 1, 0, 0, 0, 0];
  const fields = [
    [index + 1, mode, uid, gid, links, time, content.length],
    [major, minor, major, minor, name.length, checksum],
  ].flat();
  const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`);
  return [
    header,
    name,
    new Uint8Array(padding(header.length + name.length, 4)),
    content,
    new Uint8Array(padding(content.length, 4)),
  ];
}

function padding(length: number, alignment: number): number {
  return (alignment - (length % alignment)) % alignment;
}
