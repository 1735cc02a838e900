import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { readTemplate } from "@portolan/charter/templates";
import { logisticModel } from "@portolan/onnx-format/testing";
import type { Scoring } from "@portolan/scoring/contract";
import { afterAll, beforeAll, expect, test } from "vitest";
import { must, putInForce } from "./api.ts";
import { type InProcessControl, openControl } from "./in-process.ts";
import { prepareScoring, type ScoringWorld } from "./scoring-world.ts";

let control: InProcessControl;
let world: ScoringWorld;
const post: ScoringWorld["post"] = (...asked) => world.post(...asked);

/** A version of as many inputs, and the endpoint with it. */
async function deploy(version: number, weights: readonly number[]): Promise<void> {
  const { useCaseId } = world.acme;
  const upload = `/v1/artifacts?environment=dev&useCaseId=${useCaseId}`;
  const { digest } = await post(upload, Buffer.from(logisticModel(weights, 0.1)));
  const lineage = { origin: "imported", source: "model.onnx" };
  await post("/v1/models/waits/versions", { useCaseId, artifact: digest, environment: "dev", lineage });
  await post("/v1/endpoints/waits", { environment: "dev", useCaseId, model: "waits", version });
}

beforeAll(async () => {
  control = await openControl();
  world = await prepareScoring(control);
  await deploy(1, [0.5]);
});
afterAll(() => control.close());

/** Runs a scoring whose world changes when it is pinned and before its first chunk. */
async function score(out: string, meanwhile: () => Promise<void>): Promise<Scoring> {
  const asked = {
    environment: "dev",
    endpoint: "waits",
    datasetId: world.datasetId,
    purpose: "staff-planning",
    columns: ["wait"],
  };
  const { id } = await post("/v1/scorings", { ...asked, out }, "sam");
  return world.working(
    () => world.untilOver(String(id)),
    (handler) => ({
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
}

test("a scoring goes on with the version that it pinned, whatever is deployed meanwhile", async () => {
  const scored = await score("pinned", () => deploy(2, [0.5, 0.25, 0.125]));
  expect(scored.failure).toBeUndefined();
  expect(scored.manifest).toMatchObject({
    rows: 48,
    refusedRows: 0,
    plan: { model: { version: 1 } },
    // An integer read; a place, a score of 32 bits and the text waits/1 written.
    bytes: { in: 48 * 8, out: 48 * (8 + 4 + (4 + 7)) },
  });
});

/** A scoring of which an earlier try worked for so long. */
async function startAfter(workedMicros: number, out: string, timeLimitSeconds: number): Promise<string> {
  const resources = { timeLimitSeconds };
  const asked = { environment: "dev", model: "waits", version: 1, datasetId: world.datasetId, resources };
  const body = { ...asked, purpose: "staff-planning", columns: ["wait"], out };
  const id = String((await post("/v1/scorings", body, "sam"))["id"]);
  await control.database.session((session) =>
    session.query("insert into scoring.tries (run_id, try, chunk, worked_micros) values ($1, 1, 0, $2)", [
      id,
      workedMicros,
    ]),
  );
  return id;
}

test("one that works for longer than its time limit is stopped, and has failed for good", async () => {
  let tries = 0;
  // What is left is less than any process needs to start.
  const id = await startAfter(980_000, "limited", 1);
  const ended = await world.working(
    () => world.untilOver(id),
    (handler) => ({
      ...handler,
      run: (job) =>
        handler.run({
          ...job,
          effect: (name, work) => {
            if (name === "score 0") tries++;
            return job.effect(name, work);
          },
        }),
    }),
  );
  expect(ended).toMatchObject({
    state: "failed",
    request: { resources: { timeLimitSeconds: 1 } },
    failure: expect.stringContaining("it worked for the 1s") as string,
  });
  expect(ended).not.toHaveProperty("manifest");
  expect(tries).toBe(1);
  expect(await chunkFolders(), "its process has ended").toEqual([]);
});

test("what tries that came to nothing worked is of its time limit, and a chunk that is kept leaves no try behind", async () => {
  const [spent, within] = [
    await startAfter(60_000_000, "spent", 60),
    await startAfter(1_000_000, "within", 60),
  ];
  const [failed, ready] = await world.working(async () => [
    await world.untilOver(spent),
    await world.untilOver(within),
  ]);
  expect(failed).toMatchObject({ state: "failed", failure: expect.stringContaining("1min") as string });
  expect(ready?.state).toBe("ready");
  const left = await control.database.session((session) =>
    session.query("select try from scoring.tries where run_id = $1", [within]),
  );
  expect(left, "the one that failed").toEqual([{ try: 1 }]);
});

const chunkFolders = async (): Promise<string[]> =>
  (await readdir(join(control.home, "work"))).filter((name) => name.startsWith("chunk-"));

test("a scoring that waits for its window keeps no other from running", async () => {
  const hour = (ahead: number): string =>
    new Date(Date.now() + ahead * 3_600_000).toISOString().slice(11, 16);
  const asked = {
    environment: "dev",
    model: "waits",
    version: 1,
    datasetId: world.datasetId,
    purpose: "staff-planning",
    columns: ["wait"],
  };
  const windows = [{ from: hour(2), to: hour(3) }];
  const waiting = await post("/v1/scorings", { ...asked, out: "waits", windows }, "sam");
  const at = await post("/v1/scorings", { ...asked, out: "at-once" }, "sam");
  await world.working(async () => {
    expect((await world.untilOver(String(at["id"]))).state).toBe("ready");
    const job = await must(
      control,
      "GET",
      `/v1/jobs/${String(waiting["job"])}`,
      undefined,
      await control.token("sam"),
    );
    expect(job).toMatchObject({ state: "waiting", note: "waits for its window" });
  });
});

test("what the policies on data deny or mask is never scored, nor put beside scores; what nobody reads may be hidden", async () => {
  const policy = async (name: string, text: string) => {
    const document = `kind: AccessPolicy\nname: ${name}\ncontracts: [visits]\n${text}\n`;
    await must(control, "PUT", `/v1/access-policies/${name}`, { document }, await control.token("ada"));
  };
  const { datasetId } = world;
  const asked = {
    environment: "dev",
    model: "waits",
    version: 1,
    datasetId,
    purpose: "staff-planning",
    columns: ["wait"],
  };
  const start = async (more: object = {}) =>
    control.call("POST", "/v1/scorings", { ...asked, out: "policed", ...more }, await control.token("sam"));
  const refused = async (more: object, why: string) => {
    const answer = await start(more);
    expect([answer.status, answer.text]).toEqual([403, expect.stringContaining(why) as string]);
  };
  await policy("staff", "effect: allow\npurposes: [care]");
  await refused({}, "no policy allows visits for the purpose staff-planning");
  await policy("staff", "effect: allow\npurposes: [staff-planning]");
  await policy("places", "effect: restrict\nmasks: [{ columns: [place], with: pseudonym }]");
  await refused({ keys: ["place"] }, "places masks place");
  await policy("waits", "effect: deny\ncolumns: [wait]");
  await refused({}, "no column is allowed");
  await policy("waits", "effect: restrict\nrows: wait < 20");
  await refused({}, "waits keeps rows back");
  await policy("waits", "effect: restrict");
  const { id } = await post("/v1/scorings", { ...asked, out: "policed" }, "sam");
  const scored = await world.working(() => world.untilOver(String(id)));
  expect(scored.manifest?.plan.access).toMatchObject({
    purpose: "staff-planning",
    policies: ["places", "staff", "waits"],
  });

  const { useCaseId } = world.acme;
  await post("/v1/endpoints/waits", { environment: "dev", useCaseId, model: "waits", version: 1 });
  const ended = await score("taken", () => policy("waits", "effect: deny\ncolumns: [wait]"));
  expect(ended.failure).toContain("may not be scored: no column is allowed");
  for (const name of ["staff", "places", "waits"])
    await must(control, "DELETE", `/v1/access-policies/${name}`, undefined, await control.token("ada"));
});

test("what the charter takes away meanwhile ends it", async () => {
  await post("/v1/endpoints/waits", {
    environment: "dev",
    useCaseId: world.acme.useCaseId,
    model: "waits",
    version: 1,
  });
  const other = readTemplate("flight-delays").replaceAll("staff-planning", "crew-planning");
  const scored = await score("ended", async () => void (await putInForce(control, other)));
  expect(scored.state).toBe("failed");
  expect(scored.failure).toContain("the charter does not allow this purpose");
});
