/**
 * Lists of named values as ZFS writes them to disks and to zpool.cache: XDR, packed (OpenZFS, module/nvpair/nvpair.c). Of them
 * the texts and the lists within; everything else is passed over.
 */

/** What stands under each name. */
export interface NvList {
  readonly texts: ReadonlyMap<string, string>;
  readonly lists: ReadonlyMap<string, readonly NvList[]>;
}

/** NV_ENCODE_XDR, in the first byte of the packed form; the lists within have no such header. */
const XDR = 1;
const HEADER_SIZE = 4;
/** Version and flags of each list. */
const LIST_HEAD = 8;

/** sys/nvpair.h */
const DATA_TYPE_STRING = 9;
const DATA_TYPE_NVLIST = 19;
const DATA_TYPE_NVLIST_ARRAY = 20;

/** No pool's tree of devices is deeper than this. */
const DEEPEST = 16;

/** The packed list that these bytes begin with; null where they do not begin with one. */
export function parseNvList(bytes: Uint8Array): NvList | null {
  if (bytes[0] !== XDR) return null;
  try {
    return listAt(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), HEADER_SIZE, 0).list;
  } catch (error) {
    // Cut off, or something else.
    if (error instanceof RangeError) return null;
    throw error;
  }
}

function listAt(
  bytes: Buffer,
  start: number,
  depth: number,
): { readonly list: NvList; readonly end: number } {
  if (depth > DEEPEST) throw new RangeError("too deep");
  const texts = new Map<string, string>();
  const lists = new Map<string, readonly NvList[]>();
  let at = start + LIST_HEAD;
  for (;;) {
    const size = bytes.readUInt32BE(at);
    if (size === 0) return { list: { texts, lists }, end: at + 8 };
    const name = textAt(bytes, at + 8);
    const type = bytes.readUInt32BE(name.end);
    const count = bytes.readUInt32BE(name.end + 4);
    const value = name.end + 8;
    if (type === DATA_TYPE_STRING) texts.set(name.text, textAt(bytes, value).text);
    else if (type === DATA_TYPE_NVLIST || type === DATA_TYPE_NVLIST_ARRAY)
      // Lists within end where the pair does: whatever the bytes say, none is read twice.
      lists.set(name.text, listsAt(bytes.subarray(0, at + size), value, count, depth));
    if (value > at + size) throw new RangeError("a pair that is no pair");
    at += size;
  }
}

function listsAt(bytes: Buffer, start: number, count: number, depth: number): NvList[] {
  const lists: NvList[] = [];
  let at = start;
  for (let index = 0; index < count; index += 1) {
    const { list, end } = listAt(bytes, at, depth + 1);
    lists.push(list);
    at = end;
  }
  return lists;
}

/** Its length, its bytes, and zeros up to a multiple of four. */
function textAt(bytes: Buffer, at: number): { readonly text: string; readonly end: number } {
  const length = bytes.readUInt32BE(at);
  const end = at + 4 + length;
  if (end > bytes.length) throw new RangeError("cut off");
  return { text: bytes.toString("utf8", at + 4, end), end: at + 4 + Math.ceil(length / 4) * 4 };
}
