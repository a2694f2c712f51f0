import { BDF, HOME, mount, OTHER_HOME, virtio } from "../machine/recorded-machine.fixture.ts";
import { describeUses, type UsesCase } from "../uses-cases.fixture.ts";

const VIRTIO = `${HOME}/virtio3`;

const cases: readonly UsesCase[] = [
  {
    name: "a virtiofs share with the machine's own root, by its tag",
    devices: [{ bdf: BDF, driver: "virtio-pci" }],
    sys: {
      ...virtio("virtiofs", VIRTIO),
      ...virtio("virtiofs", `${OTHER_HOME}/virtio4`),
      "fs/virtiofs/0/tag": "rootfs\n",
      "fs/virtiofs/0/device": `-> ../../../${VIRTIO}`,
      "fs/virtiofs/1/tag": "home\n",
      "fs/virtiofs/1/device": `-> ../../../${OTHER_HOME}/virtio4`,
    },
    proc: {
      "1/mountinfo": mount("0:30", "/", "virtiofs", "rootfs") + mount("0:31", "/home", "virtiofs", "home"),
    },
    uses: ["virtiofs share rootfs is mounted on /"],
  },
  {
    name: "virtiofs shares whose tags the kernel does not tell yet",
    devices: [{ bdf: BDF, driver: "virtio-pci" }],
    sys: { ...virtio("virtiofs", VIRTIO), ...virtio("virtiofs", `${OTHER_HOME}/virtio4`) },
    proc: { "1/mountinfo": mount("0:30", "/", "virtiofs", "rootfs") },
    uses: ["virtiofs share rootfs is mounted on /, which may be this one's"],
  },
  {
    name: "a 9p share, and none that is mounted by another function or over a network",
    devices: [{ bdf: BDF, driver: "virtio-pci" }],
    sys: {
      ...virtio("9pnet_virtio", VIRTIO, { mount_tag: "src\0" }),
      ...virtio("9pnet_virtio", `${OTHER_HOME}/virtio4`, { mount_tag: "other\0" }),
    },
    proc: {
      "1/mountinfo":
        mount("0:30", "/src", "9p", "src") +
        mount("0:31", "/other", "9p", "other") +
        mount("0:32", "/net", "9p", "192.0.2.1"),
    },
    uses: ["9p share src is mounted on /src"],
  },
];

describeUses("shareUses", cases);
