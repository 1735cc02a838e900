import { type Digest, digestJson, parseDurationMs } from "@portolan/kernel";
import { type YamlKind, type YamlNode, YamlSource } from "@portolan/yaml-source";
import type { BatchRule, ContractColumn, DataContract, NamedRowRule } from "./contract-model.ts";
import { checkDocument } from "./odcs/document-shape.ts";
import { readColumns } from "./read-columns.ts";
import { readRoles, readServers, readSupport, readTeam } from "./read-people.ts";
import { readQuality } from "./read-quality.ts";
import { readRelationships, type TargetContracts } from "./read-relationships.ts";
import { readSla } from "./read-sla.ts";

export const contractYaml: YamlKind = { noun: "contract", maximumBytes: 256 * 1024 };

/**
 * Reads an Open Data Contract Standard v3.1.0 document into what is enforced of it. Pure.
 *
 * @param references digests of the tables that come with it, by file name.
 * @param targets contracts that its relationships may name; without them nobody looks whether those are there.
 * @throws PortolanError `data.contract_invalid` with file, line and mend of every finding.
 */
export function readContract(
  text: string,
  file: string,
  references: Readonly<Record<string, Digest>> = {},
  targets?: TargetContracts,
): DataContract {
  const source = new YamlSource(text, contractYaml, file);
  source.settle("data.contract_invalid");
  const { root } = source;
  if (!root.isMap()) root.report("is not a mapping", "Start with `apiVersion: v3.1.0`.");
  checkDocument(root);
  root.get("apiVersion").oneOf(["v3.1.0"], "Only v3.1.0 of the standard is understood.");
  const contract = readBody(root, references, targets);
  source.settle("data.contract_invalid");
  return contract;
}

/** The address of what a contract demands; comments and layout do not change it. */
export function contractDigest(contract: DataContract): Digest {
  return digestJson(contract);
}

function readBody(
  root: YamlNode,
  references: Readonly<Record<string, Digest>>,
  targets: TargetContracts | undefined,
): DataContract {
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
  const id = root.get("id").requiredText("Give the contract an id.");
  const own = { id, table: table?.get("name").text() ?? "", columns: columns.columns };
  const relationships = table ? readRelationships(table, own, targets) : [];
  return {
    id,
    name: root.get("name").text() ?? root.get("id").text() ?? "",
    version: root.get("version").requiredText("Write a version such as 1.0.0."),
    status: root.get("status").requiredText("Write a status such as active."),
    table: table?.get("name").requiredText("Name the table.") ?? "",
    columns: columns.columns,
    primaryKey: columns.primaryKey,
    rowRules: [...columns.rowRules, ...quality.rowRules],
    batchRules: [...columns.batchRules, ...quality.batchRules],
    ...(relationships.length === 0 ? {} : { relationships }),
    ...(eventTime === undefined ? {} : { eventTime }),
    ...readFutureSkew(customNode(table, "portolan.futureSkew"), eventTime),
    maxBadShare: readBadShare(customNode(table, "portolan.maxBadShare")),
    ...readSla(root.get("slaProperties"), eventTime, columns.columns),
    team: readTeam(root.get("team")),
    roles: readRoles(root.get("roles")),
    support: readSupport(root.get("support")),
    servers: readServers(root.get("servers")),
    references: usedReferences(columns.columns, references),
  };
}

/** A batch of which more than a twentieth is bad is a broken delivery, unless the contract says otherwise. */
const defaultMaxBadShare = 0.05;

/** Tables that came along and are named nowhere mean nothing. */
function usedReferences(
  columns: readonly ContractColumn[],
  references: Readonly<Record<string, Digest>>,
): Record<string, Digest> {
  const used = new Set(columns.map(({ localTime }) => localTime?.zones));
  return Object.fromEntries(Object.entries(references).filter(([file]) => used.has(file)));
}

function readBadShare(node: YamlNode | undefined): number {
  const share = node?.number() ?? defaultMaxBadShare;
  if (share < 0 || share > 1) node?.report("is no share", "Write a number from 0 to 1.");
  return share;
}

const durationPattern = /^\d{1,9} *(s|min|h|d)$/;

/** How far ahead an event may be: a duration, such as `10 min`. */
function readFutureSkew(
  node: YamlNode | undefined,
  eventTime: string | undefined,
): Pick<DataContract, "futureSkewMs"> {
  if (!node) return {};
  const text = node.text();
  if (eventTime === undefined)
    node.report("speaks of the future of data that has no event time", "Name it in portolan.eventTime.");
  else if (text === undefined || !durationPattern.test(text.trim()))
    node.report("is no duration", "Write a number and a unit: 30 s, 10 min, 2 h or 1 d.");
  else return { futureSkewMs: parseDurationMs(text.replaceAll(" ", "")) };
  return {};
}

const emptyColumns = {
  columns: [] as ContractColumn[],
  primaryKey: [] as string[],
  rowRules: [] as NamedRowRule[],
  batchRules: [] as BatchRule[],
};

/** The value of a custom property, when it is text. */
function customText(node: YamlNode | undefined, name: string): string | undefined {
  return customNode(node, name)?.text();
}

function customNode(node: YamlNode | undefined, name: string): YamlNode | undefined {
  return node
    ?.get("customProperties")
    .items()
    .find((item) => item.get("property").text() === name)
    ?.get("value");
}
