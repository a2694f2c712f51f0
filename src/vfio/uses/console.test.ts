import { BDF, HOME, OTHER_HOME, placed } from "./machine/recorded-machine.fixture.ts";
import { describeUses, type UsesCase } from "./uses-cases.fixture.ts";

const cases: readonly UsesCase[] = [
  {
    name: "a console on a serial converter of USB, and on virtio",
    devices: [{ bdf: BDF, driver: "xhci_hcd" }],
    sys: {
      ...placed("class/tty", `${HOME}/usb1/1-1/1-1:1.0/ttyUSB0/tty/ttyUSB0`),
      ...placed("class/virtio-ports", `${HOME}/virtio1/virtio-ports/vport3p0`, { dev: "243:0\n" }),
    },
    proc: {
      consoles:
        "ttyUSB0              -W- (EC   p  )  188:0\nhvc0                 -W- (E    p  )  229:0\ntty0  -WU (E) 4:1\n",
    },
    uses: ["/dev/ttyUSB0 is a console of the kernel", "/dev/hvc0 is a console of the kernel"],
  },
  {
    name: "a keyboard of the text console behind a USB controller, no mouse and no button",
    devices: [{ bdf: BDF, driver: "xhci_hcd", class: 0x0c0330 }],
    sys: {
      ...placed("class/input", `${HOME}/usb1/1-1/1-1:1.0/0003:046D:C31C.0001/input/input7`, {
        name: "Logitech USB Keyboard\n",
        "capabilities/key": "1000000000007 ff9f207ac14057ff febeffdfffefffff fffffffffffffffe\n",
      }),
      ...placed("class/input", `${HOME}/usb1/1-2/1-2:1.0/0003:046D:C077.0002/input/input8`, {
        name: "Mouse\n",
        "capabilities/key": "70000 0 0 0 0\n",
      }),
      ...placed("class/input", `${OTHER_HOME}/usb2/2-1/input/input9`, {
        name: "Another\n",
        "capabilities/key": "fffffffffffffffe\n",
      }),
      "class/tty/tty0": "-> ../../devices/virtual/tty/tty0",
    },
    uses: ["a keyboard of the text console is on it (Logitech USB Keyboard)"],
  },
];

describeUses("consoleUses", cases);
