import { afterAll, beforeAll, expect, test } from "vitest";
import { startReplay } from "../../data/src/index.ts";
import { flightsCsv } from "../../data/test/data-fixture.ts";
import { findDataset } from "../src/store.ts";
import { type FeaturesFixture, featuresFixture } from "./features-fixture.ts";

let f: FeaturesFixture;
beforeAll(async () => {
  f = await featuresFixture();
  await f.publishFlights(contract("1.0.0", "^[A-Z]{3}$"));
});
afterAll(() => f.close());

const contract = (version: string, pattern: string) => (text: string) =>
  text
    .replace("version: 1.0.0", `version: ${version}`)
    .replace("value: 0.01", "value: 0.5")
    .replaceAll('"^[A-Z]{3}$"', JSON.stringify(pattern));
const newest = async () => {
  const of = { organisationId: f.call.actor.organisationId, contract: "flights", environment: "dev" };
  return (await f.db.uow.read(f.call, (sql) => findDataset(sql, of)))?.id;
};
const replay = async (id: string) => f.settled((await startReplay(f.deps, f.call, id, {})).id);

test("a batch that is judged again takes its own place among the batches, and not the newest", async () => {
  const planted = "2001-01-03 10:01:00,5,500,BOS,lax\n2001-01-03 10:02:00,6,600,Bos,lax\n";
  const monday = await f.ingest("monday.csv", `${flightsCsv(5)}${planted}`);
  await f.publishFlights(contract("1.1.0", "^[A-Z][A-Za-z]{2}$|^[a-z]{3}$"));
  const mended = await replay(monday.id);
  expect(mended.datasetId).not.toBe(monday.datasetId);
  expect(await newest()).toBe(mended.datasetId);
  const tuesday = await f.ingest("tuesday.csv", flightsCsv(6, 11));
  expect(await newest()).toBe(tuesday.datasetId);
  await f.publishFlights(contract("1.2.0", "^[A-Za-z]{3}$"));
  for (const id of [monday.id, mended.id]) {
    const later = await replay(id);
    expect(later).toMatchObject({ state: "published", replayOf: id });
    expect(await newest()).toBe(tuesday.datasetId);
  }
});
