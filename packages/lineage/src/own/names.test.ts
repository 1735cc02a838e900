import type { ConnectionAddress } from "@portolan/data/contract";
import { expect, test } from "vitest";
import { isOwnNamespace, namesOf } from "./names.ts";

const names = namesOf(
  "acme",
  new Map<string, ConnectionAddress>([
    ["shop", { kind: "postgresql", host: "db.example.com", port: 5432, database: "shop" }],
    ["bus", { kind: "kafka", broker: "bus.example.com:9092" }],
  ]),
);

test("tables and topics have the standard's names, so that other tools' lineage meets ours", () => {
  expect(names.connected("shop", "public.orders")).toEqual({
    namespace: "postgres://db.example.com:5432",
    name: "shop.public.orders",
  });
  expect(names.connected("bus", "orders")).toEqual({
    namespace: "kafka://bus.example.com:9092",
    name: "orders",
  });
  expect(names.connected("gone", "orders")).toEqual({ namespace: "connection://acme/gone", name: "orders" });
});

test("what is Portolan's own is that of this organisation alone", () => {
  for (const { namespace } of [
    names.contract("x"),
    names.snapshot("dev", "x", "ds_1"),
    names.object("sha256:1"),
    names.modelVersion("x", 1),
    names.job("dev", "x"),
    names.job(undefined, "x"),
  ])
    expect(isOwnNamespace("acme", namespace), namespace).toBe(true);
  for (const namespace of ["model://acme-2", "model://other", "postgres://acme", "acme", "dataset://acm"])
    expect(isOwnNamespace("acme", namespace), namespace).toBe(false);
});
