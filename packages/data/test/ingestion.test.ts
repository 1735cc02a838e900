import { mkdir, readFile, rename, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { aCall } from "@portolan/testkit";
import { sql as raw } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { listPublishedDatasets } from "../src/datasets/read-datasets.ts";
import { publishContract, readQuarantine, startIngestion } from "../src/index.ts";
import { readIngestion } from "../src/ingestion/read-ingestion.ts";
import { allowReading, type DataFixture, dataFixture, flightsCsv, waitFor } from "./data-fixture.ts";

let f: DataFixture;

beforeAll(async () => {
  f = await dataFixture();
  await f.publishFlights((text) => text.replace("value: 0.01", "value: 0.2"));
});
afterAll(() => f.close());

const datasets = () => listPublishedDatasets(f.deps, f.call, {});
const bad = [
  "2001-01-03 10:00:00,not-a-number,500,BOS,LAX",
  "2001-01-03 10:01:00,5,500,bos,LAX",
  "2001-01-03 10:02:00,9999,500,BOS,LAX",
  "2001-01-03 10:03:00,5,,BOS,LAX",
  "2001-01-03 10:04:00,5,500,ZZZ,LAX",
  "2001-13-45 10:04:00,5,0,BOS,LAX",
];

test("every row ends in exactly one place, and quarantine names the rules that a row broke (D5, D6, D7)", async () => {
  const text = `${flightsCsv(120)}${bad.join("\n")}\n2001-01-03 10:05:00,5,500\n`;
  const done = await f.ingest("planted.csv", text);
  expect(done).toMatchObject({
    state: "published",
    counts: { accepted: 120, quarantined: 6, deadLetters: 1 },
    rules: {
      "delay.type": 1,
      "origin.pattern": 1,
      "delay.maximum": 1,
      "distance.required": 1,
      "departed_at.time_zone": 3,
      "departure_local.type": 1,
      "distance.minimum": 1,
    },
  });
  await expect(
    readQuarantine(f.deps, f.call, done.id, { limit: 4, purpose: "mending" }),
  ).rejects.toMatchObject({
    code: "data.access_denied",
  });
  await allowReading(f, "mending");
  const first = await readQuarantine(f.deps, f.call, done.id, { limit: 4, purpose: "mending" });
  const rest = await readQuarantine(f.deps, f.call, done.id, {
    limit: 4,
    purpose: "mending",
    ...(first.next ? { after: first.next } : {}),
  });
  const rows = [...first.rows, ...rest.rows];
  expect(rows.map((row) => row.violations)).toEqual([
    ["delay.type"],
    ["departed_at.time_zone", "origin.pattern"],
    ["delay.maximum"],
    ["distance.required"],
    ["departed_at.time_zone"],
    ["departure_local.type", "departed_at.time_zone", "distance.minimum"],
  ]);
  expect(rows[0]?.raw).toMatchObject({ delay: "not-a-number", origin: "BOS" });
  expect(rest.next).toBeUndefined();
  expect(await f.rowsOf(done.deadLetters)).toMatchObject([{ file: "planted.csv", line: "128" }]);
});

test("the accepted rows carry UTC by the airport's zone, in the order of event time (D5, D12)", async () => {
  const done = await f.ingest(
    "zones.csv",
    "date,delay,distance,origin,destination\n2001-01-01 09:00:00,1,10,LAX,BOS\n2001-01-01 11:00:00,2,10,BOS,LAX\n",
  );
  const [dataset] = await listPublishedDatasets(f.deps, f.call, { id: done.datasetId ?? "" });
  const rows = await f.rowsOf(dataset?.object);
  // 11:00 in Boston is 16:00 UTC, an hour before 09:00 in Los Angeles.
  expect(rows.map((row) => [row["origin"], Number(row["departed_at"])])).toEqual([
    ["BOS", Date.UTC(2001, 0, 1, 16) * 1000],
    ["LAX", Date.UTC(2001, 0, 1, 17) * 1000],
  ]);
  expect(dataset).toMatchObject({ rowCount: 2, minEventTime: Date.UTC(2001, 0, 1, 16) * 1000 });
});

test("the same bytes under the same contract are published once, also by two ingestions at once (D13)", async () => {
  const before = (await datasets()).length;
  await writeFile(join(f.inbox, "same.csv"), flightsCsv(60));
  const start = () =>
    startIngestion(f.deps, f.call, {
      contract: "flights",
      environment: "dev",
      sources: [{ path: join(f.inbox, "same.csv") }],
    });
  const [a, b] = await Promise.all([start(), start()]);
  const [first, second] = [await f.settled(a.id), await f.settled(b.id)];
  expect(first.datasetId).toBe(second.datasetId);
  expect((await datasets()).length).toBe(before + 1);
  expect((await f.ledger()).filter((row) => row.subject === first.datasetId)).toHaveLength(1);
});

test("contents that come back after others are the newest again, and once however often they come (D13)", async () => {
  const ingest = (count: number) => f.ingest("back.csv", flightsCsv(count));
  const [first, other, again, twice] = [
    await ingest(51),
    await ingest(52),
    await ingest(51),
    await ingest(51),
  ];
  expect(again.datasetId).not.toBe(first.datasetId);
  expect(again.counts).toEqual(first.counts);
  expect(twice.datasetId).toBe(again.datasetId);
  const [newest, , before] = await datasets();
  expect(newest).toMatchObject({ id: again.datasetId, object: before?.object });
  expect(before?.id).toBe(first.datasetId);
  expect(other.datasetId).not.toBe(again.datasetId);
});

test("another use case does not get the dataset of the first, but the same content address (D12, D13)", async () => {
  const one = await f.ingest("use.csv", flightsCsv(33), { useCaseId: "uc_one" });
  const two = await f.ingest("use.csv", flightsCsv(33), { useCaseId: "uc_two" });
  expect(one.datasetId).not.toBe(two.datasetId);
  const found = (await datasets()).filter((set) => [one.datasetId, two.datasetId].includes(set.id));
  expect(new Set(found.map((set) => set.object)).size).toBe(1);
});

test("the same rows from CSV and from JSON lines become the same bytes (D8, D12)", async () => {
  const csv = flightsCsv(50, 11);
  const [head = "", ...lines] = csv.trim().split("\n");
  const names = head.split(",");
  const jsonl = lines
    .map((line) => JSON.stringify(Object.fromEntries(line.split(",").map((cell, i) => [names[i], cell]))))
    .join("\n");
  const one = await f.ingest("form.csv", csv);
  const two = await f.ingest("form.jsonl", `${jsonl}\nnot json\n[1]\n`);
  expect(two.counts).toEqual({ accepted: 50, quarantined: 0, deadLetters: 2 });
  const objects = (await datasets()).filter((set) => [one.datasetId, two.datasetId].includes(set.id));
  expect(objects.map((set) => set.object)).toEqual([objects[0]?.object, objects[0]?.object]);
});

test("the planted rows of the example land where the demo says: seven in quarantine, three as dead letters", async () => {
  const planted = new URL("../../../examples/flight-delays/planted-rows.csv", import.meta.url);
  await writeFile(join(f.inbox, "planted-rows.csv"), await readFile(planted, "utf8"));
  const done = await f.ingest("beside.csv", flightsCsv(90, 5), {
    sources: [{ path: join(f.inbox, "beside.csv") }, { path: join(f.inbox, "planted-rows.csv") }],
  });
  expect(done).toMatchObject({
    state: "published",
    counts: { accepted: 90, quarantined: 7, deadLetters: 3 },
  });
  expect(Object.keys(done.rules ?? {}).toSorted()).toEqual([
    "delay.maximum",
    "delay.type",
    "departed_at.time_zone",
    "departure_local.type",
    "destination.pattern",
    "distance.minimum",
    "distance.required",
  ]);
});

test("a batch that fails its gate publishes nothing, and says why on the ledger (D10)", async () => {
  const before = (await datasets()).length;
  const done = await f.ingest("broken.csv", `${flightsCsv(10)}${bad.join("\n")}\n`);
  expect(done).toMatchObject({ state: "refused", counts: { accepted: 10, quarantined: 6 } });
  expect(done.failures?.[0]).toContain("6 of 16 rows are bad");
  expect(done.datasetId).toBeUndefined();
  expect((await datasets()).length).toBe(before);
  expect(await f.ledger()).toContainEqual(
    expect.objectContaining({ event: "data.ingestion.refused", subject: done.id }),
  );
});

test("a file without a column that every row needs is refused at once, and what is there is said (D8a)", async () => {
  const done = await f.ingest("columns.csv", "date,delay\n2001-01-01 09:00:00,1\n");
  expect(done).toMatchObject({
    state: "refused",
    failures: ["columns.csv lacks distance, origin, destination; it has date, delay"],
    drift: { missing: ["distance", "origin", "destination"] },
  });
  expect(done.datasetId).toBeUndefined();
  expect(await f.ledger()).toContainEqual(
    expect.objectContaining({ event: "data.ingestion.refused", subject: done.id }),
  );
});

test("a source that is not what its name says fails for good only after its retries (D15)", async () => {
  const started = await f.ingest("broken.parquet", "no Parquet at all");
  expect(started.state).toBe("failed");
  const jobs = await raw<{ failures: number; state: string }>`select failures, state from database.job_runs
    where payload ->> 'ingestionId' = ${started.id}`.execute(f.db.sql);
  expect(jobs.rows).toEqual([{ failures: 2, state: "failed" }]);
  expect((await f.ledger()).filter((row) => row.subject === started.id).map((row) => row.event)).toEqual([
    "data.ingestion.started",
    "data.ingestion.failed",
  ]);
});

test("CSV is read by the delimiter under which its header has the contract's columns; what is new is drift (D8, D8a)", async () => {
  const text = flightsCsv(40, 3).replaceAll(",", ";").replace("destination", "destination;note");
  const rows = text.replaceAll(/(?<=;[A-Z]{3})$/gm, ";a, b");
  const done = await f.ingest("semicolons.csv", rows);
  expect(done).toMatchObject({
    state: "published",
    counts: { accepted: 40, quarantined: 0, deadLetters: 0 },
  });
  expect(done.drift).toEqual({ added: ["note"], missing: [], changed: [] });
});

test("a row of ten megabytes is judged like any other, and the rows around it are kept", async () => {
  const [head = "", ...lines] = flightsCsv(12, 17).trim().split("\n");
  const long = "x".repeat(10 * 2 ** 20);
  const csv = [head, ...lines.slice(0, 6), `2001-01-01 09:00:00,1,2,BOS,${long}`, ...lines.slice(6)].join(
    "\n",
  );
  expect(await f.ingest("long.csv", csv)).toMatchObject({
    state: "published",
    counts: { accepted: 12, quarantined: 1, deadLetters: 0 },
    rules: { "destination.pattern": 1 },
  });
});

test("a path outside the source folders is refused, also through links, and so is a file that is no file (D14)", async () => {
  const secret = join(f.folder, "secret.csv");
  await writeFile(secret, flightsCsv(3));
  await symlink(secret, join(f.inbox, "link.csv"));
  await symlink(f.folder, join(f.inbox, "up"));
  await mkdir(join(f.inbox, "folder.csv"));
  await writeFile(join(f.inbox, "a[1].csv"), flightsCsv(3));
  for (const path of [
    secret,
    join(f.inbox, "link.csv"),
    join(f.inbox, "up", "secret.csv"),
    join(f.inbox, "..", "secret.csv"),
    join(f.inbox, "missing.csv"),
    join(f.inbox, "folder.csv"),
    join(f.inbox, "a[1].csv"),
    "relative.csv",
  ]) {
    await expect(
      startIngestion(f.deps, f.call, { contract: "flights", environment: "dev", sources: [{ path }] }),
      path,
    ).rejects.toMatchObject({ code: "data.source_unreadable" });
  }
});

test("a CSV row over 32 MiB says what is wrong, and quotes nothing of it (D8)", async () => {
  const [head = "", ...lines] = flightsCsv(12, 23).trim().split("\n");
  const long = `2001-01-01 09:00:00,1,2,BOS,"${"x".repeat(33 * 2 ** 20)}\nand more"`;
  const done = await f.ingest("longest.csv", [head, ...lines, long, ...lines].join("\n"));
  expect(done.state).toBe("failed");
  expect(done.failures?.join(" ")).toContain("a row of a CSV file is over 32 MiB");
  expect(done.failures?.join(" ")).not.toContain("xx");
});

test("a line over 32 MiB is a dead letter, and the rows around it are judged (D8)", async () => {
  const line = (minute: number, more: object = {}) =>
    JSON.stringify({
      date: `2001-02-03 10:${minute}:00`,
      delay: 1,
      distance: 9,
      origin: "BOS",
      destination: "LAX",
      ...more,
    });
  const long = line(11, { note: "x".repeat(33 * 2 ** 20) });
  const done = await f.ingest(
    "long.jsonl",
    [line(10), long, line(12), line(13), line(14), line(15)].join("\n"),
  );
  expect(done).toMatchObject({ state: "published", counts: { accepted: 5, quarantined: 0, deadLetters: 1 } });
  expect(await f.rowsOf(done.deadLetters)).toMatchObject([
    { file: "long.jsonl", line: "2", error: "over 32 MiB, or not UTF-8" },
  ]);
});

test("a link that appears after the ingestion was accepted is refused by the job (D14)", async () => {
  const path = join(f.inbox, "swap.csv");
  await writeFile(path, flightsCsv(4));
  await symlink(join(f.folder, "secret.csv"), join(f.inbox, "swap-link"));
  const started = await startIngestion(
    {
      ...f.deps,
      uow: {
        ...f.deps.uow,
        write: async (call, work) => {
          await rename(join(f.inbox, "swap-link"), path);
          return f.deps.uow.write(call, work);
        },
      },
    },
    f.call,
    { contract: "flights", environment: "dev", sources: [{ path }] },
  );
  const done = await f.settled(started.id);
  expect(done).toMatchObject({ state: "failed" });
  expect(done.failures?.[0]).toContain("none of the source folders");
});

test("a rule in SQL judges the accepted rows and can read nothing else (D11)", async () => {
  const document = (name: string, query: string, limit = "mustBe: 6") => `apiVersion: v3.1.0
kind: DataContract
id: ${name}
version: 1.0.0
status: active
schema:
  - name: t
    properties:
      - { name: n, logicalType: integer, required: true }
    quality:
      - { type: sql, name: check, query: "${query}", ${limit} }
`;
  const judge = async (name: string, query: string, limit?: string) => {
    await publishContract(f.deps, f.call, name, { document: document(name, query, limit) });
    return f.ingest(`${name}.csv`, "n,x\n1,a\n2,b\n3,c\n", { contract: name });
  };
  expect(await judge("sum-rule", "select sum(n) from {table} -- comment")).toMatchObject({
    state: "published",
  });
  expect(await judge("high-rule", "select sum(n) + 1 from {table}")).toMatchObject({
    state: "refused",
    failures: ["check is 7; mustBe 6"],
  });
  // Two rows of three: more than half, though 2 is less than 50.
  const share = await judge(
    "share-rule",
    "select count(*) from {table} where n > 1",
    "unit: percent, mustBeLessThan: 50",
  );
  expect(share).toMatchObject({
    state: "refused",
    failures: [expect.stringMatching(/^check is 66\.6+\d*; mustBeLessThan 50$/) as string],
  });
  const refused = {
    "reads-source": `select count(*) from {table}, read_csv('${f.inbox}/reads-source.csv')`,
    "reads-host": "select length(content) from read_text('/etc/hostname'), {table}",
    "reads-staged": "select count(*) from {table}, staged",
  };
  // At once: each is tried again with a growing delay.
  const done = await Promise.all(Object.entries(refused).map(([name, query]) => judge(name, query)));
  for (const one of done) expect(one, one.contract).toMatchObject({ state: "failed" });
  expect(done[0]?.failures?.[0]).toContain("Permission Error");
  const two = document("writes", "select 6 from {table}) as q); copy (select 1) to 'x'");
  await expect(publishContract(f.deps, f.call, "writes", { document: two })).rejects.toMatchObject({
    code: "data.contract_invalid",
  });
});

test("a published contract version never changes, and what one may not ask is refused (D3)", async () => {
  await expect(
    f.publishFlights((text) => text.replace("minimum: -180", "minimum: -181")),
  ).rejects.toMatchObject({
    code: "data.contract_conflict",
  });
  await f.publishFlights(
    (text) => `${text.replace("value: 0.01", "value: 0.2")}# a comment changes nothing\n`,
  );
  await expect(
    startIngestion(f.deps, aCall(), { contract: "flights", environment: "dev", sources: [] }),
  ).rejects.toMatchObject({ code: "identity.forbidden" });
});

test("an ingestion whose job is cancelled reads cancelled, with its ledger row, and publishes nothing", async () => {
  const path = join(f.inbox, "cancelled.csv");
  await writeFile(path, flightsCsv(30, 13));
  const { id } = await f.startAndCancel(() =>
    startIngestion(f.deps, f.call, { contract: "flights", environment: "dev", sources: [{ path }] }),
  );
  const ended = await waitFor(
    () => readIngestion(f.deps, f.call, id),
    (found) => found.state !== "waiting" && found.state !== "running",
  );
  expect(ended).toMatchObject({ state: "cancelled", finishedAt: expect.any(Number) as number });
  expect(ended.datasetId).toBeUndefined();
  const events = (await f.ledger()).flatMap(({ event, subject }) => (subject === id ? [event] : []));
  expect(events).toEqual(["data.ingestion.started", "data.ingestion.cancelled"]);
});
