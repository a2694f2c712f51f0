import { openDevice, serveInWorker } from "hugebar";

// A device of a GB200's shape, served from a worker. With hardware: openDevice("0000:01:00.0"), and nothing to serve.
const server = await serveInWorker(new URL("./gb200.ts", import.meta.url), { socket: "/tmp/gb200.sock" });
const device = openDevice("vfio-user:/tmp/gb200.sock");

const bar = device.region(2).map(); // aligned, so that the kernel can use huge pages
console.log(`256 GiB at 0x${bar.base.toString(16)}`, bar.layout.leaves);

bar.write32(0x1000, 0xcafe); // one 4-byte store to the device's memory
const vram = new Uint32Array(bar.view(0, 2 ** 30)); // zero-copy, over one area
console.log(vram[0x1000 / 4] === bar.read32(0x1000));

bar.close(); // harmless memory takes the place of what the view reached
console.log(vram[0x1000 / 4]);
device.close();
await server.close();
