import { setTimeout as sleep } from "node:timers/promises";
import { readTemplate } from "@portolan/charter/templates";
import { createJobQueue, startJobWorker } from "@portolan/database";
import { createLogger, environments, type JobHandler, systemClock } from "@portolan/kernel";
import { logisticModel } from "@portolan/onnx-format/testing";
import type { Scoring } from "@portolan/scoring/contract";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Acme, bootstrapAcme, must, putInForce } from "./api.ts";
import { type InProcessControl, openControl } from "./in-process.ts";
import { visitsContract, visitsCsv } from "./visits.ts";

let control: InProcessControl;
let acme: Acme;
let datasetId: string;

const post = async (path: string, body: unknown, as = "ci") =>
  must(control, path.startsWith("/v1/endpoints") ? "PUT" : "POST", path, body, await control.token(as));

/** A version of as many inputs, and the endpoint with it. */
async function deploy(version: number, weights: readonly number[]): Promise<void> {
  const { useCaseId } = acme;
  const upload = `/v1/artifacts?environment=dev&useCaseId=${useCaseId}`;
  const { digest } = await post(upload, Buffer.from(logisticModel(weights, 0.1)));
  const lineage = { origin: "imported", source: "model.onnx" };
  await post("/v1/models/waits/versions", { useCaseId, artifact: digest, environment: "dev", lineage });
  await post("/v1/endpoints/waits", { environment: "dev", useCaseId, model: "waits", version });
}

beforeAll(async () => {
  control = await openControl();
  acme = await bootstrapAcme(control, control.secret);
  await putInForce(control, readTemplate("flight-delays"));
  await post("/v1/users", { name: "max", displayName: "max" }, "ada");
  const scope = { kind: "organisation", id: acme.organisationId };
  const held = { principal: "max", role: "data_scientist", scope, environments: [...environments] };
  await post("/v1/role-bindings", held, "ada");
  const max = await control.token("max");
  await must(control, "PUT", "/v1/contracts/visits", { document: visitsContract }, max);
  const place = { environment: "dev", useCaseId: acme.useCaseId };
  const { digest } = await post(
    `/v1/artifacts?${new URLSearchParams(place).toString()}`,
    Buffer.from(visitsCsv),
  );
  const sources = [{ object: digest, format: "csv" }];
  const { id } = await post("/v1/ingestions", { contract: "visits", ...place, sources });
  await control.runJobs(control.jobs.data);
  const found = await must(
    control,
    "GET",
    `/v1/ingestions/${String(id)}`,
    undefined,
    await control.token("ci"),
  );
  datasetId = String(found["datasetId"]);
  await deploy(1, [0.5]);
});
afterAll(() => control.close());

async function untilOver(id: string): Promise<Scoring> {
  for (;;) {
    const token = await control.token("sam");
    const found = await must(control, "GET", `/v1/scorings/${id}`, undefined, token);
    if (["ready", "failed"].includes(String(found["state"]))) return found as unknown as Scoring;
    await sleep(50);
  }
}

/** Runs a scoring whose world changes when it is pinned and before its first chunk. */
async function score(out: string, meanwhile: () => Promise<void>): Promise<Scoring> {
  const asked = {
    environment: "dev",
    endpoint: "waits",
    datasetId,
    purpose: "staff-planning",
    columns: ["wait"],
  };
  const { id } = await post("/v1/scorings", { ...asked, out }, "sam");
  const handlers = control.jobs.scoring.map(
    (handler): JobHandler => ({
      ...handler,
      retries: 0,
      run: (job) =>
        handler.run({
          ...job,
          effect: async (name, work) => {
            if (name === "score 0") await meanwhile();
            return job.effect(name, work);
          },
        }),
    }),
  );
  const { database, work: uow } = control;
  const log = createLogger({ name: "scoring-pins", level: "error" });
  const jobs = createJobQueue(database);
  const worker = await startJobWorker({ database, uow, jobs, clock: systemClock, handlers, log });
  try {
    return await untilOver(String(id));
  } finally {
    await worker.stop();
  }
}

test("a scoring goes on with the version that it pinned, whatever is deployed meanwhile", async () => {
  const scored = await score("pinned", () => deploy(2, [0.5, 0.25, 0.125]));
  expect(scored.failure).toBeUndefined();
  expect(scored.manifest).toMatchObject({ rows: 48, refusedRows: 0, plan: { model: { version: 1 } } });
});

test("a scoring that waits for its window keeps no other from running", async () => {
  const hour = (ahead: number): string =>
    new Date(Date.now() + ahead * 3_600_000).toISOString().slice(11, 16);
  const asked = {
    environment: "dev",
    model: "waits",
    version: 1,
    datasetId,
    purpose: "staff-planning",
    columns: ["wait"],
  };
  const windows = [{ from: hour(2), to: hour(3) }];
  const waiting = await post("/v1/scorings", { ...asked, out: "waits", windows }, "sam");
  const at = await post("/v1/scorings", { ...asked, out: "at-once" }, "sam");
  const { database, work: uow } = control;
  const log = createLogger({ name: "scoring-pins", level: "error" });
  const deps = { database, uow, jobs: createJobQueue(database), clock: systemClock, log };
  const worker = await startJobWorker({ ...deps, handlers: control.jobs.scoring });
  try {
    expect((await untilOver(String(at["id"]))).state).toBe("ready");
    const job = await must(
      control,
      "GET",
      `/v1/jobs/${String(waiting["job"])}`,
      undefined,
      await control.token("sam"),
    );
    expect(job).toMatchObject({ state: "waiting", note: "waits for its window" });
  } finally {
    await worker.stop();
  }
});

test("what the charter takes away meanwhile ends it", async () => {
  await post("/v1/endpoints/waits", {
    environment: "dev",
    useCaseId: acme.useCaseId,
    model: "waits",
    version: 1,
  });
  const other = readTemplate("flight-delays").replaceAll("staff-planning", "crew-planning");
  const scored = await score("ended", async () => void (await putInForce(control, other)));
  expect(scored.state).toBe("failed");
  expect(scored.failure).toContain("the charter does not allow this purpose");
});
