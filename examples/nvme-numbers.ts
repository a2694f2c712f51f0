/** What the NVM Express Base Specification 1.4 numbers: registers, fields of them, commands, and how those end. */

export const REGISTERS = {
  CAP: { offset: 0x00, width: 8, writable: 0n, reset: 0x20_1401_00ffn }, // rings of 256 entries, each in one piece
  VS: { offset: 0x08, width: 4, writable: 0, reset: 0x0001_0000 },
  CC: { offset: 0x14, width: 4 },
  CSTS: { offset: 0x1c, width: 4, writable: 0 },
  AQA: { offset: 0x24, width: 4 },
  ASQ: { offset: 0x28, width: 8 },
  ACQ: { offset: 0x30, width: 8 },
  doorbells: { offset: 0x1000, width: 4, count: 4 },
} as const;
/** Bytes of a page, and of a block; entries of a ring, and pages of one command at most. */
export const [PAGE, BLOCK, ENTRIES, MOST_PAGES] = [4096, 512, 256, 32];

export const [CC_ENABLE, CC_SHUTDOWN, CC_SIZES, CC_SIZES_HERE] = [1, 3 << 14, 0x00ff_3ff0, 0x0046_0000];
export const [CSTS_READY, CSTS_FATAL, CSTS_SHUT_DOWN] = [1, 2, 2 << 2];

export const [DELETE_SQ, CREATE_SQ, DELETE_CQ, CREATE_CQ] = [0, 1, 4, 5];
export const [IDENTIFY, SET_FEATURES, NUMBER_OF_QUEUES, EVENT] = [6, 9, 7, 12];
export const [FLUSH, WRITE, READ, FORCE_UNIT_ACCESS] = [0, 1, 2, 1 << 30];

export const [DONE, BAD_OPCODE, BAD_FIELD, INTERNAL, BAD_NAMESPACE, OUT_OF_RANGE] = [0, 1, 2, 6, 0xb, 0x80];
export const [BAD_CQ, BAD_QUEUE, BAD_SIZE, BAD_VECTOR, IN_USE] = [0x100, 0x101, 0x102, 0x108, 0x10c];

/** What IDENTIFY tells of namespace 1, a disk of so many blocks (0), and of the controller (1). */
export function identifyData(what: number, blocks: bigint): Uint8Array {
  const view = new DataView(new ArrayBuffer(PAGE));
  if (what === 0) {
    for (const at of [0, 8, 16]) view.setBigUint64(at, blocks, true); // size, capacity, use
    view.setUint8(130, Math.log2(BLOCK));
  } else {
    const names = "1".padEnd(20) + "A file, by hugebar".padEnd(48);
    new TextEncoder().encodeInto(names, new Uint8Array(view.buffer, 4));
    view.setUint8(77, Math.log2(MOST_PAGES));
    view.setUint16(512, 0x4466, true); // entries of 2^6 and 2^4 bytes
    view.setUint32(516, 1, true); // one namespace
    view.setUint8(525, 1); // what is written is safe when it was flushed
  }
  return new Uint8Array(view.buffer);
}
