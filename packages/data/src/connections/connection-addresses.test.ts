import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readConnectionAddresses } from "./connection-addresses.ts";

test("an address is told only of a connection of the organisation whose file says that it may be", async () => {
  const folder = await mkdtemp(join(tmpdir(), "portolan-connections-"));
  const write = (name: string, more: object) =>
    writeFile(join(folder, `${name}.json`), JSON.stringify({ organisation: "org_a", ...more }));
  const bus = {
    kind: "kafka",
    brokers: ["bus.example.com:9092", "bus-2.example.com:9092"],
    topics: ["orders"],
  };
  const shop = {
    kind: "postgresql",
    host: "db.example.com",
    database: "shop",
    user: "portolan",
    relations: ["public.*"],
  };
  await write("bus", bus);
  await write("shop", shop);
  await write("kept-bus", { ...bus, publishAddress: false });
  await write("kept-shop", { ...shop, publishAddress: false });
  await write("other", { ...shop, organisation: "org_b", publishAddress: true });
  expect(await readConnectionAddresses(folder, "org_a")).toEqual(new Map());
  await write("open-bus", { ...bus, publishAddress: true });
  await write("open-shop", { ...shop, publishAddress: true });
  expect(await readConnectionAddresses(folder, "org_a")).toEqual(
    new Map([
      ["open-bus", { kind: "kafka", broker: "bus.example.com:9092" }],
      ["open-shop", { kind: "postgresql", host: "db.example.com", port: 5432, database: "shop" }],
    ]),
  );
  await rm(folder, { recursive: true });
});
