import { ControlConfig } from "@portolan/control";
import { GatewayConfig } from "@portolan/gateway";
import type { Generator } from "../generated-files.ts";

interface Property {
  readonly type?: string;
  readonly format?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly default?: unknown;
  readonly description?: string;
  readonly anyOf?: readonly { readonly const?: unknown }[];
}

interface ConfigSchema {
  readonly properties: Readonly<Record<string, unknown>>;
  readonly required?: readonly string[];
}

const processes: readonly {
  readonly title: string;
  readonly about: string;
  readonly schema: ConfigSchema;
}[] = [
  {
    title: "Control",
    about: "The control process: REST API, jobs, ledger. `apps/control/src/config.ts`.",
    schema: ControlConfig,
  },
  {
    title: "Gateway",
    about: "A gateway process: Open Inference Protocol, prediction log. `apps/gateway/src/config.ts`.",
    schema: GatewayConfig,
  },
];

function kindOf(property: Property): string {
  if (property.anyOf) return property.anyOf.map((one) => `\`${String(one.const)}\``).join(", ");
  const { minimum, maximum } = property;
  const range = minimum === undefined && maximum === undefined ? "" : ` ${minimum ?? ""}–${maximum ?? ""}`;
  const secret = property.format === "portolan-secret" ? ", secret" : "";
  return `${property.type ?? "string"}${range}${secret}`;
}

function row(name: string, property: Property, isRequired: boolean): string {
  const value = property.default === undefined ? (isRequired ? "required" : "unset") : code(property.default);
  return `| \`${name}\` | ${kindOf(property)} | ${value} | ${property.description ?? ""} |`;
}

function code(value: unknown): string {
  return `\`${typeof value === "string" ? value : JSON.stringify(value)}\``;
}

function section({ title, about, schema }: (typeof processes)[number]): string[] {
  const names = Object.keys(schema.properties).sort();
  const rows = names.map((name) => {
    const property = schema.properties[name] as Property;
    return row(name, property, schema.required?.includes(name) ?? false);
  });
  return [
    `## ${title}`,
    "",
    about,
    "",
    "| variable | type | default | meaning |",
    "|---|---|---|---|",
    ...rows,
    "",
  ];
}

/** docs/configuration.md: every environment variable that a process reads. */
export const generator: Generator = {
  generate() {
    const text = [
      "# Configuration",
      "",
      "Generated from the schemas named below. Do not edit.",
      "",
      "Each process reads environment variables at its start, and nothing later. An empty variable counts as unset.",
      "What does not fit ends the start with every problem named at once. Secrets are never printed. `portolan up`",
      "sets all of them for one machine.",
      "",
      ...processes.flatMap(section),
    ];
    return new Map([["docs/configuration.md", text.join("\n")]]);
  },
};
