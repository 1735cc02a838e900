// Control's archiving as a process of its own, to be killed: node archive-child.ts <home> <fill | after_file | after_commit | midway | check>
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { createJobQueue, createUnitOfWork, migrate, openDatabase } from "@portolan/database";
import { systemClock } from "@portolan/kernel";
import { createRecorder, ledgerMigrations, recordBatchDigest } from "@portolan/ledger";
import { aCall, testAuthorizer } from "@portolan/testkit";
import { archivePredictions, removeLeftovers } from "../src/archive/archive-predictions.ts";
import { acceptBlocks } from "../src/control/accept-blocks.ts";
import { closedBlocks, readFrom } from "../src/format/reader.ts";
import { listSegments } from "../src/format/segment.ts";
import { createPredictionsDeps, listPredictions, PartFiles, predictionsMigrations } from "../src/index.ts";
import { openPredictionWriter } from "../src/writer/writer.ts";
import { aContext, aRecord, clock, organisationId, writerId } from "./records.ts";

const [, , home = "", step = "check"] = process.argv;
const starts = 6;
const perStart = 10;

const die = (): void => void process.kill(process.pid, "SIGKILL");

/** Ends the process at the named point of the hand-over. */
class DyingFiles extends PartFiles {
  override async archive(...args: Parameters<PartFiles["archive"]>): ReturnType<PartFiles["archive"]> {
    if (step === "midway") setTimeout(die, 150); // about when the thread writes
    const made = await super.archive(...args);
    if (step === "after_file") die();
    return made;
  }
  override async remove(files: readonly string[]): Promise<void> {
    if (step === "after_commit") die();
    if (step === "while_removing") {
      await super.remove(files.slice(0, 1));
      die();
    }
    await super.remove(files);
  }
}

mkdirSync(join(home, "pglite"), { recursive: true });
const database = await openDatabase({ kind: "pglite", folder: join(home, "pglite") });
await migrate(database, [ledgerMigrations, predictionsMigrations], systemClock);
const jobs = createJobQueue(database);
const uow = createUnitOfWork({ database, clock: systemClock, recorder: createRecorder(), jobs });
const authorizer = testAuthorizer({ all: ["predictions:deliver", "predictions:read"] });
const accepted = join(home, "accepted");
const deps = createPredictionsDeps(
  { uow, authorizer, clock: systemClock, recordBatch: recordBatchDigest },
  accepted,
);
const call = () => aCall({ kind: "service_account", id: "sa_gateway", organisationId, roles: ["all"] });

async function fill(): Promise<void> {
  const folder = join(home, "log");
  for (let start = 0; start < starts; start++) {
    const writer = await openPredictionWriter({ folder, writerId, clock, reserveBytes: 4096 });
    for (let n = 0; n < perStart; n++)
      await writer.append(aRecord(aContext(), start * perStart + n), { durability: "buffered" });
    await writer.close();
  }
  for (const { path } of listSegments(folder))
    for (const { bytes } of closedBlocks(readFrom(path, 0, 1e8))) await acceptBlocks(deps, call(), bytes);
}

const policy = { fromRows: 1, fromAgeMs: 0, maxRows: 15, maxBytes: 1e6 };
if (step === "fill") await fill();
else if (step === "check") {
  const removed = await removeLeftovers(deps, organisationId);
  const last = await archivePredictions(deps, { policy });
  const { predictions } = await listPredictions(deps, call(), { limit: 1000 });
  const requests = predictions.map(({ header }) => header.requestId).toSorted();
  const files = await deps.files.list(organisationId);
  process.stdout.write(JSON.stringify({ removed, last, requests, files: files.length }));
} else {
  await removeLeftovers(deps, organisationId);
  await archivePredictions({ ...deps, files: new DyingFiles(accepted) }, { policy });
}
await database.close();
