import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { recorded } from "./recorded-machine.fixture.ts";
import { loginInterface } from "./ssh-login.ts";

const ROUTE = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	0100A8C0	0003	0	0	100	00000000	0	0	0
wlan0	00000000	0101A8C0	0003	0	0	600	00000000	0	0	0
eth1	0000000A	00000000	0001	0	0	100	000000FF	0	0	0
eth2	0005000A	00000000	0001	0	0	100	00FFFFFF	0	0	0
dead0	0007000A	00000000	0200	0	0	0	00FFFFFF	0	0	0
`;
const ROUTE6 = `20010db8000000010000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001 eth3
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003 eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200 lo
`;

describe("loginInterface", () => {
  const cases = [
    ["203.0.113.9 50000 192.168.0.7 22", "eth0", "the default route of the lowest metric"],
    ["10.9.9.9 50000 10.0.0.1 22", "eth1", "a network"],
    ["10.0.5.9 50000 10.0.5.1 22", "eth2", "the longest prefix"],
    ["10.0.7.9 50000 10.0.5.1 22", "eth1", "no route that is down"],
    ["::ffff:10.0.5.9 50000 ::ffff:10.0.5.1 22", "eth2", "IPv4 within IPv6"],
    ["2001:db8:0:1::5 50000 2001:db8:0:1::1 22", "eth3", "IPv6"],
    ["2001:db8:0:2::5 50000 2001:db8:0:1::1 22", "eth0", "IPv6's default route"],
    ["fe80::1%eth7 50000 fe80::2%eth7 22", "eth7", "a link's own scope"],
    ["UNKNOWN 65535 UNKNOWN 65535", null, "no address"],
  ] as const;
  for (const [connection, expected, name] of cases) {
    it(`follows ${name}`, (test) => {
      const { roots } = recorded(test, { proc: { "net/route": ROUTE, "net/ipv6_route": ROUTE6 } });
      assert.equal(loginInterface(roots, connection), expected);
    });
  }
});
