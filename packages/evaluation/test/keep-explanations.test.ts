import type { ExplanationTerms } from "@portolan/charter/contract";
import {
  asEpochMicros,
  type CallContext,
  type Digest,
  type Id,
  newId,
  systemActor,
  systemClock,
} from "@portolan/kernel";
import { ledgerMigrations, recordBatchDigest } from "@portolan/ledger";
import type { AcceptedBlock, StoredPrediction } from "@portolan/predictions/contract";
import { aCall, fakeClock, openTestDatabase, type TestDatabase, testOrganisation } from "@portolan/testkit";
import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type ExplanationAsked, explainPrediction } from "../src/explain/explain-prediction.ts";
import { isUnderRoot } from "../src/explain/kept-explanation.ts";
import { countWaiting, explanationFigures, findKept } from "../src/explain/kept-store.ts";
import type {
  ExplainedRow,
  Explainer,
  ExplainRequest,
  PredictionAsked,
  RoundEnd,
} from "../src/explain/ports.ts";
import { insertBackground } from "../src/explain/store.ts";
import {
  chooseBlocks,
  eraseExplanations,
  evaluationMigrations,
  type KeepDeps,
  keepExplanations,
} from "../src/index.ts";

const clock = fakeClock();
const artifact = `sha256:${"ab".repeat(32)}` as Digest;
const backgroundDigest = `sha256:${"cd".repeat(32)}`;
const hourMicros = 3_600_000_000;
const always: ExplanationTerms = { share: 1, top: 3, fixed: ["age"] };

let db: TestDatabase;
let call: CallContext;
beforeAll(async () => {
  db = await openTestDatabase({
    migrations: [ledgerMigrations, { ...evaluationMigrations, after: [] }],
    clock,
  });
  call = { actor: systemActor("control", testOrganisation), requestId: newId("request", clock.now()) };
  for (const version of [1, 2])
    await db.uow.write(aCall(), (tx) =>
      insertBackground(tx.sql, {
        organisation_id: testOrganisation,
        version_id: `mv_${version}`,
        model: "delays",
        version,
        artifact,
        digest: backgroundDigest,
        training_set_id: "ts_1",
        environment: "production",
        rows: 10,
        created_by: "usr_1",
        created_at: 1,
      }),
    );
});
afterAll(() => db.close());

/** What the log holds, by block. */
const log = new Map<string, StoredPrediction[]>();
let blocks = 0;
/** What the process that explains was asked, round by round. */
let rounds: (readonly PredictionAsked[])[] = [];
/** How far it comes before it ends, and how. */
let fate: (
  asked: readonly PredictionAsked[],
) => Promise<{ readonly until?: number; readonly end?: RoundEnd }>;

beforeEach(async () => {
  rounds = [];
  fate = () => Promise.resolve({});
  log.clear();
  await db.uow.write(call, async (tx) => {
    await sql`delete from evaluation.kept_explanations`.execute(tx.sql);
    await sql`delete from evaluation.chosen_blocks`.execute(tx.sql);
  });
});

const keyOf = ({ writerId, epoch, block }: Pick<AcceptedBlock, "writerId" | "epoch" | "block">) =>
  `${writerId}/${epoch}/${block}`;

const rowOf = (text: string): ExplainedRow => ({
  method: "linear",
  target: "1",
  unit: "log_odds",
  score: Number(text) / 3,
  expected: 0,
  contributions: [],
  othersContribution: Number(text) / 3,
  counterfactualSearch: "none",
  reproduced: "exactly",
});

const explainMany: Explainer["explainMany"] = async ({ asked }, keep, signal) => {
  rounds.push(asked);
  const { until = asked.length, end = { kind: "done" } } = await fate(asked);
  signal.throwIfAborted();
  for (const [at, { answer }] of asked.slice(0, until).entries())
    keep(at, { kind: "explained", rows: 1, explained: [rowOf(answer)] });
  return end;
};

const deps = (): KeepDeps => ({
  work: db.uow,
  clock,
  records: { ofBlock: (_call, block) => Promise.resolve(log.get(keyOf(block)) ?? []) },
  deployments: { fillings: () => Promise.resolve([]) },
  explainer: { explainMany },
  recordBatch: recordBatchDigest,
});

/** An accepted block of so many predictions, whose answers are their numbers. */
function aBlock(count: number, version = "1"): AcceptedBlock & { readonly ids: readonly string[] } {
  const writerId: Id<"writer"> = newId("writer", systemClock.now());
  const address = { writerId, epoch: 1, block: blocks++ };
  const records = Array.from({ length: count }, (_, at): StoredPrediction => {
    const body = (text: string) => ({ mediaType: "application/json", bytes: Buffer.from(text) });
    return {
      header: {
        id: `prd_${writerId}_${address.block}_${at}`,
        context: {
          organisationId: testOrganisation,
          useCaseId: "uc_1",
          endpoint: "delays",
          environment: "production",
          model: { name: "delays", version, digest: artifact },
          variant: "champion",
          snapshotVersion: 7,
          costTags: {},
        },
        principal: "usr_1",
        requestId: "req_1",
        receivedAt: asEpochMicros(1),
        latency: { totalMicros: 1 },
        status: { kind: "ok" },
      },
      payload: { inputs: body("{}"), outputs: body(String(at)) },
    };
  });
  log.set(keyOf(address), records);
  return {
    ...address,
    headers: records.map(({ header }) => header),
    ids: records.map(({ header }) => header.id),
  };
}

const choose = (
  accepted: readonly AcceptedBlock[],
  terms: ExplanationTerms | undefined = always,
  mostWaiting = 100,
) => chooseBlocks({ work: db.uow, charters: { termsFor: async () => terms }, mostWaiting }, call, accepted);

/** Rounds until nothing is left that may be tried now. */
async function untilNothing(signal = new AbortController().signal): Promise<void> {
  clock.advance(11_000_000);
  while ((await keepExplanations(deps(), call, signal)) > 0);
}

const kept = (id: string) => db.uow.read(call, (read) => findKept(read, testOrganisation, id));
const figures = async () =>
  (await db.uow.read(call, (read) => explanationFigures(read, testOrganisation, 0)))[0];
const waiting = () => db.uow.read(call, (read) => countWaiting(read, testOrganisation, 1000));

/** Ledger rows of rounds. */
async function ledgerRows(): Promise<{ readonly id: string; readonly digest: string }[]> {
  const { rows } = await db.uow.read(call, (read) =>
    sql<{
      id: string;
      payload: Uint8Array;
    }>`select id, payload from ledger.rows where event = 'evaluation.explanations.kept'`.execute(read),
  );
  return rows.map(({ id, payload }) => {
    const { detail } = JSON.parse(Buffer.from(payload).toString()) as { detail: { digest: string } };
    return { id, digest: detail.digest };
  });
}

const leaves = async (): Promise<number> => (await ledgerRows()).length;

test("a block is looked at once: what comes again after a crash, under whatever charter, adds nothing", async () => {
  const block = aBlock(6);
  await choose([block]);
  await choose([block], { ...always, top: 9 });
  expect(await waiting()).toBe(6);
  expect((await kept(block.ids[0] ?? ""))?.top).toBe(3);
  await untilNothing();
  await choose([block]);
  expect(await figures()).toMatchObject({ waiting: 0, explained: 6, notExplainable: 0, passedOver: 0 });
  await choose([aBlock(3)], { ...always, share: 1e-15 });
  expect(await waiting()).toBe(0);
});

test("of so many that wait already, those beyond are passed over and counted; the age of the oldest is told", async () => {
  await choose([aBlock(6)], always, 8);
  const since = clock.now();
  clock.advance(5_000_000);
  const late = aBlock(6);
  await choose([late], always, 8);
  await choose([late], always, 8);
  expect(await figures()).toMatchObject({ waiting: 8, passedOver: 4, oldestWaitingAt: since });
});

test("a round waits for others to come, takes one version, and names its digests in one ledger row", async () => {
  const [one, two] = [aBlock(3), aBlock(2, "2")];
  await choose([one]);
  clock.advance(1);
  await choose([two]);
  const before = await leaves();
  expect(await keepExplanations(deps(), call, new AbortController().signal)).toBe(0);
  await untilNothing();
  expect(rounds.map((asked) => asked.map(({ answer }) => answer))).toEqual([
    ["0", "1", "2"],
    ["0", "1"],
  ]);
  expect(rounds[0]?.[0]).toMatchObject({ top: 3, fixed: ["age"], recorded: { kind: "body", text: "{}" } });
  expect(await leaves()).toBe(before + 2);
  const row = await kept(one.ids[2] ?? "");
  expect(row).toMatchObject({ state: "explained", leaf_index: 2, leaf_count: 3 });
  expect(row?.path).toHaveLength(1);
  expect(row?.ledger_row).toBe((await kept(one.ids[0] ?? ""))?.ledger_row);
  expect(row?.ledger_row).not.toBe((await kept(two.ids[0] ?? ""))?.ledger_row);
  const named = (await ledgerRows()).find(({ id }) => id === row?.ledger_row);
  const leaf = { index: 2, count: 3, path: [...(row?.path ?? [])] };
  expect(isUnderRoot({ digest: row?.digest ?? "", leaf }, named?.digest ?? "")).toBe(true);
});

test("large requests are explained in several rounds", async () => {
  const block = aBlock(3);
  const inputs = { mediaType: "application/json", bytes: Buffer.from(`"${"x".repeat(7 * 2 ** 20)}"`) };
  const records = log.get(keyOf(block)) ?? [];
  log.set(
    keyOf(block),
    records.map((record) => ({ ...record, payload: { ...record.payload, inputs } })),
  );
  await choose([block]);
  await untilNothing();
  expect(rounds.map(({ length }) => length)).toEqual([2, 1]);
  expect(await figures()).toMatchObject({ explained: 3 });
});

test("what ends control within a round, or between two, loses nothing and doubles nothing", async () => {
  const [one, two] = [aBlock(4), aBlock(4, "2")];
  await choose([one]);
  clock.advance(1);
  await choose([two]);
  clock.advance(11_000_000);
  const { signal } = new AbortController();
  const before = await leaves();
  const stopped = new AbortController();
  fate = async () => {
    stopped.abort();
    return {};
  };
  await expect(keepExplanations(deps(), call, stopped.signal)).rejects.toThrow();
  expect([await waiting(), await leaves()]).toEqual([8, before]);
  fate = () => Promise.resolve({});
  expect(await keepExplanations(deps(), call, signal)).toBe(4);
  const digests = await Promise.all(one.ids.map(async (id) => (await kept(id))?.digest));
  // The gateway sends the blocks again, for it was told nothing.
  await choose([one, two]);
  await untilNothing();
  expect(await figures()).toMatchObject({ waiting: 0, explained: 8 });
  expect(await Promise.all(one.ids.map(async (id) => (await kept(id))?.digest))).toEqual(digests);
  expect(await leaves()).toBe(before + 2);
});

test("one that ends the process takes none of the others with it: it is tried three times, alone at fault, and its reason is kept", async () => {
  const block = aBlock(3);
  await choose([block]);
  fate = async (asked) => {
    const bad = asked.findIndex(({ answer }) => answer === "1");
    return bad < 0 ? {} : { until: bad, end: { kind: "cut_off", reason: "the model ended its process" } };
  };
  await untilNothing();
  expect(await figures()).toMatchObject({ explained: 2, waiting: 1 });
  for (let minute = 0; minute < 3; minute++) {
    clock.advance(61_000_000);
    await untilNothing();
  }
  expect(await kept(block.ids[1] ?? "")).toMatchObject({
    state: "not_explainable",
    tries: 2,
    reason: "the model ended its process",
  });
  expect(rounds).toHaveLength(4);
});

test("a model that cannot be read, an answer that is gone, and an hour without a background are reasons that are kept", async () => {
  const [one, none] = [aBlock(2), aBlock(1, "9")];
  const [record] = log.get(keyOf(one)) ?? [];
  if (!record) throw new Error("no record");
  log.set(keyOf(one), [
    { header: record.header, withheld: "erased" },
    ...(log.get(keyOf(one)) ?? []).slice(1),
  ]);
  await choose([one, none]);
  fate = () => Promise.resolve({ until: 0, end: { kind: "refused", reason: "no trees" } });
  await untilNothing();
  expect((await kept(one.ids[0] ?? ""))?.reason).toMatch(/erased/);
  expect((await kept(one.ids[1] ?? ""))?.reason).toBe("no trees");
  expect(await kept(none.ids[0] ?? "")).toMatchObject({ state: "waiting" });
  clock.advance(hourMicros);
  await untilNothing();
  expect((await kept(none.ids[0] ?? ""))?.reason).toMatch(/no background/);
});

test("an explanation goes with its prediction, also while a round is under way", async () => {
  const block = aBlock(3);
  await choose([block]);
  const [first = "", second = ""] = block.ids;
  fate = async () => {
    await db.uow.write(call, (tx) => eraseExplanations(tx, [first]));
    return {};
  };
  await untilNothing();
  expect(await kept(first)).toBeUndefined();
  expect(await kept(second)).toMatchObject({ state: "explained", leaf_count: 2 });
  const other = aCall({ organisationId: newId("organisation", systemClock.now()) });
  await db.uow.write(other, (tx) => eraseExplanations(tx, [second]));
  expect(await kept(second)).toBeDefined();
  await db.uow.write(call, (tx) => eraseExplanations(tx, [second]));
  expect(await kept(second)).toBeUndefined();
});

test("what is kept is the answer, of its own parameters; explained again from the same background it is the same bit for bit, or another", async () => {
  const block = aBlock(2);
  await choose([block]);
  await untilNothing();
  const requests: ExplainRequest[] = [];
  let factor = 1;
  const ask = (asked: Partial<ExplanationAsked> = {}) => {
    const [prediction] = (log.get(keyOf(block)) ?? []).slice(1);
    if (!prediction) throw new Error("no record");
    return explainPrediction(
      {
        ...deps(),
        predictions: { get: () => Promise.resolve(prediction) },
        explainer: {
          explain: async (request) => {
            requests.push(request);
            return rowOf(String(Number(request.answer) * factor));
          },
        },
      },
      aCall(),
      block.ids[1] ?? "",
      { row: 0, ...asked },
      new AbortController().signal,
    );
  };
  const found = await ask();
  expect(found).toMatchObject({ score: 1 / 3, kept: { rows: 1, top: 3, fixed: ["age"] } });
  expect(found.kept).not.toHaveProperty("again");
  expect(await ask({ top: 3, fixed: ["age"] })).toEqual(found);
  expect(requests).toEqual([]);
  // A newer background explains nothing that is kept.
  expect((await ask({ again: true })).kept?.again).toBe("bit_for_bit");
  expect(requests).toMatchObject([{ background: backgroundDigest, top: 3, fixed: ["age"] }]);
  factor = 1 + Number.EPSILON;
  expect((await ask({ again: true })).kept?.again).toBe("otherwise");
  expect(await ask({ top: 9 })).not.toHaveProperty("kept");
  expect(await ask({ fixed: [] })).not.toHaveProperty("kept");
  expect(requests.at(-1)).toMatchObject({ top: 5, fixed: [] });
});
