import { randomUUID } from "node:crypto";
import { sql as raw } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { LineageGraph } from "../src/contract.ts";
import { aFacet, aRunEvent, aTable, schemaFacet } from "./events.ts";
import { type LineageFixture, lineageFixture } from "./lineage-fixture.ts";

let api: LineageFixture;
beforeAll(async () => {
  api = await lineageFixture();
});
afterAll(() => api.close());
beforeEach(() => api.as({}));

async function graphOf(nodeId: string, query: Record<string, string> = {}): Promise<LineageGraph> {
  const answer = await api.get("lineage", { nodeId, ...query });
  expect(answer.status, JSON.stringify(answer.body)).toBe(200);
  return answer.body as unknown as LineageGraph;
}

async function nodeOf(id: string) {
  const { graph } = await graphOf(id);
  return graph.find((node) => node.id === id)?.data;
}

const table = (name: string) => `dataset:postgres://db:5432:shop.public.${name}`;
const rowsOf = async (query: string) => (await raw.raw<{ n: number }>(query).execute(api.db.sql)).rows[0]?.n;

describe("events", () => {
  test("facets of a run, its job and datasets add up over its events, and a deleted one is gone", async () => {
    const runId = randomUUID();
    const documentation = aFacet("DocumentationDatasetFacet", "1-1-0", { description: "Orders" });
    await api.post(
      aRunEvent({
        runId,
        eventType: "START",
        inputs: [aTable("orders", { schema: schemaFacet("id"), documentation })],
        runFacets: { unknown_thing: aFacet("Custom", "0-0-1", { anything: [1, { deep: true }] }) },
      }),
    );
    const end = await api.post(
      aRunEvent({
        runId,
        eventTime: "2026-11-26T08:05:00Z",
        inputs: [aTable("orders", { documentation: { ...documentation, _deleted: true } })],
        outputs: [aTable("totals", { schema: schemaFacet("sum") })],
        jobFacets: { sql: aFacet("SQLJobFacet", "1-1-0", { query: "select 1" }) },
      }),
    );
    expect(end).toEqual({ status: 201, body: {} });
    const { graph, flows } = await graphOf(table("totals"));
    expect(flows).toEqual([
      { job: "job:airflow:load", inputs: [table("orders")], outputs: [table("totals")] },
    ]);
    const at = (id: string) => graph.find((node) => node.id === id)?.data;
    expect(Object.keys(at(table("orders"))?.facets ?? {})).toEqual(["schema"]);
    expect(at("job:airflow:load")?.facets["sql"]).toMatchObject({ query: "select 1" });
    expect(at("job:airflow:load")?.latestRun).toMatchObject({
      runId,
      state: "completed",
      facets: { unknown_thing: { anything: [1, { deep: true }] } },
    });
  });

  test("the same event again is taken and changes nothing, in the graph and in the ledger", async () => {
    const event = aRunEvent({ job: "again", inputs: [aTable("a")], outputs: [aTable("b")] });
    const counts = () =>
      Promise.all(
        ["lineage.events", "lineage.flows", "lineage.runs", "ledger.rows"].map((name) =>
          rowsOf(`select count(*)::int as n from ${name}`),
        ),
      );
    expect((await api.post(event)).status).toBe(201);
    const before = await counts();
    expect((await api.post(event)).status).toBe(201);
    expect(await counts()).toEqual(before);
  });

  test("an older event that comes later does not undo a newer one, to the nanosecond", async () => {
    const say = (description: string, eventTime: string, more: object = {}) =>
      api.post(
        aRunEvent({
          eventTime,
          job: "late",
          outputs: [
            aTable("late", {
              documentation: aFacet("DocumentationDatasetFacet", "1-1-0", { description, ...more }),
            }),
          ],
        }),
      );
    const text = async () => (await nodeOf(table("late")))?.facets["documentation"]?.["description"];
    await say("second", "2026-11-26T08:00:00.000000002Z");
    await say("first", "2026-11-26T08:00:00.000000001Z");
    expect(await text()).toBe("second");
    await say("", "2026-11-26T08:00:00.000000003", { _deleted: true });
    await say("second again", "2026-11-26T08:00:00.000000002Z");
    expect(await text()).toBeUndefined();
  });

  test("a run ends once: another end is refused, later facets and the same end are taken", async () => {
    const runId = randomUUID();
    const send = (eventType: string | null, eventTime: string) =>
      api.post(aRunEvent({ runId, job: "ends", eventType, eventTime, outputs: [aTable("ends")] }));
    expect((await send("COMPLETE", "2026-11-26T09:00:00Z")).status).toBe(201);
    expect((await send("START", "2026-11-26T08:00:00Z")).status).toBe(201);
    expect(await send("FAIL", "2026-11-26T09:01:00Z")).toMatchObject({
      status: 409,
      body: { code: "lineage.run_ended", detail: expect.stringContaining("completed") },
    });
    for (const type of ["COMPLETE", "OTHER", "RUNNING", null])
      expect((await send(type, "2026-11-26T09:02:00Z")).status).toBe(201);
    expect((await nodeOf("job:airflow:ends"))?.latestRun).toMatchObject({ state: "completed" });
  });

  test("events of one run that come at once are all taken, and add up", async () => {
    const runId = randomUUID();
    const sent = Array.from({ length: 8 }, (_, n) =>
      aRunEvent({
        runId,
        job: "crowd",
        eventType: "RUNNING",
        inputs: [aTable(`crowd-${n}`)],
        outputs: [aTable("crowd")],
      }),
    );
    const answers = await Promise.all(sent.map((event) => api.post(event)));
    expect(answers.map(({ status }) => status)).toEqual(sent.map(() => 201));
    const { flows } = await graphOf(table("crowd"), { direction: "upstream" });
    expect(flows.map(({ inputs }) => inputs.length)).toEqual([8]);
  });

  test("job and dataset events need no run; a job event says anew what the job reads", async () => {
    const {
      run: _,
      eventType: __,
      ...job
    } = aRunEvent({ job: "view", inputs: [aTable("old")], outputs: [aTable("view")] });
    await api.post(job);
    await api.post({ ...job, eventTime: "2026-11-26T10:00:00Z", inputs: [aTable("new")] });
    const { flows } = await graphOf(table("view"), { direction: "upstream" });
    expect(flows.map(({ inputs }) => inputs)).toEqual([[table("new")]]);
    const { eventTime, producer } = job;
    const dataset = aTable("alone", { schema: schemaFacet("x") });
    expect((await api.post({ eventTime, producer, dataset })).status).toBe(201);
    expect((await nodeOf(table("alone")))?.facets["schema"]).toBeDefined();
  });

  test.each([
    ["nothing", {}, ""],
    ["no run id", { ...aRunEvent(), run: {} }, "/run"],
    ["a run id that is no UUID", { ...aRunEvent(), run: { runId: "7" } }, "/run/runId"],
    ["no job name", { ...aRunEvent(), job: { namespace: "n" } }, "/job"],
    ["an unknown type", aRunEvent({ eventType: "DONE" }), "/eventType"],
    ["no time", aRunEvent({ eventTime: "yesterday" }), "/eventTime"],
    ["inputs that are none", { ...aRunEvent(), inputs: [{ name: "x" }] }, "/inputs/0"],
    [
      "a facet that is a text",
      aRunEvent({ outputs: [aTable("x", { schema: "wide" })] }),
      "/outputs/0/facets/schema",
    ],
    ["too many datasets", aRunEvent({ inputs: Array.from({ length: 1001 }, () => aTable("x")) }), "/inputs"],
  ])("an event with %s is a 400 that says where", async (_name, event, pointer) => {
    const { status, body } = await api.post(event);
    expect(status).toBe(400);
    expect(body).toMatchObject({ code: "lineage.invalid_event", mend: expect.any(String) });
    expect((body["violations"] as { at: { pointer: string } }[]).map(({ at }) => at.pointer)).toContain(
      pointer,
    );
  });

  test("a body that is too large is refused before it is read", async () => {
    const { status } = await api.post(aRunEvent({ jobFacets: { x: { text: "x".repeat(5 * 2 ** 20) } } }));
    expect(status).toBe(413);
  });

  test("of a batch each event stands for itself", async () => {
    const good = aRunEvent({ job: "batch", outputs: [aTable("batch")] });
    const { status, body } = await api.batch([good, { run: {} }, { ...good, eventType: "FAIL" }]);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      status: "partial_success",
      summary: { received: 3, successful: 1, failed: 2 },
      failed_events: [
        { index: 1, code: "lineage.invalid_event" },
        { index: 2, code: "lineage.run_ended" },
      ],
    });
  });

  test("pages of the record, newest first, hold the events as they came", async () => {
    const sent = Array.from({ length: 5 }, (_, n) =>
      aRunEvent({ job: `page-${n}`, outputs: [aTable("paged")] }),
    );
    for (const event of sent) await api.post(event);
    const seen: unknown[] = [];
    for (let page: string | undefined = ""; page !== undefined && seen.length < 5; ) {
      const { body } = await api.get("lineage/events", { limit: "2", ...(page === "" ? {} : { page }) });
      seen.push(...(body["events"] as unknown[]));
      page = body["nextPage"] as string | undefined;
    }
    expect(seen.slice(0, 5)).toEqual(sent.toReversed());
    expect((await api.get("lineage/events", { page: "x" })).status).not.toBe(200);
  });
});

describe("who may report and read", () => {
  test("what one environment reported is not seen with a credential of another, nor by another organisation", async () => {
    const secret = aRunEvent({ job: "secret", outputs: [aTable("secret")] });
    api.as({ environments: ["production"] });
    await api.post(secret);
    expect(await nodeOf(table("secret"))).toBeDefined();
    for (const who of [
      { environments: ["dev"] },
      { organisationId: "org_other" as never },
      { roles: [] },
    ] as const) {
      api.as(who);
      const { status, body } = await api.get("lineage", { nodeId: table("secret") });
      expect([status, body["code"]]).toEqual([404, "lineage.node_not_found"]);
      expect(JSON.stringify(body["mend"])).not.toContain("secret");
      const { body: page } = await api.get("lineage/events", { limit: "200" });
      expect(JSON.stringify(page)).not.toContain("secret");
    }
  });

  test("no path leads through what is not seen, and facets of a table come from what is", async () => {
    const facets = (text: string) => ({
      documentation: aFacet("DocumentationDatasetFacet", "1-1-0", { description: text }),
    });
    await api.post(
      aRunEvent({ job: "one", inputs: [aTable("start")], outputs: [aTable("shared", facets("dev"))] }),
    );
    api.as({ environments: ["production"] });
    await api.post(
      aRunEvent({
        job: "two",
        eventTime: "2026-11-27T08:00:00Z",
        inputs: [aTable("shared", facets("production"))],
        outputs: [aTable("end")],
      }),
    );
    api.as({});
    const mine = await graphOf(table("start"));
    expect(mine.graph.map(({ id }) => id)).not.toContain(table("end"));
    expect((await nodeOf(table("shared")))?.facets["documentation"]).toMatchObject({ description: "dev" });
    api.as({ environments: ["dev", "production"] });
    expect((await graphOf(table("start"))).graph.map(({ id }) => id)).toContain(table("end"));
    expect((await nodeOf(table("shared")))?.facets["documentation"]).toMatchObject({
      description: "production",
    });
  });

  test("a reader reports nothing, and a credential of several environments says which one it means", async () => {
    api.as({ roles: ["reader"] });
    expect((await api.post(aRunEvent())).status).toBe(403);
    api.as({ environments: ["dev", "production"] });
    expect((await api.post(aRunEvent())).body["code"]).toBe("lineage.environment_missing");
    expect((await api.post(aRunEvent(), "?environment=dev")).status).toBe(201);
  });

  test("nobody but Portolan says how a thing of Portolan came to be; to read one is anybody's to say", async () => {
    const own = { namespace: "model://acme", name: "delays/1", facets: { schema: schemaFacet("forged") } };
    const { body } = await api.post(aRunEvent({ outputs: [own] }));
    expect(body).toMatchObject({ code: "lineage.reserved_name", mend: expect.any(String) });
    expect(
      (await api.post(aRunEvent({ job: "reads", inputs: [own], outputs: [aTable("scored")] }))).status,
    ).toBe(201);
    expect((await nodeOf("dataset:model://acme:delays/1"))?.facets).toEqual({});
    expect(
      (await api.post(aRunEvent({ outputs: [{ namespace: "model://acme-2", name: "x" }] }))).status,
    ).toBe(201);
  });
});
