import type { JobRun, JsonForm } from "@portolan/kernel";
import { afterAll, beforeAll, expect, test } from "vitest";
import { datasetPlace } from "../../data/src/erasure/data-places.ts";
import { withoutRows } from "../../data/src/erasure/survey.ts";
import { featurePlaces, findView, readTrainingSet, trainingSetJob } from "../src/index.ts";
import { appendDatasets, openLog } from "../src/log/append-datasets.ts";
import type { TrainingSetRequest } from "../src/resources.ts";
import { insertTrainingSet } from "../src/store.ts";
import type { LogView } from "../src/view-model.ts";
import { type AccountsFixture, accountsFixture, minute } from "./accounts-fixture.ts";

let f: AccountsFixture;
const marked =
  "{ name: account, logicalType: string, customProperties: [{ property: portolan.subject, value: true }] }";

beforeAll(async () => {
  f = await accountsFixture(undefined, (document) =>
    document.replace("{ name: account, logicalType: string }", marked),
  );
});
afterAll(() => f.close());

/** What an erasure does to the datasets of a contract between two looks of work that is under way. */
async function erase(subject: string, contract: string): Promise<void> {
  const { organisationId } = f.call.actor;
  const scope = { organisationId, environments: ["dev"], subject, columns: [] } as const;
  const listed = await f.deps.uow.read(f.call, (sql) => datasetPlace.list(sql, scope));
  for (const object of listed.filter((one) => one.contract === contract)) {
    const after = await withoutRows(f.deps, subject, [object]);
    await f.deps.uow.write(f.call, async (tx) => {
      for (const place of [...featurePlaces, datasetPlace])
        await place.succeed(tx, scope, { before: object.digest, after });
    });
  }
}

test("a segment that was written of bytes which the dataset is no longer is written anew", async () => {
  await f.changes(
    "changes.jsonl",
    { account: "stays", at: 0, cents: 1 },
    { account: "erased-meanwhile", at: 1, cents: 2 },
  );
  const { organisationId } = f.call.actor;
  const view = await f.deps.uow.read(f.call, (sql) => findView(sql, organisationId, "accounts"));
  if (!view) throw new Error("no view");
  const of = { view: view.body as LogView, digest: view.digest, environment: "dev", owner: {} } as const;
  const log = await openLog(f.deps, f.call, of);
  let turns = 0;
  const engine: typeof f.deps.engine = {
    run: async (request) => {
      const result = await f.deps.engine.run(request);
      turns += 1;
      if (turns === 1) await erase("erased-meanwhile", "changes");
      return result;
    },
  };
  const [segment, ...more] = await appendDatasets({ ...f.deps, engine }, f.call, log, of.view);
  expect(more).toEqual([]);
  expect(turns).toBe(2);
  const rows = JSON.stringify(await f.rowsOf(segment?.object), (_, value: unknown) =>
    typeof value === "bigint" ? String(value) : value,
  );
  expect(rows).toContain("stays");
  expect(rows).not.toContain("erased-meanwhile");
});

test("a training set that was built from rows which are gone is not published", async () => {
  await f.payments("payments.jsonl", { account: "stays", at: 2 }, { account: "erased-later", at: 3 });
  const { organisationId, id: startedBy } = f.call.actor;
  const request: TrainingSetRequest = {
    name: "payments",
    environment: "dev",
    contract: "payments",
    from: minute(0),
    to: minute(100),
    sampleEvery: 1,
    views: [{ view: "accounts", entity: { account: "account" } }],
    request: [{ name: "paid", expression: "amount" }],
    label: { name: "much", expression: "amount > 0" },
  };
  const build = async (id: string, meanwhile: () => Promise<void>): Promise<string> => {
    await f.deps.uow.write(f.call, (tx) =>
      insertTrainingSet(tx.sql, { id, organisationId, request, startedBy, now: tx.now }),
    );
    const job: JobRun = {
      id: `job_${id}`,
      payload: { trainingSetId: id },
      call: f.call,
      signal: new AbortController().signal,
      finalAttempt: true,
      progress: () => Promise.resolve(),
      log: () => Promise.resolve(),
      step: (_, work) => f.deps.uow.write(f.call, work),
      effect: async <T>(name: string, work: (key: string) => Promise<T & JsonForm<T>>): Promise<T> => {
        const result = await work(name);
        if (name === "build") await meanwhile();
        return result;
      },
    };
    await trainingSetJob(f.deps)
      .run(job)
      .catch(() => undefined);
    const set = await readTrainingSet(f.deps, f.call, id);
    return set.failure ?? set.state;
  };
  expect(await build("ts_first", () => erase("erased-later", "payments"))).toContain("are gone since");
  expect(await build("ts_second", () => Promise.resolve())).toBe("ready");
});
