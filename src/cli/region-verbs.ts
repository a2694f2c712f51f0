/** The verbs about one region: of no device, of an emulated one, of a real one. */

import { help, json, output, pictureOutput, quiet, STRATEGIES } from "./common-options.ts";
import type { Verb } from "../report/manual/verb.ts";

/** What `map` and `conform` take alike. */
const region = {
  type: "string",
  value: "INDEX",
  required: true,
  summary: "the region; BAR 0 to 5 are regions 0 to 5",
} as const;
const api = {
  type: "string",
  value: "API",
  choices: ["group", "cdev"],
  summary: "the kernel's interface to take; cdev where the kernel has it",
} as const;
const enableMemory = {
  type: "boolean",
  summary: "switch the device's memory decoding on if it is off",
} as const;
const vfToken = {
  type: "string",
  value: "UUID",
  summary: "the VF token, where another process has the SR-IOV function or its VFs",
} as const;

export const REGION_VERBS = {
  demo: {
    summary: "map a GPU-sized region three ways, without hardware, and compare",
    operands: [],
    options: { json, output: pictureOutput, quiet, help },
    details: [
      "Starts an embedded vfio-user device shaped like a GB200's: region 2 of 256 GiB with one area of 188 GiB, backed by a sparse memory file. Maps the region for real with each strategy and shows the address the kernel gave, the alignment reached, the leaves a BAR at that address gets, and what faults and page tables cost.",
      "Beside it stands a measurement: 64 MiB of huge shared memory are mapped at each of those alignments and every page is touched. Where this machine refuses huge shared memory, the line says so and why.",
    ],
    examples: [{ command: "hugebar demo", shows: "what the alignment of a mapping is worth" }],
  },
  plan: {
    summary: "predict the leaves of a region of any shape, for any architecture",
    operands: [],
    options: {
      size: {
        type: "string",
        value: "SIZE",
        summary: "size of the region; without it, -o FILE.html makes a page to plan on",
      },
      area: {
        type: "string",
        value: "OFFSET:SIZE",
        multiple: true,
        summary: "a mappable part of the region; without any, all of it is one area",
      },
      areas: {
        type: "string",
        value: "FILE",
        completes: "file",
        summary: "a file (- for standard input) with a line OFFSET:SIZE for each area",
      },
      arch: {
        type: "string",
        value: "ARCH",
        choices: [
          "x86-64",
          "arm64-4k",
          "arm64-16k",
          "arm64-64k",
          "riscv64",
          "ppc64-radix-4k",
          "ppc64-radix-64k",
        ],
        summary: "the paging model; this machine's by default",
      },
      physical: {
        type: "string",
        value: "ADDRESS",
        summary: "physical address of the region; adds the strategy physical",
      },
      strategy: {
        type: "string",
        value: "STRATEGY",
        choices: STRATEGIES,
        summary: "show this strategy alone, part by part",
      },
      cost: {
        type: "boolean",
        summary: "add what a start of a virtual machine costs: faults, steps of mapping for DMA, tables",
      },
      kernel: {
        type: "string",
        value: "RELEASE",
        summary: "with --cost: as uname -r prints it; this machine's by default",
      },
      "guest-address": {
        type: "string",
        value: "ADDRESS",
        summary: "where a guest sees the region; adds the leaves of the second stage",
      },
      hole: {
        type: "string",
        value: "OFFSET:SIZE",
        multiple: true,
        summary: "a part that the monitor cuts out for the guest, such as the MSI-X table",
      },
      json,
      output: pictureOutput,
      quiet,
      help,
    },
    details: [
      "Counts the leaves that each strategy promises, the page faults that fill them and the bytes of page tables they take, and draws which part of the region gets which leaf. Nothing is mapped, and no device is needed.",
      "Strategies: none lets the kernel choose the address; area aligns each area by its own size; region aligns the whole region, at most to 1 GiB; physical makes addresses congruent with the given physical address.",
      "With --guest-address, KVM's second stage is counted too: a guest gets a leaf of a size where guest-physical, virtual and physical address agree modulo that size, and where the whole block lies in one memory slot. A hole splits the slot, and takes whole pages.",
      "Without --size, -o FILE.html writes the planner: one page, which works without a network, to type size, areas, architecture and addresses into and compare the strategies while typing. What else is given fills it in; its address keeps what is typed.",
      "In a file of areas, empty lines and what follows a # are left out.",
      "A SIZE, an OFFSET or an ADDRESS is a number of bytes (4096), a hexadecimal number (0x1000) or has a binary suffix (4K, 2M, 64G).",
    ],
    examples: [
      {
        command: "hugebar plan --size 256G --area 0:0x2f00f00000",
        shows: "the device memory of a GB200, by every strategy",
      },
      {
        command: "hugebar plan --size 256G --area 0:0x2f00f00000 -o gb200.html",
        shows: "the same as a page to zoom in, from all of it down to a single page",
      },
      {
        command: "hugebar plan -o planner.html",
        shows: "a page to plan on: the same for whatever is typed into it",
      },
      {
        command: "hugebar plan --size 64G --cost --kernel 6.12.117",
        shows: "what a guest's start with a BAR of 64 GiB costs on that kernel, and on others",
      },
      {
        command: "hugebar plan --size 64G --guest-address 0x3800000000 --hole 0x2000:0x1000",
        shows: "what is left of the leaves in a guest whose monitor emulates the MSI-X table",
      },
      {
        command: "hugebar plan --size 128G --area 6M:32G --arch arm64-64k --json",
        shows: "another shape on another architecture, for a program to read",
      },
    ],
  },
  map: {
    summary: "map a region of a device into this process and print the mapping",
    judges: "verify",
    operands: [
      {
        name: "DEVICE",
        completes: "device",
        summary: "0000:01:00.0, 01:00.0 or vfio-user:PATH",
      },
    ],
    options: {
      region,
      strategy: {
        type: "string",
        value: "STRATEGY",
        choices: STRATEGIES,
        summary: "how the address is chosen; region by default",
      },
      gaps: {
        type: "string",
        value: "GAPS",
        choices: ["unmap", "guard"],
        summary: "what becomes of the gaps: unmapped (the default), or kept inaccessible",
      },
      verify: {
        type: "boolean",
        summary: "touch the mapping and compare what that cost with the prediction",
      },
      api,
      "enable-memory": enableMemory,
      "vf-token": vfToken,
      hold: { type: "boolean", summary: "keep the mapping until a signal" },
      json,
      output: pictureOutput,
      quiet,
      help,
    },
    details: [
      "Prints where each area lies and the leaves, page faults and page tables that the kernel's rules give at that address.",
      "With --hold the mapping stays, to be looked at in /proc/PID/maps, until SIGINT, SIGTERM or SIGHUP; it is then unmapped and the device closed, and the exit code is 128 plus the signal's number.",
    ],
    examples: [
      {
        command: "hugebar map vfio-user:/run/gpu.sock --region 2 --hold",
        shows: "a mapping to look at from another terminal",
      },
    ],
  },
  conform: {
    summary: "test whether this kernel gives a device's memory the leaves that it should",
    judges: true,
    operands: [
      {
        name: "DEVICE",
        completes: "device",
        summary: "0000:01:00.0 or 01:00.0, bound to VFIO and used by nobody",
      },
    ],
    options: {
      region,
      api,
      "enable-memory": enableMemory,
      "vf-token": vfToken,
      "touch-registers": {
        type: "boolean",
        summary: "read a BAR that is not prefetchable, too: reading a register may do something",
      },
      "risk-oops": {
        type: "boolean",
        summary: "also try what kernels are known to fall over: never on a machine that matters",
      },
      json,
      output,
      quiet,
      help,
    },
    details: [
      "Maps parts of the region at chosen addresses, touches them, and looks which leaf the kernel laid: by alignment, at the edges of mappings, after calls that cut a leaf through, under each advice, with memory decoding off and on, over a reset. Prints KTAP, as the kernel's own tests do; a point that does not hold names what was found, what was due, and the commit that it hangs on.",
      "Leaves are read from the page tables where that may be (root, /proc/kcore, BTF), else found by the addresses of page faults, else by their number; the report says which.",
      "Only the region is touched, and only read. Its device is reset, and its memory decoding switched off and on. A device that anybody else has open is refused.",
    ],
    examples: [
      {
        command: "hugebar conform 0000:01:00.0 --region 2",
        shows: "what this kernel does with BAR 2 of a device that is bound to vfio-pci",
      },
    ],
  },
  serve: {
    summary: "serve a vfio-user device of any shape, backed by sparse memory",
    operands: [],
    options: {
      socket: {
        type: "string",
        value: "PATH",
        completes: "file",
        required: true,
        summary: "the socket to listen on; removed at the end",
      },
      region: {
        type: "string",
        value: "INDEX:SIZE",
        multiple: true,
        summary: "a region of the device",
      },
      like: {
        type: "string",
        value: "MACHINE",
        choices: ["gb200", "gh200"],
        summary: "the GPU of a Grace superchip, as its driver finds it; --region adds to it",
      },
      area: {
        type: "string",
        value: "INDEX:OFFSET:SIZE",
        multiple: true,
        summary: "a mappable part of a region; without any, all of it can be mapped",
      },
      trace: { type: "boolean", summary: "print each message of the protocol, a line each, as a message" },
      json,
      quiet,
      help,
    },
    details: [
      "The device is there for hugebar map, for QEMU's vfio-user-pci and for any other client, one after another, and says when one comes or goes. At SIGINT, SIGTERM or SIGHUP the socket is removed, and the exit code is 128 plus the signal's number.",
      "Regions are sparse memory files: only what is written to takes memory, so 256 GiB cost nothing.",
      "With --like the device has the ids, the capabilities and the readiness registers (region 0) that nvgrace-gpu looks for, and is ready some 200 ms after each reset. The memory of such a GPU is no BAR: firmware tells the driver where it is. --region 4:256G --area 4:0:0x2f00f00000 adds what the driver makes of it.",
      "With --trace each message that a client sends or is sent stands on standard error: its number, its command's name, its size, how many descriptors came along, its error, and what its structure says, such as a region, an offset and a count; never the data. What a client does with memory that it has mapped takes no message.",
    ],
    examples: [
      {
        command: "hugebar serve --socket /run/gpu.sock --region 2:256G --area 2:0:0x2f00f00000",
        shows: "a device shaped like a GB200",
      },
      {
        command: "hugebar serve --socket /run/gpu.sock --like gb200",
        shows: "one that nvgrace-gpu takes for a GB200's GPU",
      },
    ],
  },
} as const satisfies Record<string, Verb>;
