import { YamlSource } from "@portolan/yaml-source";
import { expect, test } from "vitest";
import { checkDocument } from "./document-shape.ts";

const whole = {
  apiVersion: "v3.1.0",
  kind: "DataContract",
  id: "orders",
  version: "1.0.0",
  status: "active",
};
const findings = (document: unknown): string[] => {
  const source = new YamlSource(JSON.stringify(document), { noun: "contract", maximumBytes: 100_000 }, "a");
  checkDocument(source.root);
  return source.violations.map(({ at, detail }) => `${at?.pointer ?? ""} ${detail}`);
};
const column = (property: object) => ({ ...whole, schema: [{ name: "t", properties: [property] }] });
const rule = (quality: object) => ({ ...whole, schema: [{ name: "t", quality: [quality] }] });

test("the smallest document is well formed, and each member that the standard requires is missed (D1)", () => {
  expect(findings(whole)).toEqual([]);
  for (const key of Object.keys(whole))
    expect(findings({ ...whole, [key]: undefined })).toEqual([`/${key} ${key} is missing`]);
});

test("a contract has at most ten support channels: each batch may be told to all of them", () => {
  const channels = (count: number) => ({ ...whole, support: Array(count).fill({ channel: "a" }) });
  expect(findings(channels(10))).toEqual([]);
  expect(findings(channels(11))).toEqual(["/support support has 11 items"]);
});

test.each([
  ["a number where text belongs", { ...whole, version: 1 }, "/version version must be text"],
  ["a key without a value", { ...whole, domain: null }, "/domain domain is empty"],
  ["an unknown member", { ...whole, sla: [] }, "/sla sla is not known here"],
  [
    "a server without what its type needs",
    { ...whole, servers: [{ server: "w", type: "postgres", host: "h", port: 1, database: "d" }] },
    "/servers/0/schema servers.0.schema is missing",
  ],
  [
    "a team member without a name",
    { ...whole, team: { members: [{ role: "owner" }] } },
    "/team/members/0/username team.members.0.username is missing",
  ],
  [
    "a team member of the older form",
    { ...whole, team: [{ role: "owner" }] },
    "/team/0/username team.0.username is missing",
  ],
  [
    "a service level without a value",
    { ...whole, slaProperties: [{ property: "latency" }] },
    "/slaProperties/0/value slaProperties.0.value is missing",
  ],
  [
    "a type that there is none of",
    column({ name: "c", logicalType: "float" }),
    '/schema/0/properties/0/logicalType schema.0.properties.0.logicalType is "float"',
  ],
  [
    "an option of another type",
    column({ name: "c", logicalType: "integer", logicalTypeOptions: { pattern: "a" } }),
    "/schema/0/properties/0/logicalTypeOptions/pattern schema.0.properties.0.logicalTypeOptions.pattern is not known here",
  ],
  [
    "an exclusive bound that is a truth value",
    column({ name: "c", logicalType: "number", logicalTypeOptions: { exclusiveMinimum: true } }),
    "/schema/0/properties/0/logicalTypeOptions/exclusiveMinimum schema.0.properties.0.logicalTypeOptions.exclusiveMinimum must be a number",
  ],
  [
    "a required member that is named twice",
    column({ name: "c", logicalType: "object", logicalTypeOptions: { required: ["a", "a"] } }),
    "/schema/0/properties/0/logicalTypeOptions/required schema.0.properties.0.logicalTypeOptions.required names one twice",
  ],
  [
    "items of what is no array",
    column({ name: "c", logicalType: "string", items: {} }),
    "/schema/0/properties/0/items schema.0.properties.0.items is not known here",
  ],
  [
    "a library rule without a metric",
    rule({ mustBe: 0 }),
    "/schema/0/quality/0/metric schema.0.quality.0.metric is missing",
  ],
  [
    "a range of one number",
    rule({ metric: "rowCount", mustBeBetween: [3, 3] }),
    "/schema/0/quality/0/mustBeBetween schema.0.quality.0.mustBeBetween must be two different numbers",
  ],
  [
    "a sql rule without a query",
    rule({ type: "sql", mustBe: 0 }),
    "/schema/0/quality/0/query schema.0.quality.0.query is missing",
  ],
  [
    "a custom rule without an engine",
    rule({ type: "custom", implementation: "x" }),
    "/schema/0/quality/0/engine schema.0.quality.0.engine is missing",
  ],
])("%s is found where it stands (D1)", (_, document, finding) => {
  expect(findings(document)).toEqual([finding]);
});
