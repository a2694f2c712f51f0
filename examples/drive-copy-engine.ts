/** A client of the copy engine: hands it memory, gives it an order, waits for its interrupt. */

import { openDevice, serveInWorker, SharedMemory } from "hugebar";
import { FETCH, REGISTERS, STORE } from "./copy-engine.ts";

const server = await serveInWorker(new URL("./copy-engine.ts", import.meta.url), {
  socket: "/tmp/copy-engine.sock",
});
const device = openDevice("vfio-user:/tmp/copy-engine.sock");
const registers = device.region(0).map();

let done = Promise.withResolvers<void>();
const listener = device.interrupts("msix").listen([0], () => done.resolve());

const memory = new SharedMemory(2 << 20);
const mapped = device.dma.map(memory, 0x1_0000n); // the device sees it from 0x10000 on
memory.bytes(0, 5).set(new TextEncoder().encode("hello"));

async function order(command: bigint, address: bigint): Promise<bigint> {
  done = Promise.withResolvers();
  registers.write64(REGISTERS.address.offset, address);
  registers.write64(REGISTERS.length.offset, 5n);
  registers.write64(REGISTERS.command.offset, command);
  await done.promise;
  return registers.read64(REGISTERS.status.offset);
}

console.log("fetch:", await order(FETCH, 0x1_0000n));
console.log("store:", await order(STORE, 0x11_0000n));
console.log("copied:", new TextDecoder().decode(memory.bytes(0x10_0000, 5)));
console.log("outside:", await order(FETCH, 0xdead_0000n));

listener.close();
mapped.close();
device.close();
memory.close();
await server.close();
