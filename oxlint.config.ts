import { defineConfig, type OxlintOverride } from "oxlint";

/**
 * The rooms of `src/`, top to bottom (docs/architecture.md). A file may import from its own room and from the rooms
 * below it; `errors.ts` is open to all.
 */
const rooms = ["cli", "metrics", "report", "inspect", "vfio", "vfio-user", "device", "memory", "layout"];

/** `vfio/` and `vfio-user/` are neighbours on one floor: neither may know the other. */
const neighbours: Record<string, string> = { vfio: "vfio-user", "vfio-user": "vfio" };

function forbiddenTo(room: string): string[] {
  const above = rooms.slice(0, rooms.indexOf(room));
  const neighbour = neighbours[room];
  return neighbour === undefined || above.includes(neighbour) ? above : [...above, neighbour];
}

const importDirections = rooms.map((room): OxlintOverride => ({
  files: [`src/${room}/**/*.ts`],
  rules: {
    "no-restricted-imports": [
      "error",
      {
        paths: room === "memory" ? [] : [{ name: "koffi", message: "Only system/libc.ts calls koffi." }],
        patterns: [
          ...forbiddenTo(room).map((other) => ({
            group: [`**/${other}/*`],
            message: `Imports go down: ${room}/ may not import ${other}/.`,
          })),
          ...(room === "cli"
            ? []
            : [
                {
                  group: ["../open.ts", "../index.ts"],
                  message: "Only cli/ stands above the library's entry.",
                },
              ]),
          ...(room === "layout"
            ? [
                // A group with `!` allows again what is only a test's.
                {
                  group: ["node:*", "!node:test", "!node:assert/strict"],
                  message: "layout/ also runs in a browser.",
                },
              ]
            : []),
        ],
      },
    ],
  },
}));

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
    "import/no-cycle": "error",
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
      files: ["*.config.ts", "test/closing-line.ts", "test/vm/report/guest-reporter.ts"],
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
