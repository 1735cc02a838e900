import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { archivePredictions } from "../src/archive/archive-predictions.ts";
import type { PredictionId, StoredPrediction } from "../src/contract.ts";
import { acceptBlocks } from "../src/control/accept-blocks.ts";
import { erasePredictions, performErasure } from "../src/control/erase-predictions.ts";
import { placeHold, readHolds, releaseHold } from "../src/control/holds.ts";
import { getPrediction, provePrediction } from "../src/control/read-predictions.ts";
import { applyRetention } from "../src/control/retention.ts";
import { closedBlocks } from "../src/format/reader.ts";
import { listSegments } from "../src/format/segment.ts";
import { verifyPredictionProof } from "../src/policy.ts";
import { openPredictionWriter } from "../src/writer/writer.ts";
import { startTestControl, type TestControl } from "./control.ts";
import { aContext, aRecord, clock, organisationId, writerId } from "./records.ts";

let control: TestControl;
let folder: string;
const ids: PredictionId[] = [];
const otherUseCase = "uc_0mwr2jm00zzzzzzzzzzzzzzzzz";
const now = { fromRows: 1, fromAgeMs: 0, maxRows: 1000, maxBytes: 1024 * 1024 };

/** Twenty records of January 2026 or so (`aRecord`'s instants), half of another use case, in one archive. */
beforeAll(async () => {
  control = await startTestControl();
  folder = mkdtempSync(join(tmpdir(), "predictions-"));
  const contexts = [aContext(), { ...aContext(), useCaseId: otherUseCase, endpoint: "churn" }] as const;
  const writer = await openPredictionWriter({ folder, writerId, clock, reserveBytes: 4096 });
  for (let n = 0; n < 20; n++)
    ids.push(await writer.append(aRecord(contexts[n % 2 === 0 ? 0 : 1], n), { durability: "buffered" }));
  await writer.close();
  for (const { path } of listSegments(folder))
    for (const { bytes } of closedBlocks(readFileSync(path)))
      await acceptBlocks(control.deps, control.gateway(), bytes);
  await archivePredictions(control.deps, { policy: now });
}, 180_000);
afterAll(async () => {
  await control.close();
  rmSync(folder, { recursive: true, force: true });
});

const at = (index: number): PredictionId => ids[index] ?? ("" as PredictionId);
const read = (index: number): Promise<StoredPrediction> =>
  getPrediction(control.deps, control.person(), at(index));
const rows = async (event: string): Promise<unknown[]> => {
  const found = await sql<{ payload: unknown }>`
    select convert_from(payload, 'UTF8')::jsonb as payload from ledger.rows where event = ${event} order by id`.execute(
    control.sql,
  );
  return found.rows.map(({ payload }) => payload);
};
/** Instants of the records lie around this; what is kept for `keptMs` at this clock has or has not expired. */
const receivedAt = 1_795_000_000_000_000;
const retain = (keptMs: number | undefined, ageMs: number): Promise<number> =>
  applyRetention(
    {
      ...control.deps,
      clock: { ...clock, now: () => (receivedAt + ageMs * 1000) as ReturnType<typeof clock.now> },
      terms: { predictionsMs: async (_call, useCaseId) => (useCaseId === otherUseCase ? undefined : keptMs) },
    },
    [organisationId],
  );

describe("legal holds and retention (P21, P22)", () => {
  let hold: string;

  test("a hold stops an erasure by id and by subject, whole, before anything is on the ledger", async () => {
    const scope = { environment: "production", endpoint: "delays", to: receivedAt + 4000 } as const;
    hold = (await placeHold(control.deps, control.person(), scope, "claim 4711")).id;
    for (const select of [{ predictionIds: [at(2), at(10)] }, { subject: "flight-4" }])
      await expect(erasePredictions(control.deps, control.person(), select, "asked")).rejects.toThrow(
        "predictions.under_hold",
      );
    expect(await rows("predictions.erasure.ordered")).toEqual([]);
    expect(await read(10)).toMatchObject({ payload: { subject: "flight-10" } });
    // Outside of it: later, and another endpoint.
    const free = { predictionIds: [at(8), at(3)] };
    expect((await erasePredictions(control.deps, control.person(), free, "asked")).erased).toBe(2);
  });

  test("a hold that comes between an order and its execution keeps what it covers", async () => {
    const { erasureId } = await erasePredictions(
      control.deps,
      control.person(),
      { predictionIds: [at(12)] },
      "asked",
    );
    await sql`update predictions.erasures set completed_at = null,
      selector = ${JSON.stringify({ predictionIds: [at(2), at(14)] })} where id = ${erasureId}`.execute(
      control.sql,
    );
    expect(await performErasure(control.deps, control.person(), erasureId)).toBe(1);
    expect((await read(2)).payload).toBeDefined();
    expect((await read(14)).withheld).toBe("erased");
  });

  test("nothing expires before its time, and nothing without a charter", async () => {
    expect(await retain(86_400_000, 86_399_000)).toBe(0);
    expect(await retain(undefined, 10 * 86_400_000)).toBe(0);
    expect((await read(0)).payload).toBeDefined();
  });

  test("what is over goes from the archive; what a hold covers, and another use case, stays; proofs hold", async () => {
    expect(await retain(86_400_000, 86_401_000)).toBe(4); // 6, 10, 16, 18: three of ten are held, three were erased
    for (const index of [6, 18]) {
      expect((await read(index)).withheld).toBe("erased");
      const proof = await provePrediction(control.deps, control.person(), at(index));
      expect(verifyPredictionProof(proof)).toMatchObject({ kind: "proved" });
    }
    for (const index of [0, 2, 4, 5]) expect((await read(index)).payload).toBeDefined();
    const [row] = await rows("predictions.retention.applied");
    expect(row).toMatchObject({
      detail: { records: 7, held: 3, keptMs: 86_400_000, environment: "production" },
    });
    expect(await retain(86_400_000, 90_000_000)).toBe(0); // done once
  });

  test("a released hold frees what it kept for the next round, and is not released twice", async () => {
    expect(await readHolds(control.deps, control.person())).toMatchObject([{ id: hold, released_at: null }]);
    await releaseHold(control.deps, control.person(), hold, "settled");
    await expect(releaseHold(control.deps, control.person(), hold, "again")).rejects.toThrow(
      "kernel.conflict",
    );
    expect(await retain(86_400_000, 90_000_000)).toBe(3);
    for (const index of [0, 2, 4]) expect((await read(index)).withheld).toBe("erased");
    expect((await read(5)).payload).toBeDefined();
    expect(await rows("predictions.hold.placed")).toHaveLength(1);
    expect(await rows("predictions.hold.released")).toHaveLength(1);
  });
});
