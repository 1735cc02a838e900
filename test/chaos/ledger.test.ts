import { spawn } from "node:child_process";
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import {
  createJobQueue,
  createUnitOfWork,
  type Database,
  migrate,
  openDatabase,
  prepareJobQueue,
} from "@portolan/database";
import { hasEmbeddedPostgres, startEmbeddedPostgres } from "@portolan/database/embedded";
import { asEpochMicros, type KeyRing, systemClock } from "@portolan/kernel";
import {
  advisorySequencerLock,
  createRecorder,
  ledgerMigrations,
  type SequencerStep,
  sequencerSteps,
  startSequencer,
  verifyLedger,
} from "@portolan/ledger";
import { aCall, testAuthorizer, testOrganisation } from "@portolan/testkit";
import { expect, test } from "vitest";

const program = fileURLToPath(new URL("ledger-writer.ts", import.meta.url));

/** One life of the writer: until it kills itself at a step, or is killed after some milliseconds. */
async function live(
  url: string,
  home: string,
  step: SequencerStep | "none",
  occurrence: number,
  killMs?: number,
) {
  const args = [program, url, home, step, String(occurrence)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  const acknowledged: string[] = [];
  let complaint = "";
  child.stderr.on("data", (bytes: Buffer) => {
    complaint += bytes.toString();
  });
  let started = false;
  createInterface({ input: child.stdout }).on("line", (line) => {
    if (line !== "started") acknowledged.push(line);
    else {
      started = true;
      if (killMs !== undefined) setTimeout(() => child.kill("SIGKILL"), killMs);
    }
  });
  const guard = setTimeout(() => child.kill("SIGTERM"), 60_000);
  const signal = await new Promise((resolve) => child.on("close", (_code, name) => resolve(name)));
  clearTimeout(guard);
  return { acknowledged, signal, started, complaint };
}

// docs/spec/ledger.md L9: each crash point, several times over, and moments between them.
test.skipIf(!hasEmbeddedPostgres() && process.env["CI"] !== "true")(
  "over 56 kills no acknowledged row is lost, no position is given twice, and no published history forks",
  async () => {
    const home = await mkdtemp(join(tmpdir(), "portolan-chaos-ledger-"));
    const server = await startEmbeddedPostgres({ folder: join(home, "postgres") });
    const database = await openDatabase({ kind: "postgres", url: server.url, maxConnections: 4 });
    try {
      await migrate(database, [ledgerMigrations], systemClock);
      await prepareJobQueue(database);
      const { privateKey } = generateKeyPairSync("ed25519");
      const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
      await writeFile(join(home, "ledger.pem"), pem);
      const acknowledged: string[] = [];
      const published: string[] = [];
      const kills = [
        ...sequencerSteps.flatMap((step) => [1, 2, 3, 1, 2, 5].map((nth) => ({ step, nth, ms: undefined }))),
        ...Array.from({ length: 8 }, (_, i) => ({ step: "none" as const, nth: 1, ms: 40 + i * 37 })),
      ];
      for (const { step, nth, ms } of kills) {
        const life = await live(server.url, home, step, nth, ms);
        expect(life, `${step} ${nth}`).toMatchObject({ signal: "SIGKILL", complaint: "" });
        acknowledged.push(...life.acknowledged);
        const note = await readFile(join(home, "ledger", testOrganisation, "checkpoint"), "utf8").catch(
          () => "",
        );
        if (note !== "") published.push(note);
      }
      const keys = ringOf(pem);
      const folder = join(home, "ledger");
      const sequencer = await startSequencer({ sql: database.sql, clock: systemClock, keys, folder });
      await sequencer.settled();
      await sequencer.stop();
      await demandOneSequencer(database, keys, folder);
      const uow = createUnitOfWork({
        database,
        clock: systemClock,
        recorder: createRecorder(),
        jobs: createJobQueue(database),
      });
      const deps = { uow, authorizer: testAuthorizer({ auditor: ["*"] }), keys, clock: systemClock, folder };
      const report = await verifyLedger(deps, aCall({ roles: ["auditor"] }), { known: published });
      expect(report).toMatchObject({ verified: true, findings: [], unsignedRows: 0 });
      const rows = await database.session((session) =>
        session.query<{ id: string }>("select id from ledger.rows where position is not null"),
      );
      const kept = new Set(rows.map((row) => row.id));
      expect(acknowledged.filter((id) => !kept.has(id))).toEqual([]);
      expect(acknowledged.length).toBeGreaterThan(kills.length);
      expect(published.length).toBeGreaterThan(40);
    } finally {
      await database.close();
      await server.stop();
      await rm(home, { recursive: true, force: true });
    }
  },
);

/** While one sequencer holds the lock another is refused; afterwards it starts. */
async function demandOneSequencer(database: Database, keys: KeyRing, folder: string): Promise<void> {
  const lock = advisorySequencerLock((work) => database.session(work));
  const deps = { sql: database.sql, clock: systemClock, keys, folder, lock };
  const first = await startSequencer(deps);
  await expect(startSequencer(deps)).rejects.toMatchObject({ code: "ledger.fenced" });
  await first.stop();
  await (await startSequencer(deps)).stop();
}

function ringOf(pem: string): KeyRing {
  const secret = createPrivateKey(pem);
  const key = {
    id: "sgk_chaos",
    purpose: "ledger" as const,
    algorithm: "ed25519" as const,
    publicKeyPem: createPublicKey(secret).export({ type: "spki", format: "pem" }).toString(),
    validFrom: asEpochMicros(0),
  };
  return {
    current: () => Promise.resolve(key),
    sign: (_id, bytes) => Promise.resolve(sign(null, bytes, secret)),
    find: (id) => Promise.resolve(id === key.id ? key : undefined),
  };
}
