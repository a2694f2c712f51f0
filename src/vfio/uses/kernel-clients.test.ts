import { BDF, HOME, OTHER_HOME, placed } from "./machine/recorded-machine.fixture.ts";
import { describeUses, type UsesCase } from "./uses-cases.fixture.ts";

const cases: readonly UsesCase[] = [
  {
    name: "an IOMMU",
    devices: [{ bdf: BDF, driver: "virtio-pci" }],
    sys: placed("class/iommu", `${HOME}/virtio3/iommu/virtio3`),
    uses: ["it is an IOMMU of the machine (virtio3)"],
  },
  {
    name: "a watchdog that runs, and who has its other file open",
    devices: [{ bdf: BDF, driver: "lpc_ich", class: 0x060100 }],
    sys: placed("class/watchdog", `${HOME}/iTCO_wdt/watchdog/watchdog0`, {
      state: "active\n",
      dev: "248:0\n",
    }),
    proc: { "1/comm": "systemd\n", "1/fd/9": "-> /dev/watchdog" },
    uses: ["watchdog watchdog0 runs", "process 1 (systemd) has /dev/watchdog open"],
  },
  {
    name: "a watchdog whose driver does not say what it is of, and none of another driver",
    devices: [{ bdf: BDF, driver: "i6300ESB timer" }],
    sys: {
      ...placed("class/watchdog", "devices/virtual/watchdog/watchdog0", {
        state: "active\n",
        identity: "Software Watchdog\n",
      }),
      ...placed("class/watchdog", "devices/virtual/watchdog/watchdog1", {
        state: "active\n",
        identity: "i6300ESB timer\n",
      }),
    },
    proc: { "1/fd/9": "-> /dev/watchdog0", "2/fd/9": "-> /dev/watchdog", "3/fd/9": "-> /dev/watchdog1" },
    uses: ["watchdog watchdog1 runs", "process 3 has /dev/watchdog1 open"],
  },
  {
    name: "DMA channels that the kernel has",
    devices: [{ bdf: BDF, driver: "ioatdma" }],
    sys: {
      ...placed("class/dma", `${HOME}/dma/dma0chan0`, { in_use: "1\n" }),
      ...placed("class/dma", `${HOME}/dma/dma1chan0`, { in_use: "0\n" }),
      ...placed("class/dma", `${OTHER_HOME}/dma/dma2chan0`, { in_use: "1\n" }),
    },
    uses: ["the kernel uses DMA channel dma0chan0 of it"],
  },
  {
    name: "an adapter of Fibre Channel whose port LIO serves disks by",
    devices: [{ bdf: BDF, driver: "qla2xxx" }],
    sys: {
      ...placed("class/fc_host", `${HOME}/host5/fc_host/host5`, { port_name: "0x21000024ff123456\n" }),
      "kernel/config/target/qla2xxx/naa.21000024ff123456/tpgt_1/enable": "1\n",
      "kernel/config/target/qla2xxx/naa.21000024ff999999/tpgt_1/enable": "1\n",
      "kernel/config/nvmet/ports/1/addr_traddr": "nn-0x20000024ff123456:pn-0x21000024ff123456\n",
      "kernel/config/nvmet/ports/2/addr_traddr": "192.0.2.1\n",
    },
    uses: [
      "LIO serves disks by its port (qla2xxx/naa.21000024ff123456)",
      "nvmet serves disks by its port (1)",
    ],
  },
  {
    name: "a controller by which the machine is another's USB device",
    devices: [{ bdf: BDF, driver: "dwc3-pci" }],
    sys: {
      ...placed("class/udc", `${HOME}/dwc3.1.auto/udc/dwc3.1.auto`),
      "kernel/config/usb_gadget/g1/UDC": "dwc3.1.auto\n",
      "kernel/config/usb_gadget/g2/UDC": "\n",
    },
    uses: ["USB gadget g1 is on it"],
  },
  {
    name: "a function that Xen may have given to a domain",
    devices: [{ bdf: BDF, driver: "pciback" }],
    sys: {
      "bus/xen-backend/devices/pci-3-0": "-> ../../../devices/pci-3-0",
      "bus/xen-backend/devices/vbd-4-51712": "-> ../../../devices/vbd-4-51712",
    },
    uses: ["it may be with Xen domain 3, which has functions by pciback"],
  },
  {
    name: "no domain of Xen's with a function of the host's own",
    devices: [{ bdf: BDF, driver: "ahci" }],
    sys: { "bus/xen-backend/devices/pci-3-0": "-> ../../../devices/pci-3-0" },
    uses: [],
  },
];

describeUses("kernelClientUses", cases);
