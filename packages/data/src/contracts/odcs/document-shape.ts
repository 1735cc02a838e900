import type { YamlNode } from "@portolan/yaml-source";
import { operators } from "../contract-model.ts";
import { serverShape } from "./server-shapes.ts";
import {
  anything,
  boolean,
  checkMembers,
  distinct,
  integer,
  listOf,
  type Members,
  mapOf,
  matching,
  number,
  oneOf,
  openMapOf,
  type Shape,
  scalar,
  text,
} from "./shape.ts";

/**
 * The form of an Open Data Contract Standard v3.1.0 document, as its published JSON Schema states it: which members exist, which
 * are required, of which kind each is. What they mean, and what of it is enforced, is for the readers.
 */
export function checkDocument(root: YamlNode): void {
  checkMembers(root, documentMembers, ["version", "apiVersion", "kind", "id", "status"]);
}

const date = matching(/^\d{4}-\d{2}-\d{2}$/, "Write a date such as 2026-11-26.");
const dateTime = matching(
  /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:?\d{2})$/,
  "Write an instant such as 2026-11-26T08:00:00Z.",
);
const stableId = matching(/^[A-Za-z0-9_-]+$/, "Use letters, digits, dashes and underscores.");
const named = { id: stableId };
const tags = listOf(text);
const definition = mapOf({ ...named, url: text, type: text, description: text }, ["url", "type"]);
const definitions = listOf(definition);
const custom = listOf(
  mapOf({ ...named, property: text, value: anything, description: text }, ["property", "value"]),
);

const role = mapOf(
  {
    ...named,
    role: text,
    description: text,
    access: text,
    firstLevelApprovers: text,
    secondLevelApprovers: text,
    customProperties: custom,
  },
  ["role"],
);

const member = mapOf(
  {
    ...named,
    username: text,
    name: text,
    description: text,
    role: text,
    dateIn: date,
    dateOut: date,
    replacedByUsername: text,
    tags,
    customProperties: custom,
    authoritativeDefinitions: definitions,
  },
  ["username"],
);
const teamObject = mapOf({
  ...named,
  name: text,
  description: text,
  members: listOf(member),
  tags,
  customProperties: custom,
  authoritativeDefinitions: definitions,
});
/** An object with members since v3.1; the older list of members is accepted too. */
const team: Shape = (node) => (node.kind === "list" ? listOf(member) : teamObject)(node);

/** Each is a notice, and perhaps a request to somebody's server, for each batch. */
const mostChannels = 10;
const support = listOf(
  mapOf(
    {
      ...named,
      channel: text,
      url: text,
      description: text,
      tool: text,
      scope: text,
      invitationUrl: text,
      customProperties: custom,
    },
    ["channel"],
  ),
  0,
  mostChannels,
);

const sla = listOf(
  mapOf(
    {
      ...named,
      property: text,
      value: scalar,
      valueExt: scalar,
      unit: text,
      element: text,
      driver: text,
      description: text,
      scheduler: text,
      schedule: text,
    },
    ["property", "value"],
  ),
);

const range: Shape = (node) => {
  listOf(number, 2)(node);
  const items = node.kind === "list" ? node.items().map((item) => item.value()) : [];
  if (items.length > 2 || (items.length === 2 && items[0] === items[1]))
    node.report("must be two different numbers", "The smaller one first.");
};
const operatorShapes: Members = {
  ...Object.fromEntries(operators.map((operator) => [operator, number])),
  // The standard lets these two compare with anything.
  mustBe: anything,
  mustNotBe: anything,
  mustBeBetween: range,
  mustNotBeBetween: range,
};

const qualityMembers: Members = {
  ...named,
  authoritativeDefinitions: definitions,
  businessImpact: text,
  customProperties: custom,
  description: text,
  dimension: oneOf(
    "accuracy",
    "completeness",
    "conformity",
    "consistency",
    "coverage",
    "timeliness",
    "uniqueness",
  ),
  method: text,
  name: text,
  schedule: text,
  scheduler: text,
  severity: text,
  tags,
  type: oneOf("text", "library", "sql", "custom"),
  unit: text,
};

const quality = listOf((node) => {
  if (!node.isMap()) {
    node.report("must be a mapping");
    return;
  }
  const type = node.get("type").kind === "text" ? node.get("type").text() : undefined;
  if (type === "library" || node.get("metric").kind !== "missing" || type === undefined) {
    const library = { metric: text, rule: text, arguments: mapOf(argumentMembers), ...operatorShapes };
    checkMembers(node, { ...qualityMembers, ...library }, ["metric"]);
  } else if (type === "sql") {
    checkMembers(node, { ...qualityMembers, query: text, ...operatorShapes }, ["query"]);
  } else if (type === "custom") {
    const engine = { engine: text, implementation: anything };
    checkMembers(node, { ...qualityMembers, ...engine }, ["engine", "implementation"]);
  } else checkMembers(node, qualityMembers, []);
});
const argumentMembers: Members = {
  validValues: listOf(scalar),
  missingValues: listOf(scalar),
  pattern: text,
  properties: listOf(text),
};

const reference = matching(
  /^[A-Za-z_][\w]*\.[A-Za-z_]\w*$|^(?:(?:https?:\/\/)?[\w.\-/]+\.yaml#)?\/?[A-Za-z_]\w*\/[\w-]+(?:\/[A-Za-z_]\w*\/[\w-]+)*$/,
  "Write table.column.",
);
const references: Shape = (node) => (node.kind === "list" ? listOf(reference, 1) : reference)(node);
const relationship = { type: oneOf("foreignKey"), to: references, customProperties: custom };
const columnRelationships = listOf(mapOf(relationship, ["to"]));
const tableRelationships = listOf(mapOf({ ...relationship, from: references }, ["from", "to"]));

const bounds = (of: Shape): Members => ({
  minimum: of,
  maximum: of,
  exclusiveMinimum: of,
  exclusiveMaximum: of,
});
const multipleOf: Shape = (node) => {
  number(node);
  if (node.kind === "number" && (node.number() ?? 0) <= 0) node.report("must be above zero");
};
const instantOptions = { ...bounds(text), format: text, timezone: boolean, defaultTimezone: text };
const integerFormats = ["i8", "i16", "i32", "i64", "i128", "u8", "u16", "u32", "u64", "u128"];

/** What each logical type may be narrowed by. */
const optionsByType: Readonly<Record<string, Members>> = {
  string: { minLength: integer(0), maxLength: integer(0), pattern: text, format: text },
  date: { ...bounds(text), format: text },
  timestamp: instantOptions,
  time: instantOptions,
  integer: { ...bounds(number), multipleOf, format: oneOf(...integerFormats) },
  number: { ...bounds(number), multipleOf, format: oneOf("f32", "f64") },
  boolean: {},
  object: { minProperties: integer(0), maxProperties: integer(0), required: distinct(listOf(text, 1)) },
  array: { minItems: integer(0), maxItems: integer(0), uniqueItems: boolean },
};
export const logicalTypes = Object.keys(optionsByType);

const elementMembers: Members = {
  ...named,
  name: text,
  physicalType: text,
  description: text,
  businessName: text,
  authoritativeDefinitions: definitions,
  tags,
  customProperties: custom,
};

const propertyMembers: Members = {
  ...elementMembers,
  primaryKey: boolean,
  primaryKeyPosition: integer(),
  logicalType: oneOf(...logicalTypes),
  physicalName: text,
  required: boolean,
  unique: boolean,
  partitioned: boolean,
  partitionKeyPosition: integer(),
  classification: text,
  encryptedName: text,
  transformSourceObjects: listOf(text),
  transformLogic: text,
  transformDescription: text,
  examples: listOf(anything),
  criticalDataElement: boolean,
  relationships: columnRelationships,
  quality,
};

function propertyShape(isItem: boolean): Shape {
  return (node) => {
    if (!node.isMap()) {
      node.report("must be a mapping");
      return;
    }
    const logical = node.get("logicalType");
    const type = logical.kind === "text" ? (logical.text() ?? "") : "string";
    // Options narrow a type; without one the standard takes none.
    const byType = Object.hasOwn(optionsByType, type) ? optionsByType[type] : undefined;
    const options = logical.kind === "missing" ? {} : byType;
    // The standard narrows by the type that is said: where none is, both descriptions are well formed.
    const untyped = logical.kind === "missing";
    const members = {
      ...propertyMembers,
      ...(options ? { logicalTypeOptions: mapOf(options) } : { logicalTypeOptions: anything }),
      ...(type === "object" || isItem || untyped ? { properties: listOf(propertyShape(false)) } : {}),
      ...(type === "array" || untyped ? { items: propertyShape(true) } : {}),
    };
    checkMembers(node, members, isItem ? [] : ["name"]);
  };
}

const schemaObject = mapOf(
  {
    ...elementMembers,
    logicalType: oneOf("object"),
    physicalName: text,
    dataGranularityDescription: text,
    properties: listOf(propertyShape(false)),
    relationships: tableRelationships,
    quality,
  },
  ["name"],
);

const documentMembers: Members = {
  version: text,
  kind: oneOf("DataContract"),
  apiVersion: text,
  id: text,
  name: text,
  tenant: text,
  tags,
  status: text,
  servers: listOf(serverShape({ ...named, customProperties: custom }, role)),
  dataProduct: text,
  description: openMapOf({
    usage: text,
    purpose: text,
    limitations: text,
    authoritativeDefinitions: definitions,
    customProperties: custom,
  }),
  domain: text,
  schema: listOf(schemaObject),
  support,
  price: mapOf({ ...named, priceAmount: number, priceCurrency: text, priceUnit: text }),
  team,
  roles: listOf(role),
  slaDefaultElement: text,
  slaProperties: sla,
  authoritativeDefinitions: definitions,
  customProperties: custom,
  contractCreatedTs: dateTime,
};
