import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Environment, type Id, newId, parseId, type Secret, systemClock } from "@portolan/kernel";
import { aCall } from "@portolan/testkit";
import { type Acme, must } from "./api.ts";
import type { InProcessControl } from "./in-process.ts";

/** A run of an attempt that is open: as a training job leaves it while its trainer works. */
export interface OpenRun {
  readonly id: Id<"trainingRun">;
  readonly token: Secret;
  /** Where the trainer's calls are taken, in `folder`. */
  readonly socket: string;
  readonly folder: string;
  /** Ends the attempt. */
  readonly close: () => Promise<void>;
}

/** Started by `principal`, a name; the row is the one that a training job works on. */
export async function openRun(
  control: InProcessControl,
  acme: Acme,
  { principal, environment, folder }: { principal: string; environment: Environment; folder?: string },
): Promise<OpenRun> {
  const { id: startedBy } = await must(
    control,
    "GET",
    "/v1/whoami",
    undefined,
    await control.token(principal),
  );
  const now = systemClock.now();
  const id = newId("trainingRun", now);
  const request = {
    environment,
    useCaseId: acme.useCaseId,
    trainingSetId: "ts",
    code: "c",
    locks: {},
    params: {},
    seed: 1,
  };
  await control.database.session((session) =>
    session.query(
      `insert into training.runs (id, organisation_id, environment, use_case_id, request, state, started_by, started_at)
       values ($1, $2, $3, $4, $5, 'running', $6, $7)`,
      [id, acme.organisationId, environment, acme.useCaseId, JSON.stringify(request), startedBy, now],
    ),
  );
  const place = folder ?? (await mkdtemp(join(tmpdir(), "portolan-run-")));
  control.alsoClose(() => rm(place, { recursive: true, force: true }));
  const organisationId = parseId("organisation", acme.organisationId);
  const call = aCall({ id: String(startedBy), ...(organisationId ? { organisationId } : {}) });
  const socket = join(place, "tracking.sock");
  const attempt = { runId: id, environment, useCaseId: acme.useCaseId, lifetimeMs: 60_000 };
  const { token, close } = await control.tracking.open(call, attempt, socket);
  return { id, token, socket, folder: place, close };
}
