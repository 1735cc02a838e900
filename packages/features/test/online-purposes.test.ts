import { publishAccessPolicy, publishContract } from "@portolan/data";
import { afterAll, beforeAll, expect, test } from "vitest";
import { allowReading } from "../../data/test/data-fixture.ts";
import { onlinePurposes } from "../src/access/online-purposes.ts";
import { publishView } from "../src/views.ts";
import { type FeaturesFixture, featuresFixture } from "./features-fixture.ts";

const contract = `apiVersion: v3.1.0
kind: DataContract
id: accounts
name: accounts
version: 1.0.0
status: active
description: { purpose: test }
team: { members: [{ username: o, role: owner }] }
schema:
  - name: accounts
    logicalType: object
    customProperties: [{ property: portolan.eventTime, value: at }]
    properties:
      - { name: account, logicalType: string, primaryKey: true, required: true }
      - { name: at, logicalType: timestamp, required: true }
      - { name: balance, logicalType: integer }
      - { name: visits, logicalType: integer }
`;
const view = `apiVersion: portolan/v1
kind: FeatureView
name: accounts
source: accounts
entity: [account]
eventTime: at
ttl: 30d
features: [{ name: balance, value: balance }, { name: visits, value: visits }]
`;

let f: FeaturesFixture;
let digest: string;
beforeAll(async () => {
  f = await featuresFixture();
  await publishContract(f.deps, f.call, "accounts", { document: contract, references: {} });
  ({ digest } = await publishView(f.deps, f.call, "accounts", { document: view }));
});
afterAll(() => f.close());

const purposes = (features: string[], of = digest) =>
  onlinePurposes(f.deps, f.call, [{ name: "accounts@1", digest: of, features }], { environment: "dev" });

test("features are read online for what the policies on data allow them as they are", async () => {
  expect(await purposes(["balance"])).toEqual([]);
  await allowReading(f, "care");
  await allowReading(f, "billing");
  expect(await purposes(["balance", "visits"])).toEqual(["billing", "care"]);
  expect(await purposes(["balance"], `sha256:${"0".repeat(64)}`)).toEqual([]);
  const masked = `kind: AccessPolicy
name: masked
effect: restrict
purposes: [care]
masks: [{ columns: [balance], with: hash }]
`;
  await publishAccessPolicy(f.deps, f.call, "masked", masked);
  expect(await purposes(["balance", "visits"])).toEqual(["billing"]);
  expect(await purposes(["visits"])).toEqual(["billing", "care"]);
  const kept = `kind: AccessPolicy
name: kept
effect: restrict
purposes: [billing]
rows: visits > 3
`;
  await publishAccessPolicy(f.deps, f.call, "kept", kept);
  expect(await purposes(["balance"])).toEqual([]);
});
