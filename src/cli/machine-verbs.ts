/** The verbs about the machine: its devices, and what its processes map of them. */

import { help, json, output, inspectionOutput, proc, quiet, sys } from "./common-options.ts";
import type { Verb } from "../report/manual/verb.ts";

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

export const MACHINE_VERBS = {
  devices: {
    summary: "list PCI devices with driver, IOMMU group and BARs",
    operands: [{ ...pciDevice, optional: true, summary: "this one only" }],
    options: {
      slot: {
        type: "string",
        short: "s",
        value: "SLOT",
        summary: "only those at [[[[DOMAIN]:]BUS]:][DEVICE][.[FUNCTION]], as lspci -s",
      },
      id: {
        type: "string",
        short: "d",
        value: "ID",
        summary: "only those with [VENDOR]:[DEVICE][:CLASS[:INTERFACE]], as lspci -d",
      },
      ids: {
        type: "string",
        short: "i",
        value: "FILE",
        completes: "file",
        summary: "take names from FILE instead of hwdata's pci.ids",
      },
      json,
      output,
      sys,
      quiet,
      help,
    },
    details: [
      "The column VFIO shows which devices are bound to a VFIO driver, and their character device below /dev/vfio/devices where the kernel makes one.",
    ],
    examples: [
      { command: "hugebar devices", shows: "which devices there are, and how large their BARs" },
      { command: "hugebar devices -d 10de:", shows: "those of one vendor" },
    ],
  },
  bind: {
    summary: "hand a PCI device to vfio-pci",
    operands: [pciDevice],
    options: {
      force: { type: "boolean", summary: "also a device in use, whatever uses it; each use is named" },
      "no-iommu": { type: "boolean", summary: "also a device that no IOMMU stands before" },
      driver: {
        type: "string",
        value: "NAME",
        summary: "this driver, not vfio-pci or the kernel's variant of it for the device",
      },
      persist: { type: "boolean", summary: "keep it so over a reboot, until unbind" },
      ...bindOptions,
    },
    details: [
      "Names the driver in the device's driver_override, takes the device from the driver it has and has the kernel look for one again. One that vfio-pci does not take, or that fails half-way, goes back to its driver.",
      "A device in use is refused, with exit code 5: disks with anything mounted, swapped to, built or exported from them, of which the kernel refuses an exclusive open besides; network interfaces that are up, part of another, or in another namespace; files of the device that processes have open; the console; virtual functions, and whatever PCI devices hang below. What cannot be found out, for lack of rights, is no for an answer: exit code 4. What keeps the IOMMU group from being viable is said before anything is written.",
      "Where the kernel has a variant of vfio-pci for the device (nvgrace-gpu, mlx5, …), that is taken, by the same aliases as libvirt goes by, and said.",
      "--persist writes a file of driverctl's where that is installed, else a rule of udev's below /etc/udev/rules.d.",
    ],
    examples: [
      { command: "hugebar bind 01:00.0 --dry-run", shows: "what would be written where" },
      {
        command: "hugebar bind 01:00.0 --group",
        shows: "a whole IOMMU group handed over, so that it is viable",
      },
      { command: "hugebar bind 01:00.0 --persist", shows: "a device that VFIO has after each start too" },
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
    details: [
      "Also takes away what bind --persist has written for it. A device that a process holds open is refused; the kernel would let the write wait for it. A write that does not come back within 30 seconds is left to the kernel, and said with who holds the device.",
    ],
    examples: [
      { command: "hugebar unbind 01:00.0", shows: "the device with the driver the kernel finds for it" },
    ],
  },
  inspect: {
    summary: "show which processes map device memory, how well, and why not better",
    judges: "check",
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
      tables: {
        type: "boolean",
        summary: "read the page tables too: the leaves that are there, guests' included",
      },
      watch: { type: "boolean", short: "w", summary: "look again every two seconds, until a signal" },
      json,
      output: inspectionOutput,
      proc,
      sys,
      quiet,
      help,
    },
    details: [
      "Finds the memory of VFIO devices, of sysfs' resource files, of uio devices, of /dev/mem and of devices that hugebar serves in the mappings of every process. For each region it counts the page faults and the page tables that the kernel's rules give at that address, beside the best there could be, and the page tables that the process really has (VmPTE). No process is stopped. Where a verdict hangs on advice, or on a kernel whose name does not tell, smaps is read, of as few processes as decide it and of each PID given: the kernel then takes their leaves of 1 GiB apart, and lays them anew at the next touch. --watch reads one at most, --tables none.",
      "Verdicts: huge is as good as possible, partial has some huge pages, small has none, and unknown hangs on something that cannot be read; what to do stands below.",
      "With --tables, the leaves are read that are there: in the page tables of each process, and in those of KVM's guests over device memory. They come from /proc/kcore by the layouts in /sys/kernel/btf, without a lock and without stopping anyone; what changes while it is read is read again, and else said to have changed. Needs root, and no lockdown at confidentiality. Where they differ from the rules, verdicts follow what is there.",
      "With --check, exit code 4 means that nothing falls short of what could be seen, but that not all could be seen.",
    ],
    examples: [
      { command: "hugebar inspect", shows: "what falls short on this machine" },
      { command: "hugebar inspect --all 4100", shows: "every region that process 4100 maps" },
      {
        command: "hugebar inspect --tables --all",
        shows: "the leaves that are there, down to the guests'",
      },
      {
        command: "hugebar inspect --proc DIR/proc --sys DIR/sys",
        shows: "a machine that hugebar record saved",
      },
    ],
  },
  doctor: {
    summary: "examine this machine: what keeps device memory from huge pages, and what to do",
    judges: true,
    operands: [],
    options: { json, output, proc, sys, quiet, help },
    details: [
      "One page about the kernel, its transparent-huge-page setting, the IOMMU, the devices with large BARs and the processes that map device memory; for each problem the one thing to do first. The exit code is 1 if there is a problem, and 4 if there is none in what could be seen, but not every process could be looked at.",
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
      guest: {
        type: "boolean",
        summary: "count the leaves that KVM lays for guests over device memory instead",
      },
      json,
      output,
      quiet,
      help,
    },
    details: [
      "Counts what the kernel's fault handlers for VFIO memory do, by process, region and size of leaf: done, or fallen back to the next smaller size. That is what the kernel really did, where inspect tells what its rules say. Memory that a program has already touched takes no fault; a program just starting does.",
      "With --guest, counts each leaf that KVM puts into a second stage over a device's BAR, by monitor, region and size (x86-64, with the TDP MMU).",
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
    options: {
      tables: { type: "boolean", summary: "save what inspect --tables reads, too: results, no memory" },
      proc,
      sys,
      quiet,
      help,
    },
    details: [
      "Saves the kernel's version and settings, the PCI devices' BARs and drivers, and of each process that maps device memory its name, whose it is, those mappings, its page-table size, its VFIO descriptors and the sockets of its vfio-user devices; of processes that may not be looked at the name. No memory, no environment, no arguments, no other file's name.",
    ],
    examples: [
      {
        command: "hugebar record machine && tar cz machine > machine.tar.gz",
        shows: "something to attach to a report",
      },
    ],
  },
} as const satisfies Record<string, Verb>;
