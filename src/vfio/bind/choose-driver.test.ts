import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BDF, HOME, recorded, type Recorded } from "../uses/machine/recorded-machine.fixture.ts";
import { chooseDriver, type ChosenDriver } from "./choose-driver.ts";
import { planBind } from "./plan.ts";

const RELEASE = "6.19.1-test";
/** As depmod writes them. */
const ALIASES = `# Aliases extracted from modules themselves.
alias pci:v000010DEd00002342sv*sd*bc*sc*i* nouveau
alias vfio_pci:v*d*sv*sd*bc*sc*i* vfio_pci
alias vfio_pci:v000010DEd00002342sv*sd*bc*sc*i* nvgrace_gpu_vfio_pci
alias vfio_pci:v000015B3d*sv*sd*bc*sc*i* broad_vfio_pci
alias vfio_pci:v000015B3d0000101Esv*sd*bc*sc*i* mlx5_vfio_pci
`;
const GRACE = "pci:v000010DEd00002342sv000010DEsd000016EBbc03sc02i00\n";

function machine(modalias: string, more: Recorded = {}): Recorded {
  return {
    ...more,
    sys: { [`${HOME}/modalias`]: modalias, ...more.sys },
    proc: { "sys/kernel/osrelease": `${RELEASE}\n` },
    root: { [`lib/modules/${RELEASE}/modules.alias`]: ALIASES, ...more.root },
  };
}

describe("chooseDriver", () => {
  const why = "it is the kernel's variant of vfio-pci for this device; --driver vfio-pci takes that instead";
  const cases: readonly [string, Recorded, string | undefined, ChosenDriver][] = [
    [
      "the variant for the device, to be loaded",
      machine(GRACE),
      undefined,
      { name: "nvgrace_gpu_vfio_pci", module: "nvgrace_gpu_vfio_pci", why },
    ],
    [
      "the variant by its driver's own name once its module is loaded",
      machine(GRACE, { sys: { "module/nvgrace_gpu_vfio_pci/drivers/pci:nvgrace-gpu": "" } }),
      undefined,
      { name: "nvgrace-gpu", module: null, why },
    ],
    [
      "the variant with the fewest wildcards",
      machine("pci:v000015B3d0000101Esv00000000sd00000000bc02sc00i00\n"),
      undefined,
      { name: "mlx5_vfio_pci", module: "mlx5_vfio_pci", why },
    ],
    [
      "a variant that is built in",
      machine("pci:v00008086d00001592sv00000000sd00000000bc02sc00i00\n", {
        root: {
          [`lib/modules/${RELEASE}/modules.builtin.modinfo`]:
            "ice_vfio.license=GPL\0ice_vfio.alias=vfio_pci:v00008086d00001592sv*sd*bc*sc*i*\0",
        },
      }),
      undefined,
      { name: "ice_vfio", module: "ice_vfio", why },
    ],
    [
      "vfio-pci for any other device",
      machine("pci:v00001B36d00000010sv00001AF4sd00001100bc01sc08i02\n"),
      undefined,
      { name: "vfio-pci", module: null, why: null },
    ],
    ["vfio-pci of a machine without modules", {}, undefined, { name: "vfio-pci", module: null, why: null }],
    [
      "the driver that is asked for",
      machine(GRACE),
      "vfio_pci",
      { name: "vfio-pci", module: null, why: null },
    ],
  ];
  for (const [name, recording, wanted, expected] of cases) {
    it(`takes ${name}`, (test) => {
      const { roots } = recorded(test, recording);
      assert.deepEqual(chooseDriver(roots, BDF, wanted), expected);
    });
  }

  it("takes no driver for a path", (test) => {
    const { roots } = recorded(test, {});
    assert.throws(() => chooseDriver(roots, BDF, "../x"), { code: "ERR_ARGUMENT", exitCode: 2 });
  });

  it("is said in the plan, and gives a device of VFIO's another driver only if asked", (test) => {
    const devices = [{ bdf: BDF, driver: "nvidia" }];
    const plan = planBind(recorded(test, machine(GRACE, { devices })), BDF);
    assert.deepEqual(plan.notes, [`${BDF} goes to nvgrace_gpu_vfio_pci: ${why}`]);
    assert.equal(plan.steps[0]?.module, "nvgrace_gpu_vfio_pci");
    const bound = recorded(test, machine(GRACE, { devices: [{ bdf: BDF }] }));
    assert.deepEqual(planBind(bound, BDF).steps, []);
    assert.deepEqual(planBind(bound, BDF).notes, []);
    assert.equal(planBind(bound, BDF, { driver: "nvgrace_gpu_vfio_pci" }).steps[0]?.from, "vfio-pci");
  });
});
