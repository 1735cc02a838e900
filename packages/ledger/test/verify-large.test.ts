import type { CallContext, JobRun, JsonObject } from "@portolan/kernel";
import {
  createVerifyJob,
  type LedgerDeps,
  registerLedgerRoutes,
  startSequencer,
  verifyLedger,
} from "@portolan/ledger";
import { checkpointText, ledgerVerifier, originOf } from "@portolan/ledger/policy";
import { composeNote, emptyRoot } from "@portolan/merkle";
import {
  aCall,
  fakeClock,
  openTestDatabase,
  type TestDatabase,
  testAuthorizer,
  testOrganisation,
} from "@portolan/testkit";
import Fastify from "fastify";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TestKeyRing, temporaryFolder, testKeyRing } from "./ledger-fixture.ts";

/** More than are judged on the calling thread. */
const rows = 1200;
const clock = fakeClock();
const auditor = aCall({ roles: ["auditor"] });
let db: TestDatabase;
let home: Awaited<ReturnType<typeof temporaryFolder>>;
let keys: TestKeyRing;
let deps: LedgerDeps;

beforeAll(async () => {
  db = await openTestDatabase({ clock });
  home = await temporaryFolder();
  keys = testKeyRing(clock);
  deps = { uow: db.uow, authorizer: testAuthorizer({ auditor: ["*"] }), keys, clock, folder: home.path };
  const sequencer = await startSequencer({ sql: db.sql, clock, keys, folder: home.path, lingerMs: 1 });
  for (let batch = 0; batch < 4; batch++) {
    await db.uow.write(aCall(), async (tx) => {
      for (let i = 0; i < rows / 4; i++)
        await tx.record({ event: "test.thing.made", subject: `${batch}/${i}` });
    });
    await sequencer.settled();
    clock.advance(1000);
  }
  await sequencer.stop();
});
afterAll(async () => {
  await db.close();
  await home[Symbol.asyncDispose]();
});

/** Counts the threads that are started while `work` runs. */
async function threadsOf<T>(
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly threads: number }> {
  let threads = 0;
  const count = (): void => {
    threads += 1;
  };
  process.on("worker", count);
  try {
    return { result: await work(), threads };
  } finally {
    process.off("worker", count);
  }
}

test("a large log is judged in a thread of its own, which tells how far it is", async () => {
  const told: number[] = [];
  const { result, threads } = await threadsOf(() =>
    verifyLedger(deps, auditor, { onProgress: (fraction) => told.push(fraction) }),
  );
  expect(result).toMatchObject({ verified: true, provedRows: rows, checkpoints: 4, findings: [] });
  expect(threads).toBe(1);
  expect(told.at(-1)).toBe(1);
});

test("tampering is pinpointed through the thread, row, column and index", async () => {
  const [row] = await db.database.session((session) =>
    session.query<{ subject: string }>("select subject from ledger.rows where position = 1100"),
  );
  await db.database.session((session) =>
    session.script("update ledger.rows set subject = 'x' where position = 1100"),
  );
  const report = await verifyLedger(deps, auditor);
  expect(report.findings).toMatchObject([{ kind: "edited", copy: "rows", index: 1100 }]);
  await db.database.session((session) =>
    session.query("update ledger.rows set subject = $1 where position = 1100", [row?.subject]),
  );
  expect((await verifyLedger(deps, auditor)).verified).toBe(true);
});

test("a verification that is cancelled ends its thread", async () => {
  const abort = new AbortController();
  const running = verifyLedger(deps, auditor, { signal: abort.signal });
  abort.abort(new Error("shutting down"));
  await expect(running).rejects.toThrow("shutting down");
});

/** The checkpoint of a later state than the log is in now: what a caller kept before somebody rolled the log back. */
async function keptBeforeRollback(): Promise<string> {
  const key = await keys.current("ledger");
  const verifier = ledgerVerifier(originOf(testOrganisation), key);
  if (verifier === undefined) throw new Error("the key signs notes");
  const text = checkpointText(testOrganisation, rows + 40, emptyRoot(), clock.now());
  const signature = await keys.sign(key.id, Buffer.from(text));
  return composeNote(text, [{ verifier, signature }]);
}

test("a verification that becomes a job keeps what its caller knows: a rolled-back log is found out", async () => {
  const app = Fastify();
  app.decorateRequest("call");
  app.addHook("onRequest", async (request) => {
    request.call = auditor;
  });
  // No export is asked for here.
  const exports = { require: () => Promise.reject(new Error("nothing is exported")) };
  await registerLedgerRoutes(app, { ...deps, exports, maxRowsInRequest: 10 });
  const ask = async (payload: object): Promise<string> => {
    const response = await app.inject({ method: "POST", url: "/v1/ledger/verify", payload });
    expect(response.statusCode).toBe(202);
    return response.json().job;
  };
  const known = [await keptBeforeRollback()];
  const [plain, rolledBack, again] = [await ask({}), await ask({ known }), await ask({ known })];
  expect(rolledBack).not.toBe(plain);
  expect(again).toBe(rolledBack);
  const stored = await db.database.session((session) =>
    session.query<{ id: string; payload: JsonObject; call: CallContext }>(
      "select id, payload, call from database.job_runs",
    ),
  );
  const verdictOf = async (id: string): Promise<unknown> => {
    const job = stored.find((one) => one.id === id);
    if (job === undefined) throw new Error(`no job ${id}`);
    return createVerifyJob(deps).run(runOf(id, job.payload));
  };
  expect(await verdictOf(plain)).toMatchObject({ verified: true });
  expect(await verdictOf(rolledBack)).toMatchObject({ verified: false, provedRows: rows + 40 });
  await app.close();
});

function runOf(id: string, payload: JsonObject): JobRun {
  return {
    id,
    payload,
    call: auditor,
    signal: new AbortController().signal,
    finalAttempt: true,
    step: () => Promise.reject(new Error("verification has no steps")),
    effect: () => Promise.reject(new Error("verification has no steps")),
    progress: () => Promise.resolve(),
    log: () => Promise.resolve(),
  };
}
