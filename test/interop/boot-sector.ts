/** A disk whose boot sector says so: it reads another sector, prints what stands there, and writes it to a third. */

/** QEMU's isa-debugcon stands there. */
export const DEBUG_PORT = 0xe9;
/** A disk of this many bytes. */
export const DISK_BYTES = 4 * 2 ** 20;
const SECTOR = 512;
/** 126 sectors from here on are read at once, more than fit in two pages: their list of pages is walked. */
export const FIRST_READ = 8;
const SECTORS_READ = 126;
/** The last of them, with the text. */
const TEXT_SECTOR = FIRST_READ + SECTORS_READ - 1;
/** Where the text is written to. */
export const TEXT_WRITTEN = 1000;
const [LOAD_SEGMENT, PACKET_READ, PACKET_WRITE] = [0x1000, 0x60, 0x70];

/** A disk that prints `text`, and a dot when it has written it to sector 1000. */
export function bootableDisk(text: string): Buffer {
  const disk = Buffer.alloc(DISK_BYTES);
  disk.set(program());
  packet(disk, PACKET_READ, SECTORS_READ, 0, FIRST_READ);
  packet(disk, PACKET_WRITE, 1, (TEXT_SECTOR - FIRST_READ) * SECTOR, TEXT_WRITTEN);
  disk.set([0x55, 0xaa], SECTOR - 2);
  disk.write(`${text}\0`, TEXT_SECTOR * SECTOR, "latin1");
  return disk;
}

/** A disk address packet of the BIOS' int 0x13 extensions. */
function packet(disk: Buffer, at: number, sectors: number, offset: number, block: number): void {
  disk.set([16, 0], at);
  disk.writeUInt16LE(sectors, at + 2);
  disk.writeUInt16LE(offset % 16, at + 4);
  disk.writeUInt16LE(LOAD_SEGMENT + Math.floor(offset / 16), at + 6);
  disk.writeUInt32LE(block, at + 8);
}

/** 8086 code, loaded at 0x7c00 with the drive in dl. */
function program(): number[] {
  const textSegment = LOAD_SEGMENT + ((TEXT_SECTOR - FIRST_READ) * SECTOR) / 16;
  return [
    [0x31, 0xc0], // xor ax, ax
    [0x8e, 0xd8], // mov ds, ax
    [0xbe, PACKET_READ, 0x7c], // mov si, 0x7c00 + packet
    [0xb4, 0x42], // mov ah, 0x42: read
    [0xcd, 0x13], // int 0x13
    [0x72, 0x22], // jc end
    [0xb8, textSegment & 0xff, textSegment >> 8], // mov ax, segment of the text
    [0x8e, 0xd8], // mov ds, ax
    [0x31, 0xf6], // xor si, si
    [0xac], // next: lodsb
    [0x84, 0xc0], // test al, al
    [0x74, 0x04], // jz written
    [0xe6, DEBUG_PORT], // out 0xe9, al
    [0xeb, 0xf7], // jmp next
    [0x31, 0xc0], // written: xor ax, ax
    [0x8e, 0xd8], // mov ds, ax
    [0xbe, PACKET_WRITE, 0x7c], // mov si, 0x7c00 + packet
    [0xb8, 0x00, 0x43], // mov ax, 0x4300: write
    [0xcd, 0x13], // int 0x13
    [0x72, 0x04], // jc end
    [0xb0, 0x2e], // mov al, '.'
    [0xe6, DEBUG_PORT], // out 0xe9, al
    [0xf4], // end: hlt
    [0xeb, 0xfd], // jmp end
  ].flat();
}
