import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { digestJson } from "@portolan/kernel";
import { aCall } from "@portolan/testkit";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AcceptedBlock, PredictionId } from "../src/contract.ts";
import { acceptBlocks } from "../src/control/accept-blocks.ts";
import { erasePredictions } from "../src/control/erase-predictions.ts";
import { getPrediction, listPredictions, provePrediction } from "../src/control/read-predictions.ts";
import { closedBlocks } from "../src/format/reader.ts";
import { listSegments } from "../src/format/segment.ts";
import { type PredictionProof, verifyPredictionProof } from "../src/policy.ts";
import { createShipper } from "../src/shipping/shipper.ts";
import { openPredictionWriter } from "../src/writer/writer.ts";
import { startTestControl, type TestControl } from "./control.ts";
import { deliverOverHttp } from "./http-delivery.ts";
import { aContext, aRecord, clock, organisationId, otherOrganisationId, writerId } from "./records.ts";

let control: TestControl;
let folder: string;
const ids: PredictionId[] = [];
let blocks: Buffer[] = [];

/** Three starts of one writer: three blocks in a chain, 20 records each, half of another organisation. */
beforeAll(async () => {
  control = await startTestControl();
  folder = mkdtempSync(join(tmpdir(), "predictions-"));
  const contexts = [aContext(), aContext(otherOrganisationId, "churn")] as const;
  for (let start = 0; start < 3; start++) {
    const writer = await openPredictionWriter({ folder, writerId, clock, reserveBytes: 4096 });
    for (let n = 0; n < 20; n++) {
      const record = aRecord(contexts[n % 2 === 0 ? 0 : 1], start * 20 + n);
      ids.push(await writer.append(record, { durability: "buffered" }));
    }
    await writer.close();
  }
  blocks = listSegments(folder).flatMap(({ path }) =>
    [...closedBlocks(readFileSync(path))].map(({ bytes }) => bytes),
  );
}, 180_000);
afterAll(async () => {
  await control.close();
  rmSync(folder, { recursive: true, force: true });
});

const at = (index: number): PredictionId => ids[index] ?? ("" as PredictionId);
const block = (index: number): Buffer => blocks[index] ?? Buffer.alloc(0);
const rows = async (table: string): Promise<number> => {
  const { rows: found } = await sql<{ n: number }>`select count(*)::int as n from ${sql.raw(table)}`.execute(
    control.sql,
  );
  return found[0]?.n ?? -1;
};

describe("acceptance", () => {
  test("a gap is answered with what control has; nothing is stored", async () => {
    expect(await acceptBlocks(control.deps, control.gateway(), block(1))).toEqual({ kind: "gap" });
    expect(await rows("predictions.blocks")).toBe(0);
  });

  test("a damaged delivery is refused whole", async () => {
    const bad = Buffer.from(block(0));
    bad.writeUInt8(bad.readUInt8(100) ^ 1, 100);
    await expect(acceptBlocks(control.deps, control.gateway(), bad)).rejects.toThrow("predictions.corrupt");
    await expect(acceptBlocks(control.deps, control.gateway(), Buffer.alloc(0))).rejects.toThrow(
      "predictions.corrupt",
    );
  });

  test("delivering twice, also at once, stores once and writes one leaf per organisation", async () => {
    const call = control.gateway();
    const both = await Promise.all([
      acceptBlocks(control.deps, call, block(0)),
      acceptBlocks(control.deps, call, block(0)),
    ]);
    const duplicates = both.map((verdict) => (verdict.kind === "accepted" ? verdict.duplicates : -1));
    expect(duplicates.toSorted((a, b) => a - b)).toEqual([0, 1]);
    expect(await rows("predictions.blocks")).toBe(1);
    expect(await rows("predictions.anchors")).toBe(2);
    expect(await rows("ledger.rows where class = 'recorded'")).toBe(2);
    expect(await acceptBlocks(control.deps, call, block(2))).toEqual({
      kind: "gap",
      last: { epoch: 1, block: 0 },
    });
  });

  test("who counts accepted blocks sees each before it is acknowledged, again where a crash cut that off", async () => {
    const seen: number[] = [];
    const counting = async (_call: unknown, accepted: readonly AcceptedBlock[]): Promise<void> => {
      for (const { headers } of accepted) seen.push(headers.length);
      if (seen.length === 1) throw new Error("killed");
    };
    const deps = { ...control.deps, onAccepted: counting };
    await expect(acceptBlocks(deps, control.gateway(), block(0))).rejects.toThrow("killed");
    expect(await acceptBlocks(deps, control.gateway(), block(0))).toMatchObject({ duplicates: 1 });
    expect(seen).toEqual([20, 20]);
    expect(await acceptBlocks(deps, control.gateway(), block(2))).toMatchObject({ kind: "gap" });
    expect(seen).toHaveLength(2);
  });

  test("another principal cannot speak for the writer, and the attempt is on the ledger", async () => {
    const stranger = aCall({ kind: "service_account", id: "sa_other", organisationId, roles: ["gateway"] });
    await expect(acceptBlocks(control.deps, stranger, block(1))).rejects.toThrow("predictions.writer_taken");
    expect(await rows("ledger.rows where event = 'predictions.writer.impersonated'")).toBe(1);
  });

  test("the shipper delivers the rest, then drops the segments that control has", async () => {
    const shipper = createShipper({ folder, deliver: deliverOverHttp(control.url), pollMs: 5 });
    await shipper.flush();
    await shipper.close();
    expect(await rows("predictions.blocks")).toBe(3);
    expect(listSegments(folder)).toHaveLength(1);
  });

  test("a block of the past that was never accepted is a fork, and is on the ledger", async () => {
    const other = mkdtempSync(join(tmpdir(), "predictions-fork-"));
    const writer = await openPredictionWriter({ folder: other, writerId, clock, reserveBytes: 4096 });
    await writer.append(aRecord(aContext(), 1), { durability: "buffered" });
    await writer.close();
    const [path] = listSegments(other).map((segment) => segment.path);
    const [forged] = [...closedBlocks(readFileSync(path ?? ""))];
    await expect(
      acceptBlocks(control.deps, control.gateway(), forged?.bytes ?? Buffer.alloc(0)),
    ).rejects.toThrow("predictions.block_forked");
    expect(await rows("ledger.rows where event = 'predictions.block.forked'")).toBe(1);
    rmSync(other, { recursive: true });
  });
});

describe("reading", () => {
  test("a prediction is found by id, and only by its organisation", async () => {
    const { header, payload } = await getPrediction(control.deps, control.person(), at(4));
    expect(header.requestId).toBe("req-4");
    expect(payload?.subject).toBe("flight-4");
    await expect(getPrediction(control.deps, control.person(), at(5))).rejects.toThrow("kernel.not_found");
    await expect(getPrediction(control.deps, control.person(), `${at(4)}0`)).rejects.toThrow(
      "kernel.not_found",
    );
    const dev = { ...control.person(), actor: { ...control.person().actor, environments: ["dev"] as const } };
    await expect(getPrediction(control.deps, dev, at(4))).rejects.toThrow();
  });

  test("the search pages through everything once, and filters by time and endpoint", async () => {
    const found: string[] = [];
    let cursor = "";
    do {
      const answer = await control.app.inject(`/v1/predictions?endpoint=delays&limit=7${cursor}`);
      const page = answer.json<{ predictions: { header: { id: string } }[]; next?: string }>();
      found.push(...page.predictions.map(({ header }) => header.id));
      cursor = page.next === undefined ? "" : `&cursor=${page.next}`;
    } while (cursor !== "");
    expect(found.toSorted()).toEqual(ids.filter((_, n) => n % 2 === 0).toSorted());
    const { useCaseId } = aContext();
    const own = await control.app.inject(`/v1/predictions?useCaseId=${useCaseId}&limit=1000`);
    expect(own.json<{ predictions: unknown[] }>().predictions).toHaveLength(found.length);
    const others = await control.app.inject("/v1/predictions?useCaseId=uc_0mwr2jm00zzzzzzzzzzzzzzzzz");
    expect(others.json()).toEqual({ predictions: [] });
    // Who finds little does not hold the process for all that there is.
    const few = { ...control.deps, mostLookedThrough: 1 };
    const pages: number[] = [];
    let next: string | undefined;
    do {
      const page = await listPredictions(few, control.person(), {
        limit: 100,
        useCaseId: "uc_0mwr2jm00zzzzzzzzzzzzzzzzz",
        ...(next === undefined ? {} : { cursor: next }),
      });
      pages.push(page.predictions.length);
      next = page.next;
    } while (next !== undefined);
    expect(pages.length).toBeGreaterThan(2);
    expect(new Set(pages)).toEqual(new Set([0]));
    const nobody = await control.app.inject("/v1/predictions?endpoint=churn");
    expect(nobody.json()).toEqual({ predictions: [] });
    const early = await control.app.inject("/v1/predictions?to=2026-11-18T11:06:40.005Z");
    expect(early.json<{ predictions: unknown[] }>().predictions).toHaveLength(
      ids.filter(
        (_, n) =>
          n % 2 === 0 && 1_795_000_000_000_000 + n * 1000 <= Date.UTC(2026, 10, 18, 11, 6, 40, 5) * 1000,
      ).length,
    );
  });

  test("who reads records is in the ledger, with how many of what, before they are given out", async () => {
    const accesses = async () =>
      (
        await sql<{ subject: string; detail: object; actor: string }>`
          select subject, convert_from(payload, 'UTF8')::json->'detail' as detail, actor_id as actor from ledger.rows
          where event = 'predictions.records.read' order by at, id`.execute(control.sql)
      ).rows;
    const before = (await accesses()).length;
    await control.app.inject(`/v1/predictions/${at(4)}`);
    const page = await control.app.inject("/v1/predictions?endpoint=delays&limit=3");
    const given = page.json<{ predictions: { header: { id: string } }[] }>().predictions;
    await control.app.inject(`/v1/predictions/${at(6)}/proof`);
    await control.app.inject("/v1/predictions?endpoint=churn");
    await control.app.inject(`/v1/predictions/${at(5)}`);
    const { useCaseId } = aContext();
    const what = { useCaseId, environments: ["production"], endpoints: ["delays"] };
    const ids = given.map(({ header }) => header.id);
    const actor = control.person().actor.id;
    expect((await accesses()).slice(before)).toEqual([
      { subject: at(4), actor, detail: { ...what, count: 1, digest: digestJson([at(4)]) } },
      { subject: useCaseId, actor, detail: { ...what, count: ids.length, digest: digestJson(ids) } },
      { subject: at(6), actor, detail: { ...what, count: 1, digest: digestJson([at(6)]) } },
    ]);
  });

  test("a proof over HTTP verifies offline, and no changed field does", async () => {
    const proof = (await control.app.inject(`/v1/predictions/${at(6)}/proof`)).json<PredictionProof>();
    const verdict = verifyPredictionProof(proof);
    expect(verdict.kind).toBe("proved");
    const { rows: found } = await sql<{ payload: string }>`
      select row_to_json(r)::text as payload from ledger.rows r where r::text like ${`%${proof.anchor.ledgerRow}%`}
    `.execute(control.sql);
    expect(found).toHaveLength(1);
    const flip = (hex: string) => (hex.startsWith("0") ? `1${hex.slice(1)}` : `0${hex.slice(1)}`);
    const forged: unknown[] = [
      { ...proof, predictionId: at(8) },
      { ...proof, organisationId: otherOrganisationId },
      {
        ...proof,
        header: Buffer.from(
          Buffer.from(proof.header, "base64").toString().replace("req-6", "req-7"),
        ).toString("base64"),
      },
      { ...proof, commitment: flip(proof.commitment) },
      { ...proof, saltAndPayload: Buffer.from("other").toString("base64") },
      { ...proof, leafIndex: proof.leafIndex + 1 },
      { ...proof, inclusion: proof.inclusion.map(flip) },
      { ...proof, anchor: { ...proof.anchor, second: proof.anchor.second + 1 } },
      { ...proof, anchor: { ...proof.anchor, blocks: [] } },
      {},
      null,
    ];
    for (const claim of forged) expect(verifyPredictionProof(claim).kind).toBe("refuted");
  });
});

describe("outcomes", () => {
  const report = (list: object[]) =>
    control.app.inject({ method: "POST", url: "/v1/outcomes", payload: { outcomes: list } });
  const outcome = (id: string, value: number) => ({
    predictionId: id,
    outcome: value,
    observedAt: "2026-11-24T08:00:00Z",
  });

  test("labels join their predictions, once; the first one stays", async () => {
    expect((await report([outcome(at(0), 1), outcome(at(2), 0)])).json()).toEqual({
      stored: 2,
      duplicates: 0,
      conflicts: [],
    });
    expect((await report([outcome(at(0), 1), outcome(at(2), 1)])).json()).toEqual({
      stored: 0,
      duplicates: 1,
      conflicts: [at(2)],
    });
    const { rows: joined } = await sql`select * from predictions.labelled_v1 order by received_at`.execute(
      control.sql,
    );
    expect(joined).toHaveLength(2);
    expect(joined[0]).toMatchObject({
      endpoint: "delays",
      model_version: "7",
      outcome: 1,
      outputs: '{"outputs":[0.0]}',
    });
  });

  test("a label that outruns its block is joined when the block arrives", async () => {
    const late = mkdtempSync(join(tmpdir(), "predictions-late-"));
    const lateWriter = "wr_0mwr2jm00vvvvvvvvvvvvvvvvv" as typeof writerId;
    const writer = await openPredictionWriter({
      folder: late,
      writerId: lateWriter,
      clock,
      reserveBytes: 4096,
    });
    const id = await writer.append(aRecord(aContext(), 900), { durability: "buffered" });
    await writer.close();
    expect((await report([outcome(id, 3)])).json()).toMatchObject({ stored: 1 });
    const before = await rows("predictions.labelled_v1");
    const shipper = createShipper({ folder: late, deliver: deliverOverHttp(control.url), pollMs: 5 });
    await shipper.flush();
    await shipper.close();
    expect(await rows("predictions.labelled_v1")).toBe(before + 1);
    rmSync(late, { recursive: true });
  });

  test("a ranking's outcome is the relevance of each of its rows, the same again is none, and another order another one", async () => {
    const list = (relevances: unknown) => report([{ ...outcome(at(6), 0), outcome: relevances }]);
    expect((await list([0, 2, 0, 1.5])).json()).toMatchObject({ stored: 1 });
    expect((await list([0, 2, 0, 1.5])).json()).toMatchObject({ stored: 0, duplicates: 1 });
    expect((await list([2, 0, 0, 1.5])).json()).toMatchObject({ stored: 0, conflicts: [at(6)] });
  });

  test("nonsense is refused with a pointer to each entry", async () => {
    const answer = await report([
      outcome("prd_x", 1),
      { ...outcome(at(4), 1), observedAt: "2026-11-24T08:00:00" },
    ]);
    expect(answer.statusCode).toBe(400);
    const { violations } = answer.json<{ violations: { at: { pointer: string } }[] }>();
    expect(violations.map(({ at: { pointer } }) => pointer)).toEqual([
      "/outcomes/0/predictionId",
      "/outcomes/1/observedAt",
    ]);
  });
});

describe("erasure", () => {
  test("the payload is gone from the files, the record stays, and its proof still verifies", async () => {
    const marker = "KJFK";
    const result = await erasePredictions(
      control.deps,
      control.person(),
      { predictionIds: [at(0)] },
      "request of the subject",
    );
    expect(result.erased).toBe(1);
    const stored = await getPrediction(control.deps, control.person(), at(0));
    expect(stored.withheld).toBe("erased");
    expect(JSON.stringify(stored)).not.toContain(marker);
    expect(verifyPredictionProof(await provePrediction(control.deps, control.person(), at(0))).kind).toBe(
      "proved",
    );
    expect(verifyPredictionProof(await provePrediction(control.deps, control.person(), at(2))).kind).toBe(
      "proved",
    );
    const { rows: outcomes } = await sql`
      select outcome from predictions.outcomes where prediction_id = ${at(0)}`.execute(control.sql);
    expect(outcomes, "what happened to somebody goes with what was predicted").toEqual([]);
    expect(await rows("ledger.rows where event like 'predictions.erasure.%'")).toBe(2);
  });

  test("an order that is for other environments leaves the prediction alone", async () => {
    const elsewhere = ["dev", "staging"] as const;
    const order = { subject: "flight-22" };
    expect(
      (await erasePredictions(control.deps, control.person(), order, "as asked", elsewhere)).erased,
    ).toBe(0);
    expect((await getPrediction(control.deps, control.person(), at(22))).withheld).toBeUndefined();
  });

  test("by subject: every prediction about it, and the order forgets whom it was about", async () => {
    const answer = await control.app.inject({
      method: "POST",
      url: "/v1/prediction-erasures",
      payload: { select: { subject: "flight-22" }, reason: "request of the subject" },
    });
    expect(answer.json()).toMatchObject({ erased: 1 });
    expect((await getPrediction(control.deps, control.person(), at(22))).withheld).toBe("erased");
    const { rows: orders } = await sql<{
      text: string;
    }>`select row_to_json(e)::text as text from predictions.erasures e`.execute(control.sql);
    expect(orders.map(({ text }) => text).join()).not.toContain("flight-22");
  });
});
