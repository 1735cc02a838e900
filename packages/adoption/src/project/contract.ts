import { stringify } from "yaml";

/** A column as the engine that read the file describes it. */
export interface ColumnSummary {
  readonly name: string;
  /** Type of DuckDB. */
  readonly type: string;
  /** Per cent. */
  readonly nullPercent: number;
  readonly least?: string;
  readonly most?: string;
}

/** A draft of a data contract (Open Data Contract Standard v3.1.0) of what was seen in one file. */
export function draftContract(name: string, owner: string, columns: readonly ColumnSummary[]): string {
  const eventTime = columns.find(({ type }) => type === "TIMESTAMP WITH TIME ZONE" || type === "TIMESTAMP");
  const document = {
    apiVersion: "v3.1.0",
    kind: "DataContract",
    id: name,
    name,
    version: "0.1.0",
    status: "draft",
    description: { purpose: `Rows that ${name} learns from. Say what they are, and what they are not for.` },
    team: { members: [{ username: owner, role: "owner" }] },
    servers: [
      {
        server: "local",
        type: "local",
        path: name,
        format: "csv",
        customProperties: [{ property: "portolan.owner", value: "self" }],
      },
    ],
    schema: [
      {
        name,
        logicalType: "object",
        ...(eventTime
          ? { customProperties: [{ property: "portolan.eventTime", value: eventTime.name }] }
          : {}),
        properties: columns.map(draftColumn),
        quality: [{ metric: "rowCount", mustBeGreaterThan: 0 }],
      },
    ],
  };
  return [
    "# Drafted by `portolan adopt` from one file. What was seen there is no promise about later rows: set bounds that mean something.",
    ...(eventTime
      ? []
      : ["# No column is a time. Portolan needs one: say in portolan.eventTime when each row became true."]),
    stringify(document, { lineWidth: 110 }),
  ].join("\n");
}

function draftColumn({ name, type, nullPercent, least, most }: ColumnSummary) {
  const seen = least === undefined || most === undefined ? "" : ` Seen: ${clip(least)} to ${clip(most)}.`;
  return {
    name,
    logicalType: logicalType(type),
    ...(type === "TIMESTAMP" ? { logicalTypeOptions: { timezone: false } } : {}),
    required: nullPercent === 0,
    ...(isNumber(type) ? { description: `To be described.${seen}` } : { description: "To be described." }),
  };
}

function isNumber(type: string): boolean {
  return logicalType(type) === "integer" || logicalType(type) === "number";
}

function logicalType(type: string): string {
  if (/^(U?(TINY|SMALL|BIG|HUGE)?INT|U?INTEGER)$/.test(type)) return "integer";
  if (/^(DOUBLE|FLOAT|REAL|DECIMAL)/.test(type)) return "number";
  if (type === "BOOLEAN") return "boolean";
  if (type.startsWith("TIMESTAMP")) return "timestamp";
  return type === "DATE" ? "date" : "string";
}

function clip(text: string): string {
  return text.slice(0, 40);
}
