import { BDF, block, HOME, mount, placed } from "../machine/recorded-machine.fixture.ts";
import { describeUses, type UsesCase } from "../uses-cases.fixture.ts";

const FABRICS = "devices/virtual/nvme-fabrics/ctl";

const cases: readonly UsesCase[] = [
  {
    name: "a disk that is reached over Fibre Channel by the function's port, with multipath and without",
    devices: [{ bdf: BDF, driver: "lpfc" }],
    sys: {
      ...placed("class/fc_host", `${HOME}/host5/fc_host/host5`, { port_name: "0x10000090fae0b5f5\n" }),
      ...placed("class/nvme", `${FABRICS}/nvme1`, {
        subsysnqn: "nqn.array\n",
        address:
          "traddr=nn-0x200100110d2ac5d1:pn-0x100100110d2ac5d1,host_traddr=nn-0x20000090fae0b5f5:pn-0x10000090fae0b5f5\n",
      }),
      ...placed("class/nvme", `${FABRICS}/nvme2`, {
        subsysnqn: "nqn.other\n",
        address: "traddr=192.0.2.1,trsvcid=4420\n",
      }),
      "devices/virtual/nvme-subsystem/nvme-subsys1/subsysnqn": "nqn.array\n",
      ...block("devices/virtual/nvme-subsystem/nvme-subsys1/nvme1n1", "259:1"),
      ...block(`${FABRICS}/nvme1/nvme1n7`, "259:7"),
      ...block(`${FABRICS}/nvme2/nvme2n1`, "259:8"),
    },
    proc: {
      "1/mountinfo":
        mount("259:1", "/", "xfs", "x") + mount("259:7", "/b", "xfs", "x") + mount("259:8", "/c", "xfs", "x"),
    },
    uses: ["/dev/nvme1n1 is mounted on /", "/dev/nvme1n7 is mounted on /b"],
  },
];

describeUses("nvmeHeads", cases);
