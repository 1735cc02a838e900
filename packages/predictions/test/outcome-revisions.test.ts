import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Environment, type Id, newId } from "@portolan/kernel";
import { aCall } from "@portolan/testkit";
import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Outcome, PredictionId, PredictionRecord } from "../src/contract.ts";
import { acceptBlocks } from "../src/control/accept-blocks.ts";
import { erasePredictions } from "../src/control/erase-predictions.ts";
import { readColumn } from "../src/control/read-column.ts";
import { reportOutcomes } from "../src/control/report-outcomes.ts";
import { closedBlocks } from "../src/format/reader.ts";
import { listSegments } from "../src/format/segment.ts";
import { openPredictionWriter } from "../src/writer/writer.ts";
import { startTestControl, type TestControl } from "./control.ts";
import { aContext, aRecord, clock, organisationId } from "./records.ts";

let control: TestControl;
beforeAll(async () => {
  control = await startTestControl();
});
afterAll(() => control.close());

/** Records of a writer of their own, and the blocks that bring them. */
async function logged(records: readonly PredictionRecord[]) {
  const folder = mkdtempSync(join(tmpdir(), "predictions-"));
  const writerId: Id<"writer"> = newId("writer", clock.now());
  const writer = await openPredictionWriter({ folder, writerId, clock, reserveBytes: 4096 });
  const ids: PredictionId[] = [];
  for (const record of records) ids.push(await writer.append(record, { durability: "buffered" }));
  await writer.close();
  const blocks = listSegments(folder).flatMap(({ path }) =>
    [...closedBlocks(readFileSync(path))].map(({ bytes }) => bytes),
  );
  rmSync(folder, { recursive: true });
  const deliver = async () => {
    for (const block of blocks) await acceptBlocks(control.deps, control.gateway(), block);
  };
  return { ids, deliver };
}

const report = (outcomes: readonly Outcome[], call = control.person()) =>
  reportOutcomes(control.deps, call, outcomes);
const told = (predictionId: string, revision: number, outcome?: number | boolean): Outcome => ({
  predictionId,
  observedAt: "2026-11-24T08:00:00Z",
  revision,
  ...(outcome === undefined ? { retracted: true } : { outcome }),
});

/** The labels that count now, by the view that others read. */
async function counting(ids: readonly string[]): Promise<unknown[]> {
  const { rows } = await sql<{ prediction_id: string; outcome: unknown }>`
    select prediction_id, outcome from predictions.labelled_v1`.execute(control.sql);
  return ids.map((id) => rows.find((row) => row.prediction_id === id)?.outcome);
}

test("the highest revision counts, in whatever order they come; under one revision the first value stays", async () => {
  const { ids, deliver } = await logged([0, 1, 2].map((n) => aRecord(aContext(), n)));
  const [late = "", corrected = "", withdrawn = ""] = ids;
  // Two labels come before their prediction, the newer one first.
  expect(await report([told(late, 2, 5), told(late, 1, 4)])).toEqual({
    stored: 2,
    duplicates: 0,
    conflicts: [],
  });
  await deliver();
  await report([told(corrected, 1, 1), told(withdrawn, 1, 1)]);
  expect(await counting(ids)).toEqual([5, 1, 1]);
  await report([told(corrected, 2, 0), told(withdrawn, 3), told(withdrawn, 2, 0)]);
  expect(await counting(ids)).toEqual([5, 0, undefined]);
  expect(await report([told(corrected, 2, 0), told(corrected, 2, 1), told(withdrawn, 3)])).toEqual({
    stored: 0,
    duplicates: 2,
    conflicts: [corrected],
  });
  await report([told(withdrawn, 4, 7)]);
  expect(await counting(ids)).toEqual([5, 0, 7]);
});

test("every revision stays for figures as of any time, until its prediction is erased", async () => {
  const { ids, deliver } = await logged([aRecord(aContext(), 10)]);
  const [id = ""] = ids;
  await deliver();
  await report([told(id, 1, 1), told(id, 2)]);
  const revisions = async () =>
    (
      await sql<{ revision: number; retracted: boolean; use_case_id: string }>`
        select revision, retracted, use_case_id from predictions.labels_v1 where prediction_id = ${id} order by revision`.execute(
        control.sql,
      )
    ).rows;
  const { useCaseId } = aContext();
  expect(await revisions()).toEqual([
    { revision: 1, retracted: false, use_case_id: useCaseId },
    { revision: 2, retracted: true, use_case_id: useCaseId },
  ]);
  await erasePredictions(control.deps, control.person(), { predictionIds: [id] }, "as asked");
  expect(await revisions()).toEqual([]);
});

test("a label knows the snapshot that answered, unless its request has no part in the shares of a release", async () => {
  const context = aContext();
  const plain = await logged([aRecord(context, 11)]);
  const others = await logged([
    { ...aRecord(context, 12), namesVersion: true },
    ...plain.ids.map((replayOf) => ({ ...aRecord(context, 13), replayOf })),
  ]);
  for (const { deliver } of [plain, others]) await deliver();
  const ids = [...plain.ids, ...others.ids];
  await report(ids.map((id) => told(id, 1, 1)));
  const { rows } = await sql<{ snapshot_version: number | null }>`
    select snapshot_version from predictions.labels_v2 where prediction_id in (${sql.join(ids)}) order by received_at`.execute(
    control.sql,
  );
  expect(rows.map((row) => row.snapshot_version)).toEqual([context.snapshotVersion, null, null]);
});

test("a correction by who may not report in the prediction's environment is answered, and counts for nothing", async () => {
  const { ids, deliver } = await logged([aRecord(aContext(), 20)]);
  const [id = ""] = ids;
  const dev: readonly Environment[] = ["dev"];
  const stranger = aCall({ id: "usr_dev", organisationId, roles: ["person"], environments: dev });
  await report([told(id, 1, 1)]);
  expect(await report([told(id, 2, 0)], stranger)).toMatchObject({ stored: 1 });
  await deliver();
  expect(await counting([id])).toEqual([1]);
  expect(await report([told(id, 2, 0)], stranger)).toMatchObject({ duplicates: 1 });
  await report([told(id, 2, 3)]);
  expect(await counting([id])).toEqual([3]);
});

test("a label without a value that is no retraction is refused, and a retraction with one", async () => {
  const { ids } = await logged([aRecord(aContext(), 30)]);
  const [id = ""] = ids;
  const base = { predictionId: id, observedAt: "2026-11-24T08:00:00Z" };
  await expect(report([base, { ...base, outcome: 1, retracted: true }])).rejects.toMatchObject({
    violations: [{ at: { pointer: "/outcomes/0/outcome" } }, { at: { pointer: "/outcomes/1/outcome" } }],
  });
});

test("answered predictions are counted by hour, once however often their block comes; replays and failures are not", async () => {
  const context = aContext(organisationId, "counted");
  const first = aRecord(context, 0);
  const failed = { kind: "error", httpStatus: 500, reason: "serving.failed" } as const;
  const { ids, deliver } = await logged([
    first,
    aRecord(context, 1),
    { ...aRecord(context, 3_600_000), outputs: { mediaType: "text/plain", bytes: Buffer.from("x") } },
    { ...aRecord(context, 2), status: failed },
  ]);
  await deliver();
  await deliver();
  const copies = ids.slice(0, 1).map((replayOf) => ({ ...aRecord(context, 3), replayOf }));
  await (await logged(copies)).deliver();
  const { rows } = await sql<{ hour: number; predictions: number }>`
    select hour, predictions from predictions.answered_v1 where endpoint = 'counted' order by hour`.execute(
    control.sql,
  );
  const hour = first.receivedAt - (first.receivedAt % 3_600_000_000);
  expect(rows).toEqual([
    { hour, predictions: 2 },
    { hour: hour + 3_600_000_000, predictions: 1 },
  ]);
});

test("the value of a column is the feature that was read, else the request's own; what has none is absent", async () => {
  const record = aRecord(aContext(), 40);
  const body = { inputs: [{ name: "miles", shape: [1, 1], datatype: "FP32", data: [[12.5]] }] };
  const { ids, deliver } = await logged([
    { ...record, inputs: { mediaType: "application/json", bytes: Buffer.from(JSON.stringify(body)) } },
    aRecord(aContext(), 41),
    aRecord(aContext(), 42),
  ]);
  await deliver();
  await report(ids.slice(0, 2).map((id) => told(id, 1, 1)));
  const read = (column: string) => readColumn(control.deps, control.person(), ids, column);
  const [own = "", other = ""] = ids;
  expect(await read("miles")).toEqual(new Map([[own, 12.5]]));
  expect(await read("delay_mean_1h")).toEqual(
    new Map([
      [own, 4.25],
      [other, 4.25],
    ]),
  );
  expect((await read("nothing")).size).toBe(0);
});

test("a column within a wider tensor is read at its place, where all rows have one value; a list that differs has none", async () => {
  const bodyOf = (shape: readonly number[], data: readonly unknown[]) => {
    const inputs = [{ name: "features", shape, datatype: "FP32", data }];
    return {
      ...aRecord(aContext(), 50),
      inputs: { mediaType: "application/json", bytes: Buffer.from(JSON.stringify({ inputs })) },
    };
  };
  const { ids, deliver } = await logged([
    bodyOf([1, 3], [7, 8, 9]),
    bodyOf([2, 3], [1, 8, 5, 2, 8, 6]),
    bodyOf(
      [2, 3],
      [
        [1, 8, 5],
        [2, 0, 6],
      ],
    ),
    bodyOf([1, 1], [7]),
  ]);
  await deliver();
  await report(ids.map((id) => told(id, 1, 1)));
  const read = (column: number, tensor = "features") =>
    readColumn(control.deps, control.person(), ids, "age", { tensor, column });
  const [one = "", alike = ""] = ids;
  expect(await read(1)).toEqual(
    new Map([
      [one, 8],
      [alike, 8],
    ]),
  );
  expect(await read(2)).toEqual(new Map([[one, 9]]));
  expect((await read(3)).size).toBe(0);
  expect((await read(0, "other")).size).toBe(0);
});
