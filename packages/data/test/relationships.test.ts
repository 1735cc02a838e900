import { afterAll, beforeAll, expect, test } from "vitest";
import { listPublishedDatasets } from "../src/datasets/read-datasets.ts";
import { publishContract, readQuarantine, receiveEvents } from "../src/index.ts";
import { startReplay } from "../src/ingestion/start-replay.ts";
import type { IngestionView } from "../src/resources.ts";
import { allowReading, type DataFixture, dataFixture, waitFor } from "./data-fixture.ts";

/** docs/spec/data-contracts.md D27: foreign keys, through publication, files, events and replays. */
let f: DataFixture;
const document = (id: string, properties: readonly string[], table = "") => `apiVersion: v3.1.0
kind: DataContract
id: ${id}
version: 1.0.0
status: active
schema:
  - name: ${id}
    customProperties: [{ property: portolan.maxBadShare, value: 0.5 }]
    properties:
${properties.map((one) => `      - ${one}`).join("\n")}
${table}`;
const publish = (id: string, ...more: [readonly string[], string?]) =>
  publishContract(f.deps, f.call, id, { document: document(id, ...more) });
const stays = [
  "{ name: ward, logicalType: string, relationships: [{ to: wards.id }] }",
  "{ name: days, logicalType: integer, required: true }",
];
const critical = stays.map((line) =>
  line.replace(
    "wards.id }",
    "wards.id, customProperties: [{ property: portolan.severity, value: critical }] }",
  ),
);
const ingest = (contract: string, name: string, text: string, more = {}): Promise<IngestionView> =>
  f.ingest(name, text, { contract, ...more });

beforeAll(async () => {
  f = await dataFixture();
});
afterAll(() => f.close());

test("a contract whose target is not there is refused with line and mend, and is taken once it is", async () => {
  await expect(publish("stays", stays)).rejects.toMatchObject({
    code: "data.contract_invalid",
    violations: [
      {
        detail: expect.stringContaining("refers to wards, and there is no such contract") as string,
        at: { line: 10 },
      },
    ],
  });
  await publish("wards", [
    "{ name: id, logicalType: string, required: true }",
    "{ name: beds, logicalType: integer }",
  ]);
  await publish("stays", stays);
  await publish("strict", critical);
});

test("before the target has published anything every row that refers to it is kept out, and a replay finds them later (D27a)", async () => {
  const early = await ingest("stays", "early.csv", "ward,days\na,1\nb,2\n,3\n");
  expect(early).toMatchObject({
    state: "refused",
    rules: { "ward.references.wards": 2 },
    warnings: ["wards has published nothing here that can be referred to"],
  });
  // Another use case's rows are nobody else's counterparts.
  await ingest("wards", "hidden.csv", "id,beds\nb,2\n", { useCaseId: "uc_other" });
  await ingest("wards", "wards.csv", "id,beds\na,1\n,5\n");
  const again = await f.settled((await startReplay(f.deps, f.call, early.id, {})).id);
  expect(again).toMatchObject({
    state: "published",
    counts: { accepted: 2, quarantined: 1 },
    rules: { "ward.references.wards": 1 },
  });
});

test("rows without a counterpart in the newest dataset go to quarantine under the rule's name; the ledger says which it was (D27, D27a)", async () => {
  const [newest] = await listPublishedDatasets(f.deps, f.call, { contract: "wards" });
  const done = await ingest("stays", "stays.csv", "ward,days\na,1\nb,2\n,3\n");
  expect(done).toMatchObject({ state: "published", counts: { accepted: 2, quarantined: 1, deadLetters: 0 } });
  await allowReading(f, "mending");
  const { rows } = await readQuarantine(f.deps, f.call, done.id, { limit: 5, purpose: "mending" });
  expect(rows).toMatchObject([{ violations: ["ward.references.wards"], raw: { ward: "b" } }]);
  const published = (await f.ledger()).find(({ subject }) => subject === done.datasetId);
  expect(published?.row).toContain(`"counterparts":{"wards":"${newest?.id ?? "none"}"}`);

  // The same bytes are another batch once there is something else to refer to.
  await ingest("wards", "more.csv", "id,beds\na,1\nb,2\n");
  const better = await ingest("stays", "stays.csv", "ward,days\na,1\nb,2\n,3\n");
  expect(better.datasetId).not.toBe(done.datasetId);
  expect(better).toMatchObject({ counts: { accepted: 3, quarantined: 0 } });
});

test("where the severity is critical one such row refuses the batch", async () => {
  const refused = await ingest("strict", "strict.csv", "ward,days\na,1\nz,2\na,3\n");
  expect(refused).toMatchObject({
    state: "refused",
    failures: ["ward.references.wards: 1 rows have no counterpart in wards"],
    counts: { accepted: 3, quarantined: 0 },
  });
});

test("an event is judged at the door as in its batch, by what was published before its window (D27a)", async () => {
  const before = (await f.ledger()).length;
  const post = () =>
    receiveEvents(f.deps, f.call, "stays", {
      environment: "dev",
      body: '{"ward":"a","days":1}\n{"ward":"z","days":2}\n{"ward":null,"days":3}\n{"ward":"b","days":4}\n',
    });
  expect(await post()).toMatchObject({
    accepted: 3,
    quarantined: [{ index: 1, violations: ["ward.references.wards"] }],
  });
  // It comes within the window, or after it: too late for those events either way.
  await ingest("wards", "late.csv", "id,beds\na,1\nb,2\nz,3\n");
  const batch = await waitFor(
    async () =>
      (await f.ledger())
        .slice(before)
        .find(({ event, row }) => event === "data.ingestion.started" && row.includes('"events":true')),
    (found) => found !== undefined,
  );
  expect(await f.settled(batch?.subject ?? "")).toMatchObject({
    state: "published",
    counts: { accepted: 3, quarantined: 1 },
    rules: { "ward.references.wards": 1 },
  });
});
