import type { UsageTenant } from "../usage-record.ts";

/** Labels of a pod, by their names as Kubernetes, kube-state-metrics and OpenCost write them. */
export type PodLabels = ReadonlyMap<string, string>;

const kinds = {
  businessUnit: ["business_unit", "businessunit", "bu"],
  team: ["team"],
  useCase: ["use_case", "usecase"],
  model: ["model"],
  environment: ["environment", "env"],
} as const satisfies Record<keyof UsageTenant, readonly string[]>;

/**
 * Whose a pod is: its labels `business_unit`, `team`, `use_case`, `model` and `environment`, plain or below `portolan/`; without a team and a use case its
 * namespace, less `team-`, is taken for the team. Pure.
 */
export function podTenant(namespace: string, labels: PodLabels): UsageTenant {
  const plain = new Map(
    [...labels].map(([name, value]) => [
      name
        .toLowerCase()
        .replace(/^label_/, "")
        .replace(/^portolan[_./]+/, "")
        .replaceAll(/[^a-z0-9]+/g, "_"),
      value,
    ]),
  );
  const of = (kind: keyof UsageTenant): string => {
    for (const name of kinds[kind]) {
      const found = plain.get(name);
      if (found !== undefined && found !== "") return found;
    }
    return "";
  };
  const [team, useCase] = [of("team"), of("useCase")];
  return {
    businessUnit: of("businessUnit"),
    team: team === "" && useCase === "" ? namespace.replace(/^team-/, "") : team,
    useCase,
    model: of("model"),
    environment: of("environment"),
  };
}
