import type { Expression } from "@portolan/expressions";
import { expect, test } from "vitest";
import type { FeatureView } from "../view-model.ts";
import { featureSources } from "./view-sources.ts";

const column = (name: string): Expression => ({ op: "column", name, type: "int" });
const sum = (...args: Expression[]): Expression => ({ op: "call", fn: "add", args, type: "int" });

test("a feature is made of the values that enter it, and one on demand of what the features that it reads are made of", () => {
  const view: FeatureView = {
    name: "accounts",
    version: 1,
    source: "changes",
    entity: [{ name: "account", column: "account" }],
    eventTime: "at",
    available: column("known"),
    ttlMicros: 1,
    features: [
      { name: "n", aggregate: "count", windowMicros: 1 },
      { name: "spent", aggregate: "sum", of: sum(column("cents"), column("fee")), windowMicros: 1 },
    ],
    onDemand: [{ name: "share", value: sum(column("spent"), column("paid")) }],
  };
  const from = (...names: string[]) => names.map((name) => ({ contract: "changes", column: name }));
  const made = (sources: ReturnType<typeof featureSources>) =>
    Object.fromEntries(sources.map((one) => [one.name, one.from]));
  const stated = { n: [], spent: from("cents", "fee"), share: from("cents", "fee") };
  expect(made(featureSources(view))).toEqual(stated);
  const paid = { contract: "orders", column: "amount" };
  expect(made(featureSources(view, () => [paid]))["share"]).toEqual([paid, ...from("cents", "fee")]);
});
