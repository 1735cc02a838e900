import { readFile } from "node:fs/promises";
import type { Digest } from "@portolan/kernel";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type DataFixture, dataFixture } from "./data-fixture.ts";

let f: DataFixture;
beforeAll(async () => {
  f = await dataFixture();
  await f.publishFlights();
});
afterAll(() => f.close());

const digestOf = (letter: string) => `sha256:${letter.repeat(64)}` as Digest;
const [events, table, upload] = [digestOf("a"), digestOf("b"), digestOf("c")];

test("what ingestions wrote down is nobody's upload any more; what somebody uploaded and ingested is", async () => {
  const { id: actor, organisationId } = f.call.actor;
  await f.deps.uow.write(f.call, (tx) =>
    f.deps.artifacts.note(
      tx,
      { environment: "dev" },
      [events, table, upload].map((digest) => ({ digest, kind: "upload" })),
    ),
  );
  await f.db.database.session(async (session) => {
    const ingestion = (id: string, sources: readonly object[]) =>
      session.query(
        `insert into data.ingestions (id, organisation_id, contract_id, contract, environment, sources, state, started_by, started_at)
         select $1, $2, id, name, 'dev', $3, 'published', $4, 1 from data.contracts limit 1`,
        [id, organisationId, JSON.stringify(sources), actor],
      );
    await ingestion("ing_events", [{ object: events, format: "events" }]);
    await ingestion("ing_upload", [{ object: upload, format: "csv" }]);
    await session.query(
      `insert into database.job_runs (id, organisation_id, environment, queue, boss_id, payload, call, state, created_at)
       values ('job_old', $1, 'dev', 'data.ingest', gen_random_uuid(), '{}', $2, 'done', 1)`,
      [organisationId, JSON.stringify(f.call)],
    );
    await session.query(
      "insert into database.job_steps (job_id, name, result, finished_at) values ('job_old', 'read erp', $1, 1), ('job_old', 'digest sources', $2, 1)",
      [JSON.stringify([{ index: 0, columns: [], object: table }]), JSON.stringify(table)],
    );
    const file = "../../registry/migrations/0005_copies_are_sources.sql";
    await session.script(await readFile(new URL(file, import.meta.url), "utf8"));
    const held = await session.query<{ digest: string; kind: string }>(
      "select digest, kind from registry.artifact_references order by digest",
    );
    expect(held).toEqual([
      { digest: events, kind: "source" },
      { digest: table, kind: "source" },
      { digest: upload, kind: "upload" },
    ]);
  });
});
