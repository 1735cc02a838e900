import { type Digest, digestJson, parseDurationMs } from "@portolan/kernel";
import { type YamlKind, type YamlNode, YamlSource } from "@portolan/yaml-source";
import type { BatchRule, ContractColumn, DataContract, NamedRowRule } from "./contract-model.ts";
import { readColumns } from "./read-columns.ts";
import { readQuality } from "./read-quality.ts";

const contractYaml: YamlKind = { noun: "contract", maximumBytes: 256 * 1024 };

const rootKeys = [
  "version",
  "apiVersion",
  "kind",
  "id",
  "name",
  "status",
  "tenant",
  "tags",
  "servers",
  "dataProduct",
  "description",
  "domain",
  "schema",
  "support",
  "price",
  "team",
  "roles",
  "slaProperties",
  "authoritativeDefinitions",
  "customProperties",
  "contractCreatedTs",
] as const;

/**
 * Reads an Open Data Contract Standard v3.1.0 document into what is enforced of it. Pure.
 *
 * @param references digests of the tables that come with it, by file name.
 * @throws PortolanError `data.contract_invalid` with file, line and mend of every finding.
 */
export function readContract(
  text: string,
  file: string,
  references: Readonly<Record<string, Digest>> = {},
): DataContract {
  const source = new YamlSource(text, contractYaml, file);
  source.settle("data.contract_invalid");
  const { root } = source;
  if (!root.isMap()) root.report("is not a mapping", "Start with `apiVersion: v3.1.0`.");
  root.only(rootKeys);
  root.get("kind").oneOf(["DataContract"], "Write `kind: DataContract`.");
  const apiVersion = root.get("apiVersion");
  apiVersion.requiredText("Write `apiVersion: v3.1.0`.");
  apiVersion.oneOf(["v3.1.0"], "Only v3.1.0 of the standard is understood.");
  const contract = readBody(root, references);
  source.settle("data.contract_invalid");
  return contract;
}

/** The address of what a contract demands; comments and layout do not change it. */
export function contractDigest(contract: DataContract): Digest {
  return digestJson(contract);
}

function readBody(root: YamlNode, references: Readonly<Record<string, Digest>>): DataContract {
  const tables = root.get("schema").items();
  const [table] = tables;
  if (!table || tables.length > 1)
    root.get("schema").report("must hold exactly one table", "Write one contract per table.");
  const columns = table ? readColumns(table, references) : emptyColumns;
  const quality = table ? readQuality(table, columns.columns) : { rowRules: [], batchRules: [] };
  const eventTime = customText(table, "portolan.eventTime");
  if (table && eventTime && columns.columns.find((column) => column.name === eventTime)?.type !== "instant") {
    table
      .get("customProperties")
      .report(`portolan.eventTime names ${eventTime}`, "Name a timestamp column in UTC.");
  }
  return {
    id: root.get("id").requiredText("Give the contract an id."),
    name: root.get("name").text() ?? root.get("id").text() ?? "",
    version: root.get("version").requiredText("Write a version such as 1.0.0."),
    status: root.get("status").requiredText("Write a status such as active."),
    table: table?.get("name").requiredText("Name the table.") ?? "",
    columns: columns.columns,
    primaryKey: columns.primaryKey,
    rowRules: [...columns.rowRules, ...quality.rowRules],
    batchRules: [...columns.batchRules, ...quality.batchRules],
    ...(eventTime === undefined ? {} : { eventTime }),
    maxBadShare: customNode(table, "portolan.maxBadShare")?.number() ?? defaultMaxBadShare,
    ...readSla(root),
    team: readTeam(root.get("team")),
    roles: root
      .get("roles")
      .items()
      .map((role) => role.get("role").requiredText("Name the role.")),
    servers: root.get("servers").items().map(readServer),
    references,
  };
}

/** A batch of which more than a twentieth is bad is a broken delivery, unless the contract says otherwise. */
const defaultMaxBadShare = 0.05;

const emptyColumns = {
  columns: [] as ContractColumn[],
  primaryKey: [] as string[],
  rowRules: [] as NamedRowRule[],
  batchRules: [] as BatchRule[],
};

/** `team` is an object with `members` since v3.1; the older list of members is accepted too. */
function readTeam(team: YamlNode): DataContract["team"] {
  const members = team.isMap() ? team.get("members").items() : team.items();
  return members.map((member) => {
    const role = member.get("role").text();
    return {
      username: member.get("username").requiredText("Name the member."),
      ...(role === undefined ? {} : { role }),
    };
  });
}

function readServer(server: YamlNode): DataContract["servers"][number] {
  const location = server.get("location").text() ?? server.get("path").text();
  const owner = customText(server, "portolan.owner");
  return {
    name: server.get("server").requiredText("Name the server."),
    type: server.get("type").requiredText("Say what kind of server it is."),
    ...(location === undefined ? {} : { location }),
    ...(owner === undefined ? {} : { owner }),
  };
}

function readSla(root: YamlNode): { freshnessMs?: number; retentionMs?: number } {
  const found: { freshnessMs?: number; retentionMs?: number } = {};
  for (const property of root.get("slaProperties").items()) {
    const name = property.get("property").requiredText("Name the property.");
    // The standard prefers `latency`; other tools execute `freshness`: both mean the age of the newest event.
    if (name === "latency" || name === "freshness") found.freshnessMs = durationOf(property);
    if (name === "retention") found.retentionMs = durationOf(property);
  }
  return found;
}

const unitNames: Readonly<Record<string, string>> = {
  s: "s",
  second: "s",
  seconds: "s",
  m: "min",
  min: "min",
  minute: "min",
  minutes: "min",
  h: "h",
  hour: "h",
  hours: "h",
  d: "d",
  day: "d",
  days: "d",
  y: "y",
  yr: "y",
  year: "y",
  years: "y",
};

function durationOf(property: YamlNode): number {
  const value = property.get("value").number();
  const unit = property.get("unit").text() ?? "d";
  const short = Object.hasOwn(unitNames, unit) ? unitNames[unit] : undefined;
  if (value === undefined || value < 0 || !short) {
    property.report("is not a duration", "Write `value: 24` and `unit: h` (s, min, h, d or y).");
    return 0;
  }
  return parseDurationMs(`${value}${short}`);
}

/** The value of a custom property, when it is text. */
export function customText(node: YamlNode | undefined, name: string): string | undefined {
  return customNode(node, name)?.text();
}

export function customNode(node: YamlNode | undefined, name: string): YamlNode | undefined {
  return node
    ?.get("customProperties")
    .items()
    .find((item) => item.get("property").text() === name)
    ?.get("value");
}
