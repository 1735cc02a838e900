import { type YamlNode, YamlSource } from "@portolan/yaml-source";
import { amountText, gpuPrefix } from "./amounts.ts";
import { amountAt, type QuotaReading } from "./read-quotas.ts";

const kind = { noun: "cluster file", maximumBytes: 512 * 1024 };

/** What a cluster has, by resource, in the units of `amounts.ts`. */
export type ClusterAmounts = ReadonlyMap<string, number>;

/**
 * Reads `cluster.yaml`: kinds of nodes with their number, and what each of them has.
 *
 * @throws PortolanError `capacity.quotas_not_valid` with the line of each finding
 */
export function readCluster(text: string, file: string): ClusterAmounts {
  const source = new YamlSource(text, kind, file);
  source.settle("capacity.quotas_not_valid");
  source.root.only(["nodes"]);
  const nodes = source.root.get("nodes").items();
  if (nodes.length === 0)
    source.root.get("nodes").report("is empty", "List the nodes: - { count: 2, cpu: 64 }");
  const amounts = new Map<string, number>();
  for (const node of nodes) addNode(node, amounts);
  source.settle("capacity.quotas_not_valid");
  return amounts;
}

function addNode(node: YamlNode, amounts: Map<string, number>): void {
  node.only(["name", "count", "cpu", "memory", "pods", "gpus"]);
  const count = node.get("count").number() ?? 1;
  if (!Number.isInteger(count) || count < 1 || count > 100_000)
    node.get("count").report("is no number of nodes", "Write a whole number of 1 to 100000.");
  const add = (resource: string, at: YamlNode): void => {
    if (at.kind !== "missing")
      amounts.set(resource, (amounts.get(resource) ?? 0) + count * (amountAt(at, resource) ?? 0));
  };
  for (const resource of ["cpu", "memory", "pods"]) add(resource, node.get(resource));
  const gpus = node.get("gpus");
  for (const model of gpus.present ? gpus.keys() : []) add(`${gpuPrefix}${model}`, gpus.get(model));
}

export interface QuotaSum {
  readonly resource: string;
  /** All guaranteed minimums together. */
  readonly nominal: number;
  readonly cluster: number;
}

/**
 * Whether the cluster has what the quotas guarantee.
 *
 * @throws PortolanError `capacity.quotas_not_valid`: a resource that the cluster lacks, and at the quota that passes it, a sum above what it has
 */
export function checkQuotas(
  { declared, source }: QuotaReading,
  cluster: ClusterAmounts,
): readonly QuotaSum[] {
  const sums = new Map<string, number>();
  for (const { resource, nominal, at } of declared) {
    const before = sums.get(resource) ?? 0;
    const sum = before + nominal;
    sums.set(resource, sum);
    const there = cluster.get(resource);
    if (there === undefined) {
      at.report("is not in the cluster", `It has: ${[...cluster.keys()].map(nameOf).join(", ")}.`);
    } else if (before <= there && sum > there)
      at.report(
        `brings the quotas to ${amountText(resource, sum)}, and the cluster has ${amountText(resource, there)}`,
        "Guarantee less here or before, or add nodes.",
      );
  }
  source.settle("capacity.quotas_not_valid");
  return [...sums].map(([resource, nominal]) => ({ resource, nominal, cluster: cluster.get(resource) ?? 0 }));
}

function nameOf(resource: string): string {
  return resource.startsWith(gpuPrefix) ? resource.slice(gpuPrefix.length) : resource;
}
