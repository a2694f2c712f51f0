import { defineConfig, type OxlintOverride } from "oxlint";

type Floors = readonly (readonly string[])[];

/**
 * The rooms of `src/`, top to bottom (docs/architecture.md); those on one floor are neighbours, which do not know each
 * other. A file may import from its own room and from the rooms below it; `errors.ts` is open to all.
 */
const house: Floors = [
  ["cli"],
  ["exporter"],
  ["report"],
  ["inspect", "conform"],
  ["page-tables"],
  ["vfio", "vfio-user"],
  ["device"],
  ["memory"],
  ["system"],
  ["rules"],
  ["layout"],
];

/** Rooms within rooms, by the same rule. What lies in the room itself, beside them, may use all of them. */
const subRooms: Readonly<Record<string, Floors>> = {
  cli: [["verbs", "completion"]],
  report: [["page"], ["picture", "manual"], ["text"]],
  "report/picture": [["media"], ["scene"], ["drawing"]],
  vfio: [["bind"], ["uses", "function"], ["spaces"], ["ioctls", "sysfs"]],
  "vfio/uses": [["disks"], ["machine"]],
  device: [["region"], ["file", "leaves", "dma", "interrupts", "migration"], ["transport"]],
  inspect: [["trace"], ["judge"], ["tables"], ["identify"], ["proc"]],
  "vfio-user": [["client", "server"], ["wire"]],
  "vfio-user/server": [["pci", "migration"], ["registers"], ["parts"], ["dma"], ["link", "apart"]],
};

/** The rooms above one and beside it. */
function forbiddenTo(room: string, floors: Floors): string[] {
  const floor = floors.findIndex((names) => names.includes(room));
  return floors
    .slice(0, floor + 1)
    .flat()
    .filter((other) => other !== room);
}

interface Pattern {
  readonly group: string[];
  readonly message: string;
}

function importsGoDown(room: string, floors: Floors): Pattern[] {
  return forbiddenTo(room, floors).map((other) => ({
    group: [`**/${other}/**`],
    message: `Imports go down: ${room}/ may not import ${other}/.`,
  }));
}

/** What no file of a room imports, whatever sub-room it lies in. */
function patternsOf(room: string): Pattern[] {
  const patterns = importsGoDown(room, house);
  if (room !== "cli") {
    const group = ["**/open.ts", "**/open-container.ts", "**/observe.ts", "**/index.ts"];
    patterns.push({ group, message: "Only cli/ and exporter/ stand above the library's entry." });
  }
  if (room === "layout" || room === "rules") {
    // A group with `!` allows again what is only a test's.
    const group = ["node:*", "!node:test", "!node:assert/strict"];
    patterns.push({ group, message: `${room}/ also runs in a browser.` });
  }
  return patterns;
}

function restricted(files: string, room: string, patterns: readonly Pattern[]): OxlintOverride {
  const paths = room === "system" ? [] : [{ name: "koffi", message: "Only system/ calls koffi." }];
  return {
    files: [files],
    rules: { "no-restricted-imports": ["error", { paths, patterns: [...patterns] }] },
  };
}

/** The overrides of a room and of its sub-rooms, whose own patterns come on top of the room's. */
function overridesOf(path: string, patterns: readonly Pattern[]): OxlintOverride[] {
  const inner = subRooms[path] ?? [];
  const within = inner
    .flat()
    .flatMap((name) => overridesOf(`${path}/${name}`, patterns.concat(importsGoDown(name, inner))));
  const [room = path] = path.split("/");
  return [restricted(`src/${path}/**/*.ts`, room, patterns), ...within];
}

// A later override of a rule replaces an earlier one, so that of a sub-room repeats its room's.
const importDirections = house.flat().flatMap((room) => overridesOf(room, patternsOf(room)));

export default defineConfig({
  plugins: ["typescript", "unicorn", "oxc", "import", "node", "promise"],
  categories: { correctness: "error", suspicious: "error", perf: "error" },
  rules: {
    "typescript/no-explicit-any": "error",
    "typescript/no-unsafe-assignment": "error",
    "typescript/no-unsafe-call": "error",
    "typescript/no-unsafe-member-access": "error",
    "typescript/no-unsafe-return": "error",
    "typescript/no-unsafe-argument": "error",
    "typescript/no-unsafe-type-assertion": "error",
    "typescript/no-non-null-assertion": "error",
    "typescript/consistent-type-imports": "error",
    "typescript/no-floating-promises": "error",
    "typescript/switch-exhaustiveness-check": "error",
    "import/no-cycle": ["error", { ignoreTypes: false }],
    "import/no-default-export": "error",
    eqeqeq: "error",
    "no-await-in-loop": "off",
    "no-underscore-dangle": "off",
    "no-shadow": "off",
    "import/no-unassigned-import": "off",
    "import/no-named-as-default-member": "off",
    "unicorn/no-array-sort": "off",
    "unicorn/no-array-reverse": "off",
    "unicorn/no-new-array": "off",
    "unicorn/prefer-add-event-listener": "off",
    "unicorn/require-post-message-target-origin": "off",
    "unicorn/consistent-function-scoping": "off",
    "typescript/no-unnecessary-condition": "off",
    "typescript/consistent-return": "off",
  },
  overrides: [
    ...importDirections,
    {
      files: ["*.config.ts", "test/tally.ts", "test/vm/report/guest-reporter.ts"],
      rules: { "import/no-default-export": "off" },
    },
    // node:test's describe() and it() return promises that nobody needs to await.
    {
      files: ["**/*.test.ts", "**/*.guest.ts"],
      rules: {
        "typescript/no-floating-promises": [
          "error",
          {
            allowForKnownSafeCalls: [
              { from: "package", package: "node:test", name: ["it", "describe", "test", "suite"] },
            ],
          },
        ],
      },
    },
  ],
  ignorePatterns: ["dist", "node_modules", ".cache"],
});
