import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { listPublishedDatasets } from "../src/datasets/read-datasets.ts";
import { contractHealth, healthFigures, noticeJob, startReplay } from "../src/index.ts";
import { readIngestion } from "../src/ingestion/read-ingestion.ts";
import { readNotices } from "../src/notices/notices.ts";
import { type DataFixture, dataFixture, flightsCsv, waitFor } from "./data-fixture.ts";

/** Rows that were kept out come in once the contract is mended, and its owners hear of both. */
let f: DataFixture;
const received: { id: string; body: unknown }[] = [];
let refusals = 1;
const receiver = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const id = String(request.headers["webhook-id"]);
    received.push({ id, body: JSON.parse(Buffer.concat(chunks).toString("utf8")) });
    refusals -= 1;
    response.writeHead(refusals >= 0 ? 503 : 204).end();
  });
});

beforeAll(async () => {
  await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
  f = await dataFixture([], ({ uow }) => [
    noticeJob({
      uow,
      sender: {
        send: async ({ id, url, body }) => {
          const { status } = await fetch(url, { method: "POST", body, headers: { "webhook-id": id } });
          if (status > 299) throw new Error(`answered ${status}`);
        },
      },
    }),
  ]);
  await f.publishFlights(contract("1.0.0", 0.2));
});
afterAll(async () => {
  await f.close();
  receiver.close();
});

const contract =
  (version: string, share: number, pattern = "^[A-Z]{3}$") =>
  (text: string) =>
    text
      .replace("version: 1.0.0", `version: ${version}`)
      .replace("value: 0.01", `value: ${share}`)
      .replaceAll('"^[A-Z]{3}$"', JSON.stringify(pattern))
      .replace(
        "mailto:data-platform@example.com",
        `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/notices`,
      );
const planted = "2001-01-03 10:01:00,5,500,BOS,lax\n2001-01-03 10:02:00,none,600,LAX,BOS\n";
const replayed = async (id: string, version?: string) =>
  f.settled((await startReplay(f.deps, f.call, id, version === undefined ? {} : { version })).id);
const rowsOf = async (datasetId: string | undefined) => {
  const [dataset] = await listPublishedDatasets(f.deps, f.call, { id: datasetId ?? "" });
  return (await f.rowsOf(dataset?.object)).map(({ _row, ...row }) => row);
};

test("a replay under a mended contract takes in what it allows now, beside all that was accepted, and nothing twice (D19)", async () => {
  const first = await f.ingest("first.csv", `${flightsCsv(20)}${planted}`);
  expect(first).toMatchObject({ state: "published", counts: { accepted: 20, quarantined: 2 } });
  await f.publishFlights(contract("1.1.0", 0.1, "^[A-Za-z]{3}$"));
  const second = await replayed(first.id);
  expect(second).toMatchObject({
    state: "published",
    replayOf: first.id,
    counts: { accepted: 21, quarantined: 1, deadLetters: 0 },
    rules: { "delay.type": 1 },
  });
  // What was accepted is the same to the bit, though it went through the contract again.
  const [before, after] = [await rowsOf(first.datasetId), await rowsOf(second.datasetId)];
  expect(after.filter((row) => row["destination"] !== "lax")).toEqual(before);
  expect((await readIngestion(f.deps, f.call, first.id)).state).toBe("published");
  const again = await replayed(first.id);
  expect(again.datasetId).toBe(second.datasetId);
  // A replay of the replay finds what is still kept out, and the source's own words.
  const third = await replayed(second.id, "1.0.0");
  expect(third).toMatchObject({ state: "published", counts: { accepted: 20, quarantined: 2 } });
});

test("a batch that was refused whole is published by a replay under a contract that asks for less", async () => {
  const lines = flightsCsv(4, 19);
  const refused = await f.ingest("refused.csv", `${lines}${planted}`, { version: "1.1.0" });
  expect(refused).toMatchObject({ state: "refused", counts: { accepted: 4 + 1, quarantined: 1 } });
  await f.publishFlights(contract("1.2.0", 0.5, "^[A-Za-z]{3}$"));
  expect(await replayed(refused.id)).toMatchObject({
    state: "published",
    counts: { accepted: 5, quarantined: 1 },
  });
});

test("lines that were no rows count against a replay too, and under one contract the same batch is refused again (D19)", async () => {
  await f.publishFlights(contract("1.3.0", 0.3, "^[A-Za-z]{3}$"));
  const torn = "torn\n".repeat(9);
  const rows = `${flightsCsv(6, 31)}${planted}`;
  // The same rows without the torn lines: what comes of its replay is no answer to the other's.
  const whole = await f.ingest("whole.csv", rows, { version: "1.3.0" });
  expect(await replayed(whole.id, "1.3.0")).toMatchObject({ state: "published" });
  const first = await f.ingest("torn.csv", `${rows}${torn}`, { version: "1.3.0" });
  const counts = { accepted: 7, quarantined: 1, deadLetters: 9 };
  expect(first).toMatchObject({ state: "refused", counts });
  const second = await replayed(first.id, "1.3.0");
  expect(second).toMatchObject({ state: "refused", counts, deadLetters: first.deadLetters });
  expect(second.failures).toEqual(first.failures);
  // And so is a replay of the replay; a contract that allows as many takes it, and says how many are lost.
  await f.publishFlights(contract("1.4.0", 0.9, "^[A-Za-z]{3}$"));
  expect(await replayed(second.id, "1.3.0")).toMatchObject({ state: "refused", counts });
  expect(await replayed(second.id)).toMatchObject({ state: "published", counts });
});

test("what kept nothing out has nothing to replay", async () => {
  const clean = await f.ingest("clean.csv", flightsCsv(6, 23));
  await expect(startReplay(f.deps, f.call, clean.id, {})).rejects.toMatchObject({
    code: "data.nothing_to_replay",
  });
});

test("owners hear of each occasion once they can be reached, under one id, without a row of data (D20)", async () => {
  const notices = await waitFor(
    () => readNotices(f.deps, f.call, { contract: "flights" }),
    (found) => found.length > 0 && found.every(({ state }) => state !== "waiting"),
  );
  expect(notices.map(({ kind, state }) => `${kind} ${state}`)).toContain("refused sent");
  expect(notices.map(({ kind, state }) => `${kind} ${state}`)).toContain("quarantined sent");
  expect(notices[0]?.people).toEqual(["data-platform"]);
  // The first delivery was refused and came again.
  expect(received.length).toBe(notices.length + 1);
  expect(new Set(received.map(({ id }) => id)).size).toBe(notices.length);
  const refused = received.map(({ body }) => body).find((body) => JSON.stringify(body).includes("refused"));
  expect(refused).toMatchObject({
    specversion: "1.0",
    type: "portolan.data.ingestion.refused",
    data: {
      contract: "flights",
      version: "1.1.0",
      reasons: ["1 of 6 rows are bad; the contract allows 10 %"],
    },
  });
  expect(JSON.stringify(received)).not.toContain("none");
});

test("what operates the data is known: age, rows, drift, and what judging again cost (D21)", async () => {
  const [health] = await f.db.uow.read(f.call, (sql) => contractHealth(sql, 10, { contract: "flights" }));
  if (!health) throw new Error("there is no health");
  expect(health).toMatchObject({
    environment: "dev",
    ingestions: { published: 9, refused: 4, failed: 0 },
    newestEvent: Date.UTC(2001, 0, 3, 15, 1) * 1000,
  });
  expect(health.reprocessingMs).toBeGreaterThan(0);
  expect(health.reprocessedRows).toBeGreaterThan(44);
  expect(healthFigures(health, (health.newestEvent ?? 0) + 60_000_000)).toMatchObject({
    freshnessLagSeconds: 60,
    rows: { accepted: 6, quarantined: 0, deadLetters: 0 },
    nullRise: 0,
  });
});
