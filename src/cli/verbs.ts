/**
 * The one table of what the tool can do. The parser, `--help`, the manual page and the completion for bash, zsh and
 * fish all come from it; `run.ts` knows the file behind each verb.
 */

/** How a shell completes a value: a file's name, a device's name, a verb, or nothing. */
type Completes = "file" | "device" | "verb";

/** An option that stands for itself: `--json`. */
interface FlagOption {
  readonly type: "boolean";
  readonly short?: string;
  readonly summary: string;
}

/** An option with a value: `--size BYTES`. */
interface ValueOption {
  readonly type: "string";
  readonly short?: string;
  /** What the help calls the value. */
  readonly value: string;
  /** The only values there are. */
  readonly choices?: readonly string[];
  readonly completes?: Completes;
  /** May be given more than once. */
  readonly multiple?: boolean;
  readonly required?: boolean;
  readonly summary: string;
}

export type VerbOption = FlagOption | ValueOption;

export interface Operand {
  /** What the help calls it: `DEVICE`. */
  readonly name: string;
  readonly choices?: readonly string[];
  readonly completes?: Completes;
  readonly optional?: boolean;
  /** May be given more than once; only the last operand can be. */
  readonly repeatable?: boolean;
  readonly summary: string;
}

export interface Verb {
  readonly summary: string;
  readonly operands: readonly Operand[];
  readonly options: Readonly<Record<string, VerbOption>>;
  /** Paragraphs for the help and the manual page. */
  readonly details: readonly string[];
  /** Commands to try, each with what it shows. */
  readonly examples: readonly { readonly command: string; readonly shows: string }[];
}

const help = { type: "boolean", short: "h", summary: "show this help and exit" } as const;
const json = { type: "boolean", short: "j", summary: "print JSON instead of text" } as const;
const quiet = { type: "boolean", short: "q", summary: "no messages but errors" } as const;
const output = {
  type: "string",
  short: "o",
  value: "FILE",
  completes: "file",
  summary: "write to FILE instead of standard output (-); .json gives JSON, .txt text",
} as const;
const pictureOutput = {
  ...output,
  summary:
    "write to FILE instead of standard output (-); .json gives JSON, .svg and .html pictures, .txt text",
} as const;

const sys = {
  type: "string",
  value: "ROOT",
  completes: "file",
  summary: "read ROOT instead of /sys: a recorded machine",
} as const;
const proc = {
  type: "string",
  value: "ROOT",
  completes: "file",
  summary: "read ROOT instead of /proc: a recorded machine",
} as const;

const STRATEGIES = ["none", "area", "region", "physical"] as const;
const SHELLS = ["bash", "zsh", "fish"] as const;

/** What `bind` and `unbind` share. */
const bindOptions = {
  group: { type: "boolean", summary: "all devices of its IOMMU group, bridges left out" },
  "dry-run": { type: "boolean", summary: "print what would be written, and write nothing" },
  json,
  output,
  sys: { ...sys, summary: "read ROOT instead of /sys; with --dry-run only" },
  proc: { ...proc, summary: "read ROOT instead of /proc; with --dry-run only" },
  quiet,
  help,
} as const;

const pciDevice = { name: "DEVICE", completes: "device", summary: "0000:01:00.0 or 01:00.0" } as const;

export const VERBS = {
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
      size: { type: "string", value: "SIZE", required: true, summary: "size of the region" },
      area: {
        type: "string",
        value: "OFFSET:SIZE",
        multiple: true,
        summary: "a mappable part of the region; without any, all of it is one area",
      },
      arch: {
        type: "string",
        value: "ARCH",
        choices: ["x86-64", "arm64-4k", "arm64-16k", "arm64-64k"],
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
      json,
      output: pictureOutput,
      quiet,
      help,
    },
    details: [
      "Counts the leaves that each strategy promises, the page faults that fill them and the bytes of page tables they take, and draws which part of the region gets which leaf. Nothing is mapped, and no device is needed.",
      "Strategies: none lets the kernel choose the address; area aligns each area by its own size; region aligns the whole region, at most to 1 GiB; physical makes addresses congruent with the given physical address.",
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
        command: "hugebar plan --size 128G --area 6M:32G --arch arm64-64k --json",
        shows: "another shape on another architecture, for a program to read",
      },
    ],
  },
  map: {
    summary: "map a region of a device into this process and print the mapping",
    operands: [
      {
        name: "DEVICE",
        completes: "device",
        summary: "0000:01:00.0, 01:00.0 or vfio-user:PATH",
      },
    ],
    options: {
      region: {
        type: "string",
        value: "INDEX",
        required: true,
        summary: "the region; BAR 0 to 5 are regions 0 to 5",
      },
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
      api: {
        type: "string",
        value: "API",
        choices: ["group", "cdev"],
        summary: "the kernel's interface to take; cdev where the kernel has it",
      },
      "enable-memory": {
        type: "boolean",
        summary: "switch the device's memory decoding on if it is off",
      },
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
        required: true,
        summary: "a region of the device",
      },
      area: {
        type: "string",
        value: "INDEX:OFFSET:SIZE",
        multiple: true,
        summary: "a mappable part of a region; without any, all of it can be mapped",
      },
      json,
      quiet,
      help,
    },
    details: [
      "The device is there for hugebar map, for QEMU's vfio-user-pci and for any other client, one after another, until SIGINT, SIGTERM or SIGHUP; the socket is then removed, and the exit code is 128 plus the signal's number.",
      "Regions are sparse memory files: only what is written to takes memory, so 256 GiB cost nothing.",
    ],
    examples: [
      {
        command: "hugebar serve --socket /run/gpu.sock --region 2:256G --area 2:0:0x2f00f00000",
        shows: "a device shaped like a GB200",
      },
    ],
  },
  devices: {
    summary: "list PCI devices with driver, IOMMU group and BARs",
    operands: [{ ...pciDevice, optional: true, summary: "this one only" }],
    options: { json, output, sys, quiet, help },
    details: [
      "The column VFIO shows which devices are bound to a VFIO driver, and their character device below /dev/vfio/devices where the kernel makes one.",
    ],
    examples: [{ command: "hugebar devices", shows: "which devices there are, and how large their BARs" }],
  },
  bind: {
    summary: "hand a PCI device to vfio-pci",
    operands: [pciDevice],
    options: {
      force: {
        type: "boolean",
        summary: "also a device with a mounted file system or a network interface that is up",
      },
      ...bindOptions,
    },
    details: [
      "Names vfio-pci in the device's driver_override, takes the device from its driver and has the kernel look for a driver again. A device in use is refused; one that vfio-pci does not take goes back to its driver.",
    ],
    examples: [
      { command: "hugebar bind 01:00.0 --dry-run", shows: "what would be written where" },
      {
        command: "hugebar bind 01:00.0 --group",
        shows: "a whole IOMMU group handed over, so that it is viable",
      },
    ],
  },
  unbind: {
    summary: "give a PCI device back from VFIO to its own driver",
    operands: [pciDevice],
    options: {
      force: {
        type: "boolean",
        summary: "also a device that a process holds open: the kernel waits until it is closed",
      },
      ...bindOptions,
    },
    details: [],
    examples: [
      { command: "hugebar unbind 01:00.0", shows: "the device with the driver the kernel finds for it" },
    ],
  },
  inspect: {
    summary: "show which processes map device memory, how well, and why not better",
    operands: [
      {
        name: "PID",
        optional: true,
        repeatable: true,
        summary: "a process; without any, all that can be read",
      },
    ],
    options: {
      all: { type: "boolean", short: "a", summary: "show what is as good as possible too" },
      check: { type: "boolean", summary: "exit 1 when anything falls short" },
      watch: { type: "boolean", short: "w", summary: "look again every two seconds, until a signal" },
      json,
      output: pictureOutput,
      proc,
      sys,
      quiet,
      help,
    },
    details: [
      "Finds the memory of VFIO devices, of sysfs' resource files, of uio devices, of /dev/mem and of devices that hugebar serves in the mappings of every process. For each region it counts the page faults and the page tables that the kernel's rules give at that address, beside the best there could be, and the page tables that the process really has (VmPTE). No process is stopped or touched.",
      "Verdicts: huge is as good as possible, partial has some huge pages, small has none, and unknown hangs on something that cannot be read; what to do stands below.",
      "With --check, exit code 4 means that nothing falls short of what could be seen, but that not all could be seen.",
    ],
    examples: [
      { command: "hugebar inspect", shows: "what falls short on this machine" },
      { command: "hugebar inspect --all 4100", shows: "every region that process 4100 maps" },
      {
        command: "hugebar inspect --proc DIR/proc --sys DIR/sys",
        shows: "a machine that hugebar record saved",
      },
    ],
  },
  doctor: {
    summary: "examine this machine: what keeps device memory from huge pages, and what to do",
    operands: [],
    options: { json, output, proc, sys, quiet, help },
    details: [
      "One page about the kernel, its transparent-huge-page setting, the IOMMU, the devices with large BARs and the processes that map device memory; for each problem the one thing to do first. The exit code is 1 if there is a problem.",
    ],
    examples: [{ command: "hugebar doctor", shows: "whether this machine is ready, and what to change" }],
  },
  trace: {
    summary: "count the page faults on device memory while they happen",
    operands: [
      { name: "PID", optional: true, repeatable: true, summary: "a process; without any, all of them" },
    ],
    options: {
      seconds: { type: "string", value: "N", summary: "stop after N seconds; without it, at a signal" },
      json,
      output,
      quiet,
      help,
    },
    details: [
      "Counts what the kernel's fault handlers for VFIO memory do, by process, region and size of leaf: done, or fallen back to the next smaller size. That is what the kernel really did, where inspect tells what its rules say. Memory that a program has already touched takes no fault; a program just starting does.",
      "Needs root and tracefs. The probes are in a trace instance of their own, and are gone when it ends, however it ends. Faults that came too fast to be counted are counted as such.",
      "Ended by a signal, it still prints what it has counted; the exit code is then 128 plus the signal's number.",
    ],
    examples: [
      {
        command: "hugebar trace --seconds 10",
        shows: "which page sizes the memory of GPUs gets in ten seconds",
      },
    ],
  },
  record: {
    summary: "save what inspect reads of this machine, to look at it elsewhere",
    operands: [{ name: "DIR", completes: "file", summary: "a new folder" }],
    options: { proc, sys, quiet, help },
    details: [
      "Saves the kernel's version and settings, the PCI devices' BARs and drivers, and of each process that maps device memory its name, those mappings, its page-table size and its VFIO descriptors. No memory, no environment, no arguments, no other file's name.",
    ],
    examples: [
      {
        command: "hugebar record machine && tar cz machine > machine.tar.gz",
        shows: "something to attach to a report",
      },
    ],
  },
  completion: {
    summary: "print the completion script for a shell",
    operands: [{ name: "SHELL", choices: SHELLS, summary: "bash, zsh or fish" }],
    options: { output: { ...output, summary: "write to FILE instead of standard output (-)" }, help },
    details: [],
    examples: [
      {
        command: 'eval "$(hugebar completion bash)"',
        shows: "completion in this shell (in ~/.bashrc: in every one)",
      },
      { command: 'hugebar completion zsh > "${fpath[1]}/_hugebar"', shows: "the same for zsh" },
      {
        command: "hugebar completion fish > ~/.config/fish/completions/hugebar.fish",
        shows: "the same for fish",
      },
    ],
  },
  man: {
    summary: "print the manual page",
    operands: [],
    options: { output: { ...output, summary: "write to FILE instead of standard output (-)" }, help },
    details: [],
    examples: [{ command: "hugebar man | man -l -", shows: "the manual, in a pager" }],
  },
  help: {
    summary: "show the help of the tool, or of a verb",
    operands: [{ name: "VERB", completes: "verb", optional: true, summary: "the verb" }],
    options: { help },
    details: [],
    examples: [],
  },
} as const satisfies Record<string, Verb>;

export type VerbName = keyof typeof VERBS;

export function isVerbName(name: string): name is VerbName {
  return Object.hasOwn(VERBS, name);
}

type OptionsOf<Name extends VerbName> = (typeof VERBS)[Name]["options"];

type ValueOf<Option> = Option extends { readonly type: "boolean" }
  ? boolean
  : Option extends { readonly multiple: true }
    ? readonly string[]
    : Option extends { readonly choices: readonly (infer Choice)[] }
      ? Choice | undefined
      : Option extends { readonly required: true }
        ? string
        : string | undefined;

/** What the command line of a verb says: its options by name, checked, and its operands in order. */
export interface Arguments<Name extends VerbName> {
  readonly options: { readonly [Option in keyof OptionsOf<Name>]: ValueOf<OptionsOf<Name>[Option]> };
  readonly operands: readonly string[];
}
