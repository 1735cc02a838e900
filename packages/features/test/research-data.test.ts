import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { deidentify, publishContract, startIngestion } from "@portolan/data";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type FeaturesFixture, featuresFixture } from "./features-fixture.ts";

let f: FeaturesFixture;
let research = "";

const contract = `apiVersion: v3.1.0
kind: DataContract
id: stays
name: stays
version: 1.0.0
status: active
description: { purpose: test }
team: { members: [{ username: o, role: owner }] }
schema:
  - name: stays
    logicalType: object
    customProperties: [{ property: portolan.eventTime, value: at }]
    properties:
      - { name: at, logicalType: timestamp, required: true }
      - { name: ward, logicalType: string }
      - { name: days, logicalType: integer }
`;

beforeAll(async () => {
  f = await featuresFixture();
  await publishContract(f.deps, f.call, "stays", { document: contract, references: {} });
  const source = join(f.folder, "patients.csv");
  await writeFile(
    source,
    "patient,at,ward,days\nAda,2026-01-01T00:00:00Z,north,3\nBo,2026-01-02T00:00:00Z,south,9\n",
  );
  research = join(f.inbox, "research.parquet");
  await deidentify(
    f.deps.engine,
    {
      file: source,
      format: "csv",
      classifications: {},
      rules: { patient: "drop", at: "keep", ward: "keep", days: "keep" },
      key: new Uint8Array(16),
      purpose: "readmission",
      leastGroup: 1,
      thisYear: 2026,
      workFolder: await mkdtemp(join(f.folder, "work-")),
    },
    research,
  );
});
afterAll(async () => {
  await rm(research, { force: true });
  await f.close();
});

async function ingested(environment: "dev" | "production") {
  const { id } = await startIngestion(f.deps, f.call, {
    contract: "stays",
    environment,
    sources: [{ path: research }],
  });
  return f.settled(id);
}

test("what deidentify made is a dataset of class research, and so is a training set of it", async () => {
  const done = await ingested("dev");
  expect(done.state).toBe("published");
  const [row] = await f.db.database.session((session) =>
    session.query<{ data_class: string | null }>("select data_class from data.datasets where id = $1", [
      done.datasetId,
    ]),
  );
  expect(row?.data_class).toBe("research");
  const set = await f.trainingSet({
    name: "stays",
    environment: "dev",
    contract: "stays",
    from: 0,
    to: 2 ** 52,
    sampleEvery: 1,
    views: [],
    request: [{ name: "length", expression: "days" }],
    label: { name: "long", expression: "days > 5" },
  });
  expect(set.manifest?.dataClass).toBe("research");
});

test("it is refused in production with the reason, and nothing of it is published there", async () => {
  const done = await ingested("production");
  expect(done).toMatchObject({
    state: "refused",
    failures: [expect.stringContaining("de-identified research data, which never reaches production")],
  });
  expect(done.datasetId).toBeUndefined();
});

test("other data has no class", async () => {
  const done = await f.ingest("plain.csv", "at,ward,days\n2026-01-01T00:00:00Z,north,3\n", {
    contract: "stays",
  });
  const [row] = await f.db.database.session((session) =>
    session.query<{ data_class: string | null }>("select data_class from data.datasets where id = $1", [
      done.datasetId,
    ]),
  );
  expect(row?.data_class).toBeNull();
});
