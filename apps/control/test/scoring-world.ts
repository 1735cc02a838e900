import { setTimeout as sleep } from "node:timers/promises";
import { readTemplate } from "@portolan/charter/templates";
import { createJobQueue, startJobWorker } from "@portolan/database";
import { createLogger, environments, type JobHandler, systemClock } from "@portolan/kernel";
import type { Scoring } from "@portolan/scoring/contract";
import { type Acme, bootstrapAcme, must, putInForce } from "./api.ts";
import type { InProcessControl } from "./in-process.ts";
import { visitsContract, visitsCsv } from "./visits.ts";

export interface ScoringWorld {
  readonly acme: Acme;
  /** 48 rows with a column `wait`. */
  readonly datasetId: string;
  /** `PUT` for endpoints. */
  readonly post: (path: string, body: unknown, as?: string) => ReturnType<typeof must>;
  readonly untilOver: (id: string) => Promise<Scoring>;
  /** Works off scorings meanwhile. @param change what the job is given instead of its own handler */
  readonly working: <T>(work: () => Promise<T>, change?: (handler: JobHandler) => JobHandler) => Promise<T>;
}

/** A charter in force, a snapshot, and somebody who may score it: `sam`. */
export async function prepareScoring(
  control: InProcessControl,
  charter = readTemplate("flight-delays"),
): Promise<ScoringWorld> {
  const post: ScoringWorld["post"] = async (path, body, as = "ci") =>
    must(control, path.startsWith("/v1/endpoints") ? "PUT" : "POST", path, body, await control.token(as));
  const get = async (path: string, as: string) =>
    must(control, "GET", path, undefined, await control.token(as));
  const acme = await bootstrapAcme(control, control.secret);
  await putInForce(control, charter);
  await post("/v1/users", { name: "max", displayName: "max" }, "ada");
  const scope = { kind: "organisation", id: acme.organisationId };
  const held = { principal: "max", role: "data_scientist", scope, environments: [...environments] };
  await post("/v1/role-bindings", held, "ada");
  const max = await control.token("max");
  await must(control, "PUT", "/v1/contracts/visits", { document: visitsContract }, max);
  const place = { environment: "dev", useCaseId: acme.useCaseId };
  const upload = `/v1/artifacts?${new URLSearchParams(place).toString()}`;
  const { digest } = await post(upload, Buffer.from(visitsCsv));
  const sources = [{ object: digest, format: "csv" }];
  const { id } = await post("/v1/ingestions", { contract: "visits", ...place, sources });
  await control.runJobs(control.jobs.data);
  const { datasetId } = await get(`/v1/ingestions/${String(id)}`, "ci");
  return {
    acme,
    datasetId: String(datasetId),
    post,
    untilOver: async (scoring) => {
      for (;;) {
        const found = await get(`/v1/scorings/${scoring}`, "sam");
        if (["ready", "failed"].includes(String(found["state"]))) return found as unknown as Scoring;
        await sleep(50);
      }
    },
    working: async (work, change = (handler) => handler) => {
      const { database, work: uow } = control;
      const log = createLogger({ name: "scoring", level: "error" });
      const deps = { database, uow, jobs: createJobQueue(database), clock: systemClock, log };
      const worker = await startJobWorker({ ...deps, handlers: control.jobs.scoring.map(change) });
      try {
        return await work();
      } finally {
        await worker.stop();
      }
    },
  };
}
