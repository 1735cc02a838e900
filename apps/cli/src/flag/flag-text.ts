import type { FlagView } from "@portolan/rollout/contract";
import type { FlagDefinition } from "@portolan/serving/contract";
import { table } from "../output.ts";

/** Flags of an endpoint, one a line. */
export function listText(flags: readonly FlagView[], endpoint: string): string {
  if (flags.length === 0) return `${endpoint} has no flags: portolan flag set ${endpoint} <key>`;
  return table(
    ["KEY", "ENVIRONMENT", "STATE", "DEFAULT", "RULES", "SHARES", "WAITS FOR"],
    flags.map(({ key, environment, inForce, waiting }) => [
      key,
      environment,
      inForce ? (inForce.enabled ? "on" : "off") : "-",
      inForce ? String(inForce.default) : "-",
      inForce ? String(inForce.rules.length) : "-",
      inForce ? inForce.split.map(({ value, weight }) => `${value} ${weight} %`).join(", ") || "-" : "-",
      waiting ? `${waiting.approvals.needed - waiting.approvals.given.length} approval(s)` : "-",
    ]),
  );
}

/** One flag in sentences. */
export function flagText({ endpoint, environment, key, version, inForce, waiting }: FlagView): string {
  const name = `${endpoint}.${key}`;
  const lines = inForce
    ? [`${name} in ${environment}, version ${version}:`, ...definitionLines(inForce)]
    : [`${name} is not in force in ${environment}.`];
  if (waiting) {
    const { needed, given } = waiting.approvals;
    lines.push(
      `Waits for ${needed - given.length} of ${needed} approvals (${waiting.reason}), asked for by ${waiting.requestedBy}:`,
      ...definitionLines(waiting.flag),
      `Approve it with: portolan flag approve ${endpoint} ${key} --environment ${environment}`,
    );
  }
  return lines.join("\n");
}

function definitionLines(flag: FlagDefinition): string[] {
  const { values = [true, false], rules, split, sticky, description } = flag;
  return [
    ...(description === undefined ? [] : [`  ${description}`]),
    `  ${flag.enabled ? "on" : "off"}; says ${values.map(String).join(" or ")}, ${String(flag.default)} by default`,
    ...rules.map(
      ({ by, values: who, value, percent }) =>
        `  ${String(value)} to ${percent === undefined ? "" : `${percent} % of `}${typeof by === "string" ? by : by.attribute} ${who.join(", ")}`,
    ),
    ...split.map(({ value, weight }) => `  ${String(value)} to ${weight} % of all others, by ${sticky}`),
    ...(flag.decides === undefined ? [] : ["  decides which variant answers predictions"]),
  ];
}
