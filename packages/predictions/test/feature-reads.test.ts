import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asEpochMicros, newId } from "@portolan/kernel";
import { sql } from "kysely";
import { expect, onTestFinished, test } from "vitest";
import { acceptBlocks } from "../src/control/accept-blocks.ts";
import { closedBlocks } from "../src/format/reader.ts";
import { listSegments } from "../src/format/segment.ts";
import { openPredictionWriter } from "../src/writer/writer.ts";
import { startTestControl } from "./control.ts";
import { aContext, clock, organisationId, otherOrganisationId } from "./records.ts";

test("reads of features are rows in the ledger of whose they are, once, however often their block comes (features.md, F69)", async () => {
  const control = await startTestControl();
  onTestFinished(() => control.close());
  const own = mkdtempSync(join(tmpdir(), "predictions-reads-"));
  onTestFinished(() => rmSync(own, { recursive: true, force: true }));
  const writer = await openPredictionWriter({
    folder: own,
    writerId: newId("writer", clock.now()),
    clock,
    reserveBytes: 4096,
  });
  const read = (organisation: string, entities: number) =>
    writer.noteRead({
      context: aContext(organisation),
      principal: "sa_reader",
      purpose: "care",
      requestId: "r",
      receivedAt: asEpochMicros(7),
      views: ["accounts@1", "visits@2"],
      entities,
    });
  for (const entities of [3, 4, 5]) await read(organisationId, entities);
  await read(otherOrganisationId, 1);
  await writer.close();
  const delivery = Buffer.concat(
    listSegments(own).flatMap(({ path }) => [...closedBlocks(readFileSync(path))].map(({ bytes }) => bytes)),
  );
  for (let turn = 0; turn < 2; turn += 1)
    expect(await acceptBlocks(control.deps, control.gateway(), delivery)).toMatchObject({ kind: "accepted" });
  const { rows: found } = await sql<{ organisation_id: string; payload: Buffer }>`
    select organisation_id, payload from ledger.rows where event = 'features.values.read'`.execute(
    control.sql,
  );
  const told = found.map(({ organisation_id: organisation, payload }) => {
    const { purpose, detail } = JSON.parse(Buffer.from(payload).toString()) as {
      purpose: string;
      detail: { readonly entities: number };
    };
    return { organisation, purpose, ...detail };
  });
  const row = (organisation: string, count: number, entities: number) => ({
    organisation,
    purpose: "care",
    principal: "sa_reader",
    endpoint: "delays",
    environment: "production",
    views: ["accounts@1", "visits@2"],
    gateway: "sa_gateway",
    from: 7,
    until: 7,
    count,
    entities,
  });
  // The first of each organisation, and what came after it in one. Rows of one instant have no order among them.
  const inOrder = told.toSorted((a, b) => a.entities - b.entities);
  expect(inOrder).toMatchObject([
    row(otherOrganisationId, 1, 1),
    row(organisationId, 1, 3),
    row(organisationId, 2, 9),
  ]);
});
