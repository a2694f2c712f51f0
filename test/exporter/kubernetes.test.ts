import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import type { DaemonSet } from "kubernetes-types/apps/v1.js";
import * as v from "valibot";
import { parse } from "yaml";
import { version } from "../../src/version.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const folder = join(root, "deploy/kubernetes");
const read = (path: string): unknown => parse(readFileSync(join(folder, path), "utf8"));

/** What Kubernetes' own description of its API calls each kind that is used here. */
const KINDS = [
  ["base/namespace.yaml", "core/v1", "Namespace"],
  ["base/service-account.yaml", "core/v1", "ServiceAccount"],
  ["base/daemon-set.yaml", "apps/v1", "DaemonSet"],
] as const;

const kustomizationSchema = v.strictObject({
  apiVersion: v.literal("kustomize.config.k8s.io/v1beta1"),
  kind: v.literal("Kustomization"),
  namespace: v.literal("hugebar"),
  resources: v.array(v.string()),
  images: v.optional(
    v.array(v.strictObject({ name: v.string(), newName: v.string(), newTag: v.literal(version()) })),
  ),
});

/** Typed by the test that holds the file against Kubernetes' types. */
function daemonSet(): DaemonSet {
  const content = read("base/daemon-set.yaml");
  assert.ok(typeof content === "object" && content !== null);
  return content;
}

describe("deploy/kubernetes", () => {
  it("is what Kubernetes' types allow, with no key that they do not know", (t) => {
    mkdirSync(join(root, ".cache"), { recursive: true });
    // Below the repository, for node_modules.
    const below = mkdtempSync(join(root, ".cache/kubernetes-"));
    t.after(() => rmSync(below, { recursive: true }));
    const check = (change: (text: string) => string): { status: number | null; stdout: string } => {
      for (const [path, module, type] of KINDS) {
        const literal = change(JSON.stringify(read(path)));
        writeFileSync(
          join(below, `${type}.ts`),
          `import type { ${type} } from "kubernetes-types/${module}.js";\nexport const it: ${type} = ${literal};\n`,
        );
      }
      const files = KINDS.map(([, , type]) => join(below, `${type}.ts`));
      const options = [
        "--noEmit",
        "--strict",
        "--skipLibCheck",
        "--module",
        "nodenext",
        "--types",
        "",
        "--ignoreConfig",
      ];
      return spawnSync(
        process.execPath,
        [join(root, "node_modules/typescript/bin/tsc"), ...options, ...files],
        {
          encoding: "utf8",
        },
      );
    };
    const { status, stdout } = check((text) => text);
    assert.deepEqual([status, stdout], [0, ""]);
    assert.match(
      check((text) => text.replace('"readOnly"', '"readonly"')).stdout,
      /"readonly"' does not exist in type 'VolumeMount'/,
    );
  });

  it("has each of its files named in a kustomization, which names no other", () => {
    for (const part of readdirSync(folder)) {
      const files = readdirSync(join(folder, part)).filter((name) => name !== "kustomization.yaml");
      const { resources } = v.parse(kustomizationSchema, read(`${part}/kustomization.yaml`));
      assert.deepEqual(new Set(resources.filter((name) => name !== "../base")), new Set(files));
    }
  });

  it("selects its own pods, and lets the probes and the monitor find the port", () => {
    const spec = daemonSet().spec ?? assert.fail();
    const labels = spec.template.metadata?.labels ?? {};
    assert.partialDeepStrictEqual(labels, spec.selector.matchLabels ?? assert.fail());
    assert.partialDeepStrictEqual(read("pod-monitor/pod-monitor.yaml"), {
      spec: { selector: spec.selector, podMetricsEndpoints: [{ port: "metrics" }] },
    });
    const [container, ...others] = spec.template.spec?.containers ?? [];
    assert.ok(container !== undefined && others.length === 0);
    assert.deepEqual(container.ports, [{ name: "metrics", containerPort: 9741 }]);
    assert.equal(spec.template.metadata?.annotations?.["prometheus.io/port"], "9741");
    for (const probe of [container.livenessProbe, container.readinessProbe]) {
      assert.deepEqual(probe?.httpGet, { path: "/healthz", port: "metrics" });
    }
  });

  it("looks at the host's /proc and /sys, which it cannot write, with the unit's two capabilities and nothing privileged", () => {
    const pod = daemonSet().spec?.template.spec ?? assert.fail();
    const container = pod.containers[0] ?? assert.fail();
    const mounts = (container.volumeMounts ?? []).map(({ name, mountPath, readOnly }) => {
      const volume = pod.volumes?.find((each) => each.name === name);
      return [volume?.hostPath?.path, mountPath, readOnly];
    });
    assert.deepEqual(mounts, [
      ["/proc", "/host/proc", true],
      ["/sys", "/host/sys", true],
    ]);
    const recipe = readFileSync(join(root, "deploy/Containerfile"), "utf8");
    assert.deepEqual(container.args, JSON.parse(/^CMD (\[.*\])$/m.exec(recipe)?.[1] ?? ""));
    const unit = readFileSync(join(root, "deploy/systemd/hugebar-exporter.service"), "utf8");
    const capabilities = /^CapabilityBoundingSet=(.*)$/m.exec(unit)?.[1]?.split(" ");
    const { privileged, allowPrivilegeEscalation, readOnlyRootFilesystem, ...context } =
      container.securityContext ?? {};
    assert.deepEqual([privileged, allowPrivilegeEscalation, readOnlyRootFilesystem], [false, false, true]);
    assert.deepEqual(context.capabilities?.drop, ["ALL"]);
    assert.deepEqual(
      context.capabilities?.add?.map((name) => `CAP_${name}`),
      capabilities,
    );
    assert.deepEqual([pod.hostPID, pod.hostNetwork, pod.hostIPC], [undefined, undefined, undefined]);
    assert.equal(pod.automountServiceAccountToken, false);
  });
});
