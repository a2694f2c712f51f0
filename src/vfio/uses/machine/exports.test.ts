import { block, HOME } from "./recorded-machine.fixture.ts";
import { describeUses, type UsesCase } from "../uses-cases.fixture.ts";

const NVME = `${HOME}/nvme/nvme0`;
const DISK = `${NVME}/nvme0n1`;
const SCSI = `${HOME}/ata1/host0/target0:0:0/0:0:0:0`;
const CONFIG = "kernel/config";

const cases: readonly UsesCase[] = [
  {
    name: "a disk of LIO's by its number, where nobody wrote its name",
    sys: {
      ...block(DISK, "259:0"),
      [`${CONFIG}/target/core/iblock_0/d/udev_path`]: "\n",
      [`${CONFIG}/target/core/iblock_0/d/info`]:
        "Status: ACTIVATED  Max Queue Depth: 128  SectorSize: 512  HwMaxSectors: 256\n" +
        "        iBlock device: nvme0n1  UDEV PATH: \n        Major: 259 Minor: 0  CLAIMED: IBLOCK\n",
    },
    uses: ["/dev/nvme0n1 is exported by LIO (iblock_0/d)"],
  },
  {
    name: "a disk of LIO's as a file, whose name stands in what LIO says of it",
    sys: {
      ...block(DISK, "259:0"),
      [`${CONFIG}/target/core/fileio_1/f/udev_path`]: "\n",
      [`${CONFIG}/target/core/fileio_1/f/info`]:
        "Status: ACTIVATED\n        TCM FILEIO ID: 0        File: /dev/nvme0n1  Size: 1073741824  Mode: O_DSYNC Async: 0\n",
    },
    uses: ["/dev/nvme0n1 is exported by LIO (fileio_1/f)"],
  },
  {
    name: "a disk of LIO's once, though LIO says it twice",
    sys: {
      ...block(DISK, "259:0"),
      [`${CONFIG}/target/core/fileio_1/f/udev_path`]: "/dev/nvme0n1\n",
      [`${CONFIG}/target/core/fileio_1/f/info`]: "TCM FILEIO ID: 0        File: /dev/nvme0n1  Size: 1\n",
    },
    uses: ["/dev/nvme0n1 is exported by LIO (fileio_1/f)"],
  },
  {
    name: "no disk of LIO's of another number, nor one without any",
    sys: {
      ...block(DISK, "259:0"),
      ...block(`${NVME}/nvme0c0n1`, ""),
      [`${CONFIG}/target/core/iblock_0/d/udev_path`]: "\n",
      [`${CONFIG}/target/core/iblock_0/d/info`]:
        "Status: ACTIVATED\n        Major: 8 Minor: 0  CLAIMED: IBLOCK\n",
      [`${CONFIG}/target/core/iblock_0/e/udev_path`]: "\n",
      [`${CONFIG}/target/core/iblock_0/e/info`]: "Status: DEACTIVATED\n",
    },
    uses: [],
  },
  {
    name: "a whole NVMe controller that nvmet passes through",
    sys: {
      ...block(DISK, "259:0"),
      [`${NVME}/dev`]: "239:0\n",
      [`${CONFIG}/nvmet/subsystems/nqn.p/passthru/device_path`]: "/dev/nvme0\n",
      [`${CONFIG}/nvmet/subsystems/nqn.p/passthru/enable`]: "1\n",
      [`${CONFIG}/nvmet/subsystems/nqn.q/passthru/device_path`]: "/dev/nvme0\n",
      [`${CONFIG}/nvmet/subsystems/nqn.q/passthru/enable`]: "0\n",
    },
    uses: ["/dev/nvme0 is exported by nvmet (nqn.p)"],
  },
  {
    name: "a tape drive that LIO passes through by its generic file",
    sys: {
      [`${SCSI}/scsi_generic/sg0/dev`]: "21:0\n",
      [`${CONFIG}/target/core/pscsi_0/tape/udev_path`]: "/dev/sg0\n",
    },
    uses: ["/dev/sg0 is exported by LIO (pscsi_0/tape)"],
  },
  {
    name: "a disk of SCST's, which marks what is set with a line of its own",
    sys: {
      ...block(DISK, "259:0"),
      "kernel/scst_tgt/devices/disk1/filename": "/dev/nvme0n1\n[key]\n",
    },
    uses: ["/dev/nvme0n1 is exported by SCST (disk1)"],
  },
  {
    name: "a disk that RNBD gives to a client",
    sys: {
      ...block(`${SCSI}/block/sda`, "8:0"),
      "class/rnbd-server/ctl/devices/sda/block_dev": `-> ../../../../../${SCSI}/block/sda`,
    },
    uses: ["/dev/sda is exported by RNBD"],
  },
];

describeUses("exportsOf", cases);
