import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDuckDbEngine } from "@portolan/duckdb";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { archivePredictions, isRipe, removeLeftovers } from "../src/archive/archive-predictions.ts";
import { listArchives } from "../src/archive/archive-store.ts";
import type { PredictionId } from "../src/contract.ts";
import { acceptBlocks } from "../src/control/accept-blocks.ts";
import { erasePredictions } from "../src/control/erase-predictions.ts";
import { getPrediction, listPredictions, provePrediction } from "../src/control/read-predictions.ts";
import { reportOutcomes } from "../src/control/report-outcomes.ts";
import { closedBlocks } from "../src/format/reader.ts";
import { listSegments } from "../src/format/segment.ts";
import { verifyPredictionProof } from "../src/policy.ts";
import { openPredictionWriter } from "../src/writer/writer.ts";
import { startTestControl, type TestControl } from "./control.ts";
import { aContext, aRecord, clock, organisationId, otherOrganisationId, writerId } from "./records.ts";

let control: TestControl;
let folder: string;
const ids: PredictionId[] = [];
const now = { fromRows: 1, fromAgeMs: 0, maxRows: 25, maxBytes: 1024 * 1024 };

/** Four blocks of one writer, 20 records each, half of another organisation. */
beforeAll(async () => {
  control = await startTestControl();
  folder = mkdtempSync(join(tmpdir(), "predictions-"));
  const contexts = [aContext(), aContext(otherOrganisationId, "churn")] as const;
  for (let start = 0; start < 4; start++) {
    const writer = await openPredictionWriter({ folder, writerId, clock, reserveBytes: 4096 });
    for (let n = 0; n < 20; n++) {
      const record = aRecord(contexts[n % 2 === 0 ? 0 : 1], start * 20 + n);
      ids.push(await writer.append(record, { durability: "buffered" }));
    }
    await writer.close();
  }
  for (const { path } of listSegments(folder))
    for (const { bytes } of closedBlocks(readFileSync(path)))
      await acceptBlocks(control.deps, control.gateway(), bytes);
}, 180_000);
afterAll(async () => {
  await control.close();
  rmSync(folder, { recursive: true, force: true });
});

const at = (index: number): PredictionId => ids[index] ?? ("" as PredictionId);
const mine = (): Promise<string[]> => control.deps.files.list(organisationId);
const everything = async () => {
  const found = await listPredictions(control.deps, control.person(), { limit: 1000 });
  return found.predictions.map(({ header }) => header.requestId).toSorted();
};

describe("archives (P19, P20)", () => {
  let before: Awaited<ReturnType<typeof everything>>;

  test("parts wait until there are enough of them, or one is old enough", () => {
    const policy = { ...now, fromRows: 100, fromAgeMs: 60_000 };
    const part = { record_count: 40, anchor_second: 1000 };
    expect(isRipe([], policy, 2_000e6)).toBe(false);
    expect(isRipe([part, part], policy, 1_059e6)).toBe(false);
    expect(isRipe([part, part], policy, 1_060e6)).toBe(true);
    expect(isRipe([part, part, part], policy, 1_001e6)).toBe(true);
  });

  test("parts become rows of a few Parquet files, and every reading stays as it was", async () => {
    before = await everything();
    const prediction = await getPrediction(control.deps, control.person(), at(4));
    const proof = await provePrediction(control.deps, control.person(), at(4));
    expect(await archivePredictions(control.deps, { policy: now })).toEqual({ archives: 4, records: 80 });
    expect((await mine()).every((file) => file.endsWith(".parquet"))).toBe(true);
    expect(await mine()).toHaveLength(2); // two blocks of 10 each: a third would be beyond 25 rows
    expect(await everything()).toEqual(before);
    expect(await getPrediction(control.deps, control.person(), at(4))).toEqual(prediction);
    const again = await provePrediction(control.deps, control.person(), at(4));
    expect(again).toEqual(proof);
    expect(verifyPredictionProof(again)).toMatchObject({ kind: "proved" });
    await expect(getPrediction(control.deps, control.person(), at(5))).rejects.toThrow("kernel.not_found");
  });

  test("another round finds nothing to do, and nothing is left over", async () => {
    expect(await archivePredictions(control.deps, { policy: now })).toEqual({ archives: 0, records: 0 });
    expect(await removeLeftovers(control.deps, organisationId)).toBe(0);
  });

  test("DuckDB reads the file: the columns say what the records say", async () => {
    const [archive] = await listArchives(control.sql, organisationId);
    if (!archive) throw new Error("no archive");
    const path = join(control.accepted, archive.file);
    const { rows } = await createDuckDbEngine().run({
      statements: [
        {
          sql: `select count(*)::int as n, min(endpoint) as endpoint, sum(total_micros)::int as micros, count(block_end)::int as blocks,
            max(json_extract_string(decode(header), '$.requestId')) as last from read_parquet('${path}')`,
          returns: "all",
        },
      ],
      readable: [path],
      workFolder: join(folder, "work"),
    });
    expect(rows["all"]).toEqual([{ n: 20, endpoint: "delays", micros: 20 * 61, blocks: 2, last: "req-8" }]);
  });

  test("a label is joined to an archived prediction", async () => {
    const outcome = { predictionId: at(6), outcome: true, observedAt: "2026-11-20T10:00:00Z" };
    await reportOutcomes(control.deps, control.person(), [outcome]);
    const { rows } = await sql<{ outputs: string }>`
      select outputs from predictions.labelled_v1 where prediction_id = ${at(6)}`.execute(control.sql);
    expect(rows).toEqual([{ outputs: '{"outputs":[0.6]}' }]);
  });

  test("erasing by id and by subject reaches archives; proofs still hold, and the label goes along", async () => {
    const byId = await erasePredictions(control.deps, control.person(), { predictionIds: [at(6)] }, "asked");
    expect(byId.erased).toBe(1);
    const bySubject = await erasePredictions(
      control.deps,
      control.person(),
      { subject: "flight-8" },
      "asked",
    );
    expect(bySubject.erased).toBe(1);
    // Of requests that name an input so, those that have the value; these here name none.
    const byInput = { subject: "flight-4-not", columns: ["inputs"] };
    expect((await erasePredictions(control.deps, control.person(), byInput, "asked")).erased).toBe(0);
    // More columns than a request may name: data contracts may mark as many.
    const marked = Array.from({ length: 1001 }, (_, at) => `column_${at}`);
    const byMember = { subject: "12", columns: [...marked, "inputs"] };
    expect((await erasePredictions(control.deps, control.person(), byMember, "asked")).erased).toBe(1);
    for (const id of [at(6), at(8), at(12)]) {
      expect(await getPrediction(control.deps, control.person(), id)).toMatchObject({ withheld: "erased" });
      const proof = await provePrediction(control.deps, control.person(), id);
      expect(proof.saltAndPayload).toBeUndefined();
      expect(verifyPredictionProof(proof)).toMatchObject({ kind: "proved" });
    }
    expect(await getPrediction(control.deps, control.person(), at(4))).toMatchObject({
      payload: { subject: "flight-4" },
    });
    for (const file of await mine())
      expect(readFileSync(join(control.accepted, file)).includes("flight-8")).toBe(false);
    const { rows } = await sql`
      select outputs from predictions.labelled_v1 where prediction_id = ${at(6)}`.execute(control.sql);
    expect(rows).toEqual([]);
    expect(await everything()).toEqual(before);
  });
});
