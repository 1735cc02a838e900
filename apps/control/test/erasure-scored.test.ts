import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readTemplate } from "@portolan/charter/templates";
import { createJobQueue, startJobWorker } from "@portolan/database";
import { createDuckDbEngine } from "@portolan/duckdb";
import { createLogger, environments, type Id, type JobHandler, systemClock } from "@portolan/kernel";
import { logisticModel } from "@portolan/onnx-format/testing";
import { aCall } from "@portolan/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { datasetPlace } from "../../../packages/data/src/erasure/data-places.ts";
import { withoutRows } from "../../../packages/data/src/erasure/survey.ts";
import { type Acme, bootstrapAcme, must, putInForce } from "./api.ts";
import { type InProcessControl, openControl } from "./in-process.ts";
import { visitsContract } from "./visits.ts";

let control: InProcessControl;
let acme: Acme;
let datasetId: string;

const document = visitsContract.replace(
  "      - name: place\n",
  "      - name: visitor\n        logicalType: string\n        customProperties: [{ property: portolan.subject, value: true }]\n      - name: place\n",
);
const csv = `seen_at,visitor,place,wait
2026-03-01T10:00:00Z,visitor-4711,north,3
2026-03-01T11:00:00Z,visitor-0815,south,5
2026-03-01T12:00:00Z,visitor-2222,south,4
`;

const post = async (path: string, body: unknown, as = "ci") =>
  must(control, path.startsWith("/v1/endpoints") ? "PUT" : "POST", path, body, await control.token(as));
const read = async (path: string, as = "ci") =>
  must(control, "GET", path, undefined, await control.token(as));

beforeAll(async () => {
  control = await openControl();
  acme = await bootstrapAcme(control, control.secret);
  await putInForce(control, readTemplate("flight-delays"));
  await post("/v1/users", { name: "max", displayName: "max" }, "ada");
  const scope = { kind: "organisation", id: acme.organisationId };
  const held = { principal: "max", role: "data_scientist", scope, environments: [...environments] };
  await post("/v1/role-bindings", held, "ada");
  await must(control, "PUT", "/v1/contracts/visits", { document }, await control.token("max"));
  const place = { environment: "dev", useCaseId: acme.useCaseId };
  const upload = `/v1/artifacts?${new URLSearchParams(place).toString()}`;
  const { digest } = await post(upload, Buffer.from(csv));
  const sources = [{ object: digest, format: "csv" }];
  const { id } = await post("/v1/ingestions", { contract: "visits", ...place, sources });
  await control.runJobs(control.jobs.data);
  datasetId = String((await read(`/v1/ingestions/${String(id)}`))["datasetId"]);
  const model = await post(upload, Buffer.from(logisticModel([0.5], 0.1)));
  const lineage = { origin: "imported", source: "model.onnx" };
  await post("/v1/models/waits/versions", { ...place, artifact: model["digest"], lineage });
  await post("/v1/endpoints/waits", { ...place, model: "waits", version: 1 });
});
afterAll(() => control.close());

const fails = (): Promise<void> => Promise.reject(new Error("the disk is full"));

/** What an erasure does to the dataset between two looks of work that is under way. */
async function rewritten(subject: string): Promise<void> {
  const organisationId = acme.organisationId as Id<"organisation">;
  const call = aCall({ organisationId });
  const scope = { organisationId, environments: ["dev"], subject, columns: [] } as const;
  const { work, objects, home } = control;
  const reader = { objects, engine: createDuckDbEngine(), workFolder: join(home, "work") };
  for (const object of await work.read(call, (sql) => datasetPlace.list(sql, scope))) {
    const after = await withoutRows(reader, subject, [object]);
    await work.write(call, (tx) => datasetPlace.succeed(tx, scope, { before: object.digest, after }));
  }
}

/** A scoring with the visitors beside the scores, which meets something at a step, or is done. */
async function scored(out: string, at?: string, does = fails): Promise<Record<string, unknown>> {
  const asked = { environment: "dev", endpoint: "waits", datasetId, purpose: "staff-planning" };
  const { id } = await post("/v1/scorings", { ...asked, columns: ["wait"], keys: ["visitor"], out }, "sam");
  const handlers = control.jobs.scoring.map(
    (handler): JobHandler => ({
      ...handler,
      retries: 0,
      run: (job) =>
        handler.run({
          ...job,
          effect: async (name, work) => {
            if (name === at) await does();
            return job.effect(name, work);
          },
        }),
    }),
  );
  const { database, work: uow } = control;
  const log = createLogger({ name: "erasure-scored", level: "silent" });
  const jobs = createJobQueue(database);
  const worker = await startJobWorker({ database, uow, jobs, clock: systemClock, handlers, log });
  try {
    for (;;) {
      const found = await read(`/v1/scorings/${String(id)}`, "sam");
      if (["ready", "failed"].includes(String(found["state"]))) return found;
      await sleep(50);
    }
  } finally {
    await worker.stop();
  }
}

async function erased(subject: string): Promise<unknown> {
  const order = { subject, reason: "asked for by the person", environments: ["dev"] };
  const { id } = await post("/v1/data-erasures", order, "ada");
  await control.runJobs(control.jobs.erasure);
  return read(`/v1/data-erasures/${String(id)}`, "ada");
}

test("scores are read through the policies on what the model looked at, what stands beside them through its own", async () => {
  const ready = await scored("read");
  const { object } = ready["manifest"] as { object: string };
  const allow = "effect: allow\npurposes: [care]\ncontracts: [visits]\n";
  const mask = (column: string) => `effect: restrict\nmasks: [{ columns: [${column}], with: pseudonym }]\n`;
  const policy = async (name: string, text: string) => {
    const document = `kind: AccessPolicy\nname: ${name}\n${text}`;
    await must(control, "PUT", `/v1/access-policies/${name}`, { document }, await control.token("ada"));
  };
  const asked = { purpose: "care", limit: 1 };
  const rows = async () => {
    const { rows: found } = await post(`/v1/datasets/${String(ready["id"])}/reads`, asked, "sam");
    return (found as Record<string, unknown>[])[0] ?? {};
  };
  const bytes = async (purpose: string) =>
    (
      await control.call(
        "GET",
        `/v1/artifacts/${object}?purpose=${purpose}`,
        undefined,
        await control.token("sam"),
      )
    ).status;
  expect(await bytes("care")).toBe(403);
  await policy("care", allow);
  const clear = await rows();
  const names = Object.keys(clear).filter((name) => !["_row", "_refused", "visitor"].includes(name));
  expect(names.length).toBeGreaterThan(0);
  expect(clear["visitor"]).toBe("visitor-4711");
  expect([await bytes("care"), await bytes("other")]).toEqual([200, 403]);
  await policy("visitors", mask("visitor"));
  const hidden = await rows();
  expect(hidden).toEqual({ ...clear, visitor: expect.stringMatching(/^p[0-9a-f]{32}$/) as string });
  await policy("waits", mask("wait"));
  const masked = await rows();
  for (const name of names) expect(masked[name], name).toMatch(/^p[0-9a-f]{32}$/);
  expect(await bytes("care")).toBe(403);
  for (const name of ["care", "visitors", "waits"])
    await must(control, "DELETE", `/v1/access-policies/${name}`, undefined, await control.token("ada"));
});

test("chunks of a scoring that failed go as those of one that is ready, which is withdrawn", async () => {
  expect((await scored("failed", "merge"))["state"]).toBe("failed");
  const went = { "dataset snapshots": 1, "scored snapshots": 1 };
  expect(await erased("visitor-4711")).toMatchObject({
    state: "erased",
    report: { erased: went, remains: [] },
  });
  const ready = await scored("ready");
  expect(ready["state"]).toBe("ready");
  expect(await erased("visitor-2222")).toMatchObject({
    state: "erased",
    report: { erased: went, remains: [] },
  });
  expect(await read(`/v1/scorings/${String(ready["id"])}`, "sam")).toMatchObject({
    state: "failed",
    failure: expect.stringContaining("score it again") as string,
  });
  // What went before is not looked for again.
  expect(await erased("visitor-4711")).toMatchObject({ state: "erased", report: { erased: {} } });
});

test("a scoring that read rows which are gone since publishes none of them; what it kept goes with the next order", async () => {
  const late = await scored("late", "merge", () => rewritten("visitor-0815"));
  expect(late).toMatchObject({
    state: "failed",
    failure: expect.stringContaining("are gone since") as string,
  });
  // Nothing in the chunk tells whose row it was: it goes whoever the order is about.
  expect(await erased("visitor-9999")).toMatchObject({
    state: "erased",
    report: { erased: { "scored snapshots": 1 }, remains: [] },
  });
  expect(await erased("visitor-9999")).toMatchObject({ report: { found: [], erased: {} } });
});
