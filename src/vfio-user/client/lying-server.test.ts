import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import { describe, it } from "node:test";
import { HugebarError, type ErrorCode } from "../../errors.ts";
import { encodeRegionInfo, type RegionDescription } from "../../device/transport/region-info.ts";
import { VFIO_DEVICE_INFO, VFIO_REGION_INFO } from "../../device/transport/vfio-abi.ts";
import { Device } from "../../device/device.ts";
import {
  F_ADD_SEALS,
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
  O_CLOEXEC,
  O_RDONLY,
  O_WRONLY,
} from "../../system/constants.ts";
import { linux } from "../../system/libc.ts";
import {
  VFIO_USER_DEVICE_GET_INFO,
  VFIO_USER_DEVICE_GET_REGION_INFO,
  VFIO_USER_DEVICE_RESET,
  VFIO_USER_DMA_READ,
  VFIO_USER_DMA_REGION_ACCESS,
  VFIO_USER_F_ERROR,
  VFIO_USER_F_TYPE_REPLY,
  VFIO_USER_REGION_ACCESS,
  VFIO_USER_REGION_READ,
  VFIO_USER_REGION_WRITE,
} from "../wire/protocol.ts";
import { encodeMessage, encodeReply } from "../wire/raw-peer.fixture.ts";
import { openDescriptors } from "../../system/descriptors.fixture.ts";
import { scriptedServer, type Scripted } from "./scripted-server.fixture.ts";

const INFO = encodeReply({
  command: VFIO_USER_DEVICE_GET_INFO,
  payload: VFIO_DEVICE_INFO.encode({ argsz: 16, flags: 3, num_regions: 9, num_irqs: 5 }),
});

const REGION: RegionDescription = {
  index: 2,
  size: 0x10_0000,
  flags: 7,
  fdOffset: 0,
  sparseAreas: [{ offset: 0, size: 0x2000 }],
  msixMappable: false,
  type: null,
};

function regionReply(
  change: Partial<RegionDescription> = {},
  edit?: (payload: DataView) => void,
): Uint8Array {
  const payload = encodeRegionInfo({ ...REGION, ...change });
  edit?.(new DataView(payload.buffer, payload.byteOffset, payload.length));
  return encodeReply({ id: 1, command: VFIO_USER_DEVICE_GET_REGION_INFO, payload });
}

function withMemfd<Result>(size: number, use: (fd: number) => Result): Result {
  const fd = linux.memfd_create("test", MFD_CLOEXEC);
  try {
    linux.ftruncate(fd, size);
    return use(fd);
  } finally {
    linux.close(fd);
  }
}

/** Runs `use` against a scripted server, and holds that no descriptor is left behind. */
function scripted<Result>(use: (script: Scripted) => Result, options?: { milliseconds: number }): Result {
  const before = openDescriptors();
  const script = scriptedServer(options);
  try {
    return use(script);
  } finally {
    script.close();
    assert.deepEqual(openDescriptors(), before);
  }
}

function refusal(code: ErrorCode, message: RegExp) {
  return (error: unknown): true => {
    assert.ok(error instanceof HugebarError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  };
}

describe("a client and a server that tells the truth", () => {
  it("learns what the device is and what its regions are", () => {
    withMemfd(0x10_0000, (fd) =>
      scripted(({ client, server }) => {
        server.send(INFO);
        client.info();
        assert.deepEqual(client.info(), { flags: 3, regionCount: 9, irqCount: 5 });
        server.send(regionReply(), [fd]);
        const { fd: passed, areas, size, backing } = client.regionInfo(2);
        assert.deepEqual(
          { areas, size, backing },
          { areas: REGION.sparseAreas, size: 0x10_0000, backing: "shared-memory" },
        );
        assert.notEqual(passed, null);
        client.prepareToMap(2);
        assert.equal(client.regionInfo(2).fd, passed, "asks once only");
      }),
    );
  });

  it("asks again with more room for a description of a thousand areas", () => {
    const sparseAreas = Array.from({ length: 1000 }, (_, number) => ({
      offset: number * 0x2000,
      size: 0x1000,
    }));
    const whole = encodeRegionInfo({ ...REGION, size: 1 << 30, sparseAreas });
    withMemfd(1 << 30, (fd) =>
      scripted(({ client, server }) => {
        server.send(INFO);
        client.info();
        const short = VFIO_REGION_INFO.encode({ ...VFIO_REGION_INFO.decode(whole), flags: 7, cap_offset: 0 });
        server.send(encodeReply({ id: 1, command: VFIO_USER_DEVICE_GET_REGION_INFO, payload: short }), [fd]);
        server.send(encodeReply({ id: 2, command: VFIO_USER_DEVICE_GET_REGION_INFO, payload: whole }), [fd]);
        assert.deepEqual(client.regionInfo(2).areas, sparseAreas);
      }),
    );
  });

  it("splits what is larger than the server takes", () => {
    const script = scriptedServer({ maxTransfer: 4 });
    for (const [id, offset, count] of [
      [0, 0x10, 4],
      [1, 0x14, 4],
      [2, 0x18, 2],
    ] as const) {
      const access = VFIO_USER_REGION_ACCESS.encode({ offset: BigInt(offset), region: 0, count }, count);
      access.fill(id + 1, VFIO_USER_REGION_ACCESS.size);
      script.server.send(encodeReply({ id, command: VFIO_USER_REGION_READ, payload: access }));
    }
    const target = new Uint8Array(10);
    script.client.read(0, 0x10, target);
    assert.deepEqual([...target], [1, 1, 1, 1, 2, 2, 2, 2, 3, 3]);
    script.close();
  });

  it("writes in pieces that the server reads whole", () => {
    const script = scriptedServer({ maxWrite: 4 });
    const written = new Uint8Array([1, 2, 3, 4, 5, 6]);
    const pieces = [written.subarray(0, 4), written.subarray(4)];
    const accesses = pieces.map(({ length }, id) =>
      VFIO_USER_REGION_ACCESS.encode({ offset: BigInt(0x10 + id * 4), region: 0, count: length }),
    );
    for (const [id, payload] of accesses.entries())
      script.server.send(encodeReply({ id, command: VFIO_USER_REGION_WRITE, payload }));
    script.client.write(0, 0x10, written);
    for (const [id, piece] of pieces.entries())
      assert.deepEqual(
        Buffer.from(script.server.receive()?.payload ?? []),
        Buffer.concat([accesses[id] ?? piece, piece]),
      );
    script.close();
  });

  it("answers a command of the server's that comes in between, and goes on", () => {
    scripted(({ client, server }) => {
      const payload = VFIO_USER_DMA_REGION_ACCESS.encode({ addr: 0n, count: 4n });
      server.send(encodeMessage({ id: 99, command: VFIO_USER_DMA_READ, payload }));
      server.send(INFO);
      client.info();
      assert.equal(client.info().regionCount, 9);
      assert.equal(server.receive()?.command, VFIO_USER_DEVICE_GET_INFO);
      const answer = server.receive();
      assert.equal(answer?.id, 99);
      assert.equal(answer?.flags, VFIO_USER_F_TYPE_REPLY | VFIO_USER_F_ERROR);
      assert.equal(answer?.errno, constants.errno.EFAULT, "nothing is mapped");
    });
  });

  it("waits longer for a reset than for anything else", async () => {
    const script = scriptedServer({ milliseconds: 50 });
    const { client, server } = script;
    // A process of its own answers late: the client waits in this thread.
    const reply = Buffer.from(encodeReply({ command: VFIO_USER_DEVICE_RESET }));
    const octal = Array.from(reply, (byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("");
    const late = spawn("sh", ["-c", `sleep 0.4; printf '${octal}' >&3`], {
      stdio: ["ignore", "ignore", "inherit", server.fd],
    });
    const ended = once(late, "exit");
    client.reset();
    assert.throws(() => client.info(), refusal("ERR_TIMEOUT", /no answer within 50 ms/), "as before");
    await ended;
    script.close();
  });

  it("throws the device's error, and the connection stays good", () => {
    scripted(({ client, server }) => {
      const flags = VFIO_USER_F_TYPE_REPLY | VFIO_USER_F_ERROR;
      server.send(encodeReply({ command: VFIO_USER_DEVICE_RESET, flags, errno: 16 }));
      assert.throws(
        () => client.reset(),
        refusal(
          "ERR_DEVICE",
          /^Cannot reset vfio-user:\/scripted: the device answered EBUSY \(resource busy or locked\)$/,
        ),
      );
      server.send(encodeReply({ id: 1, command: VFIO_USER_DEVICE_RESET, flags, errno: 0 }));
      assert.throws(() => client.reset(), refusal("ERR_DEVICE", /EINVAL/), "an error without an errno");
      const untyped = { flags: VFIO_USER_F_ERROR, errno: 16 };
      server.send(encodeReply({ id: 2, command: VFIO_USER_DEVICE_RESET, ...untyped }));
      assert.throws(() => client.reset(), refusal("ERR_DEVICE", /EBUSY/), "an error without a type");
      server.send(encodeReply({ id: 3, command: VFIO_USER_DEVICE_RESET }));
      client.reset();
    });
  });

  it("does not ask about interrupts and regions that the device has not", () => {
    scripted(({ client, server }) => {
      server.send(INFO);
      for (const index of [5, -1, 0.5]) {
        assert.throws(() => client.irqInfo(index), refusal("ERR_ARGUMENT", /it has interrupts 0 to 4$/));
      }
      for (const index of [9, -1, 0.5]) {
        assert.throws(
          () => client.regionInfo(index),
          refusal("ERR_REGION_INDEX", /has 9 regions, counted from 0$/),
        );
      }
    });
  });
});

describe("a client and a server that lies", () => {
  const replyLies: Record<string, [Uint8Array, RegExp]> = {
    "another id": [
      encodeReply({ id: 5, command: VFIO_USER_DEVICE_GET_INFO }),
      /answered message 5 instead of 0/,
    ],
    "another command": [encodeReply({ command: VFIO_USER_DEVICE_RESET }), /answered command 13 instead of 4/],
    "no type": [encodeReply({ command: VFIO_USER_DEVICE_GET_INFO, flags: 7 }), /message of type 7/],
    "a size below the header's": [
      encodeReply({ command: VFIO_USER_DEVICE_GET_INFO, size: 15 }),
      /message of 15 bytes/,
    ],
    "a size of 4 GiB": [
      encodeReply({ command: VFIO_USER_DEVICE_GET_INFO, size: 0xffff_ffff }),
      /message of 4294967295/,
    ],
    "too little": [
      encodeReply({ command: VFIO_USER_DEVICE_GET_INFO, payload: new Uint8Array(12) }),
      /cut short/,
    ],
    "2^32 regions": [
      encodeReply({
        command: VFIO_USER_DEVICE_GET_INFO,
        payload: VFIO_DEVICE_INFO.encode({ num_regions: 0xffff_ffff }),
      }),
      /claims 4294967295 regions/,
    ],
  };
  for (const [lie, [reply, message]] of Object.entries(replyLies)) {
    it(`refuses ${lie}`, () => {
      scripted(({ client, server }) => {
        server.send(reply);
        assert.throws(() => client.info(), refusal("ERR_PROTOCOL", message));
      });
    });
  }

  const regionLies: Record<string, [Uint8Array, RegExp]> = {
    "a capability chain that loops": [
      regionReply({ type: { type: 1, subtype: 2 } }, (view) =>
        view.setUint32(view.byteLength - 12, 32, true),
      ),
      /loops/,
    ],
    "a capability cut short": [
      encodeReply({
        id: 1,
        command: VFIO_USER_DEVICE_GET_REGION_INFO,
        payload: encodeRegionInfo(REGION).subarray(0, 36),
      }),
      /outside its 36 bytes/,
    ],
    "a capability outside": [
      regionReply({}, (view) => view.setUint32(12, 0x7fff_fff0, true)),
      /lies outside/,
    ],
    "a capability inside the structure": [
      regionReply({}, (view) => view.setUint32(12, 8, true)),
      /lies inside/,
    ],
    "2^32 areas": [
      regionReply({}, (view) => view.setUint32(40, 0xffff_ffff, true)),
      /claims 4294967295 areas/,
    ],
    "another region": [regionReply({ index: 3 }), /described region 3/],
    "a description of 4 GiB": [
      regionReply({}, (view) => view.setUint32(0, 0xffff_ffff, true)),
      /claims 4294967295 bytes/,
    ],
    "no description": [
      encodeReply({ id: 1, command: VFIO_USER_DEVICE_GET_REGION_INFO }),
      /0 bytes are too few/,
    ],
  };
  for (const [lie, [reply, message]] of Object.entries(regionLies)) {
    it(`refuses ${lie}`, () => {
      withMemfd(0x10_0000, (fd) =>
        scripted(({ client, server }) => {
          server.send(INFO);
          client.info();
          server.send(reply, [fd]);
          assert.throws(() => client.regionInfo(2), refusal("ERR_PROTOCOL", message));
        }),
      );
    });
  }

  it("has nothing to map where no descriptor came, as with servers of rust-vmm's", () => {
    scripted(({ client, server }) => {
      server.send(INFO);
      client.info();
      server.send(regionReply(), []);
      const { areas, fd } = client.regionInfo(2);
      assert.deepEqual({ areas, fd }, { areas: [], fd: null });
    });
  });

  it("refuses a description with two descriptors, with twenty, and with one that nothing needs", () => {
    withMemfd(0x10_0000, (fd) => {
      const cases: [Uint8Array, number[], RegExp][] = [
        [regionReply(), [fd, fd], /too many descriptors/],
        [regionReply(), Array<number>(20).fill(fd), /too many descriptors/],
        [regionReply({ flags: 3, sparseAreas: null }), [fd], /where nothing can be mapped/],
      ];
      for (const [reply, descriptors, message] of cases) {
        scripted(({ client, server }) => {
          server.send(INFO);
          client.info();
          server.send(reply, descriptors);
          assert.throws(() => client.regionInfo(2), refusal("ERR_PROTOCOL", message));
        });
      }
    });
  });

  it("refuses to map what is no memory, or too little of it", () => {
    const [pipe, otherEnd] = linux.socketpair(1 | O_CLOEXEC);
    withMemfd(0x1000, (short) => {
      for (const [fd, message] of [
        [pipe, /cannot be mapped/],
        [short, /area 0 ends behind the end/],
      ] as const) {
        scripted(({ client, server }) => {
          server.send(INFO);
          client.info();
          server.send(regionReply(), [fd]);
          assert.throws(() => client.prepareToMap(2), refusal("ERR_PROTOCOL", message));
        });
      }
    });
    linux.close(pipe);
    linux.close(otherEnd);
  });

  it("refuses to map a file for reading only where the region may be written, and for writing only", () => {
    withMemfd(0x10_0000, (fd) => {
      const READ = 5; // VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_MMAP
      const readOnly = linux.open(`/proc/self/fd/${fd}`, O_RDONLY | O_CLOEXEC);
      const writeOnly = linux.open(`/proc/self/fd/${fd}`, O_WRONLY | O_CLOEXEC);
      const map = (passed: number, flags: number): void =>
        scripted(({ client, server }) => {
          server.send(INFO);
          const device = new Device(client, linux);
          try {
            server.send(regionReply({ flags }), [passed]);
            device.region(2).map();
          } finally {
            device.close();
          }
        });
      for (const [passed, flags] of [
        [readOnly, 7],
        [writeOnly, 7],
        [writeOnly, READ],
      ] as const)
        assert.throws(() => map(passed, flags), refusal("ERR_PROTOCOL", /may be written|cannot be read/));
      map(readOnly, READ);
      map(fd, 7);
      linux.close(readOnly);
      linux.close(writeOnly);
    });
    const F_SEAL_WRITE = 0x8;
    const sealed = linux.memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    linux.ftruncate(sealed, 0x10_0000);
    linux.fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE);
    scripted(({ client, server }) => {
      server.send(INFO);
      const device = new Device(client, linux);
      server.send(regionReply(), [sealed]);
      assert.throws(() => device.region(2).map(), refusal("ERR_REGION_MAP", /EPERM/));
      device.close();
    });
    linux.close(sealed);
  });

  it("refuses an access reply of another size, offset, region or count", () => {
    const access = (count: number, extra: number, offset = 8n, region = 1) =>
      VFIO_USER_REGION_ACCESS.encode({ offset, region, count }, extra);
    const lies: [Uint8Array, RegExp][] = [
      [access(4, 3), /its reply has 19 bytes/],
      [access(4, 5), /its reply has 21 bytes/],
      [access(3, 4), /another access/],
      [access(4, 4, 9n), /another access/],
      [access(4, 4, 8n, 2), /another access/],
      [new Uint8Array(0), /its reply has 0 bytes/],
    ];
    for (const [payload, message] of lies) {
      scripted(({ client, server }) => {
        server.send(encodeReply({ command: VFIO_USER_REGION_READ, payload }));
        assert.throws(() => client.read(1, 8, new Uint8Array(4)), refusal("ERR_PROTOCOL", message));
      });
    }
    scripted(({ client, server }) => {
      server.send(encodeReply({ command: VFIO_USER_REGION_WRITE, payload: access(4, 4) }));
      assert.throws(
        () => client.write(1, 8, new Uint8Array(4)),
        refusal("ERR_PROTOCOL", /its reply has 20 bytes/),
      );
    });
  });

  it("drops descriptors that come with a reply that has none", () => {
    withMemfd(0x1000, (fd) =>
      scripted(({ client, server }) => {
        server.send(INFO, [fd, fd, fd]);
        assert.equal(client.info().regionCount, 9);
      }),
    );
  });

  it("gives up after silence, after half a reply, and after commands without end", () => {
    for (const send of [new Uint8Array(0), INFO.subarray(0, 7), INFO.subarray(0, 20)]) {
      scripted(
        ({ client, server }) => {
          if (send.length > 0) server.send(send);
          assert.throws(() => client.info(), refusal("ERR_TIMEOUT", /no answer within 30 ms/));
          assert.throws(() => client.info(), refusal("ERR_DISCONNECTED", /given up/));
        },
        { milliseconds: 30 },
      );
    }
  });

  it("says so when the server hangs up, at every byte of a reply", () => {
    for (let length = 0; length < INFO.length; length += 1) {
      scripted(({ client, server }) => {
        if (length > 0) server.send(INFO.subarray(0, length));
        server.endOfStream();
        assert.throws(() => client.info(), refusal("ERR_DISCONNECTED", /the server hung up/));
        assert.throws(() => client.reset(), refusal("ERR_DISCONNECTED", /given up/));
      });
    }
  });

  it("says so when the server is gone before the request", () => {
    const script = scriptedServer();
    script.server.close();
    assert.throws(
      () => script.client.write(0, 0, new Uint8Array(1 << 20)),
      refusal("ERR_DISCONNECTED", /hung up/),
    );
    script.client.close();
  });
});
