import { BDF, HOME, placed, virtio } from "./machine/recorded-machine.fixture.ts";
import { describeUses, type UsesCase } from "./uses-cases.fixture.ts";

const ROOT_PORT = "devices/platform/ACPI0017:00/root0";
const ENDPOINT = `${ROOT_PORT}/port1/endpoint5`;
/** A CXL memory device of the function, and its endpoint. */
const CXL = {
  ...placed("bus/cxl/devices", `${HOME}/mem0`, { serial: "0x1\n" }),
  ...placed("bus/cxl/devices", ENDPOINT, { uport: `-> ../../../../../../${HOME}/mem0` }),
};

const cases: readonly UsesCase[] = [
  {
    name: "CXL memory that is system memory",
    devices: [{ bdf: BDF, driver: "cxl_pci", class: 0x050210 }],
    sys: {
      ...CXL,
      ...placed("bus/cxl/devices", `${ENDPOINT}/decoder5.0`, { region: "region0\n" }),
      ...placed("bus/cxl/devices", `${ENDPOINT}/decoder5.1`, { region: "\n" }),
      ...placed("bus/cxl/devices", `${ROOT_PORT}/decoder0.0/region0`, {
        commit: "1\n",
        target0: "decoder5.0\n",
      }),
      ...placed("bus/dax/devices", `${ROOT_PORT}/decoder0.0/region0/dax_region0/dax0.0`, {
        driver: "-> ../../../../../../../../bus/dax/drivers/kmem",
      }),
    },
    uses: ["memory of the machine is on it (CXL region0, dax0.0, system memory)"],
  },
  {
    name: "CXL memory by the region's word alone, and none that is part of no region",
    devices: [{ bdf: BDF, driver: "cxl_pci", class: 0x050210 }],
    sys: {
      ...CXL,
      ...placed("bus/cxl/devices", `${ENDPOINT}/decoder5.0`),
      ...placed("bus/cxl/devices", `${ROOT_PORT}/decoder0.0/region3`, { target1: "decoder5.0\n" }),
      ...placed("bus/cxl/devices", `${ROOT_PORT}/decoder0.0/region4`, { target0: "decoder6.0\n" }),
    },
    uses: ["memory of the machine is on it (CXL region3)"],
  },
  {
    name: "memory that virtio-mem has plugged in",
    devices: [{ bdf: BDF, driver: "virtio-pci" }],
    sys: virtio("virtio_mem", `${HOME}/virtio3`),
    proc: { iomem: "140000000-23fffffff : virtio3\n  140000000-17fffffff : System RAM (virtio_mem)\n" },
    uses: ["memory of the machine is on it (virtio-mem, virtio3)"],
  },
  {
    name: "no memory of a virtio-mem that has none plugged in",
    devices: [{ bdf: BDF, driver: "virtio-pci" }],
    sys: virtio("virtio_mem", `${HOME}/virtio3`),
    proc: {
      iomem:
        "140000000-23fffffff : virtio3\n240000000-33fffffff : virtio4\n  240000000-27fffffff : System RAM (virtio_mem)\n",
    },
    uses: [],
  },
];

describeUses("memoryUses", cases);
