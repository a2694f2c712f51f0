/**
 * A device tree as the kernel is given one, to which nodes are added: what firmware says of a device that PCI does not
 * (Devicetree Specification 0.4, chapter 5, "Flattened Devicetree (DTB) Format").
 */

const MAGIC = 0xd00dfeed;
const BEGIN_NODE = 1;
const END_NODE = 2;
const PROP = 3;
const NOP = 4;
const END = 9;

/** Of the header: what is changed here, in bytes from its start. */
const HEADER = { magic: 0, total: 4, structure: 8, strings: 12, stringsSize: 32, structureSize: 36 } as const;

export interface DeviceTreeNode {
  /** `gpu@18,0` */
  readonly name: string;
  /** 32-bit cells by property. */
  readonly properties: Readonly<Record<string, readonly number[]>>;
}

/**
 * The tree with the nodes below that of a name, such as `pcie@10000000`, as its last ones.
 *
 * @throws for what is no device tree, or has no such node
 */
export function withNodes(tree: Uint8Array, parent: string, nodes: readonly DeviceTreeNode[]): Uint8Array {
  const bytes = Buffer.from(tree);
  if (bytes.length < 40 || bytes.readUInt32BE(HEADER.magic) !== MAGIC) throw new Error("no device tree");
  const start = bytes.readUInt32BE(HEADER.structure);
  const structure = bytes.subarray(start, start + bytes.readUInt32BE(HEADER.structureSize));
  const stringsStart = bytes.readUInt32BE(HEADER.strings);
  const strings = [bytes.subarray(stringsStart, stringsStart + bytes.readUInt32BE(HEADER.stringsSize))];
  const offsetOf = (name: string): number => {
    const offset = strings.reduce((sum, { length }) => sum + length, 0);
    strings.push(Buffer.from(`${name}\0`));
    return offset;
  };
  const added = nodes.map((node) => encoded(node, offsetOf));
  const end = endOf(structure, parent);
  const grown = Buffer.concat([structure.subarray(0, end), ...added, structure.subarray(end)]);
  // Behind the map of reserved memory, which comes first, the two blocks may stand in any order.
  const before = bytes.subarray(0, Math.min(start, stringsStart));
  const whole = Buffer.concat([before, grown, ...strings]);
  whole.writeUInt32BE(before.length, HEADER.structure);
  whole.writeUInt32BE(grown.length, HEADER.structureSize);
  whole.writeUInt32BE(before.length + grown.length, HEADER.strings);
  whole.writeUInt32BE(whole.length - before.length - grown.length, HEADER.stringsSize);
  whole.writeUInt32BE(whole.length, HEADER.total);
  return whole;
}

function encoded({ name, properties }: DeviceTreeNode, offsetOf: (name: string) => number): Buffer {
  const cells = (...values: readonly number[]): Buffer => {
    const bytes = Buffer.alloc(4 * values.length);
    for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, 4 * index);
    return bytes;
  };
  return Buffer.concat([
    cells(BEGIN_NODE),
    padded(Buffer.from(`${name}\0`)),
    ...Object.entries(properties).map(([property, values]) =>
      cells(PROP, 4 * values.length, offsetOf(property), ...values),
    ),
    cells(END_NODE),
  ]);
}

/** Where the node of that name ends in the structure block. */
function endOf(structure: Buffer, name: string): number {
  const path: string[] = [];
  for (let at = 0; at + 4 <= structure.length;) {
    const token = structure.readUInt32BE(at);
    if (token === BEGIN_NODE) {
      const end = structure.indexOf(0, at + 4);
      path.push(structure.toString("latin1", at + 4, end));
      at = aligned(end + 1);
    } else if (token === END_NODE) {
      if (path.pop() === name) return at;
      at += 4;
    } else if (token === PROP) {
      at = aligned(at + 12 + structure.readUInt32BE(at + 4));
    } else if (token === NOP) {
      at += 4;
    } else if (token === END) {
      break;
    } else {
      throw new Error(`no device tree: token ${token} at ${at}`);
    }
  }
  throw new Error(`the device tree has no node ${name}`);
}

function aligned(offset: number): number {
  return Math.ceil(offset / 4) * 4;
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(aligned(bytes.length) - bytes.length)]);
}
