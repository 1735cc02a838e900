import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseInstant } from "@portolan/kernel";
import type { ColumnGraph, LineageGraph } from "@portolan/lineage/contract";
import type { VersionRecord } from "@portolan/registry/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requirePython } from "../../../packages/training/test/trainer-fixture.ts";
import { must } from "./api.ts";
import {
  buildSet,
  dayTwo,
  openTeamWorld,
  prepareData,
  type TeamWork,
  type TeamWorld,
  visitsModel,
  visitsTrainer,
} from "./team-world.ts";
import { visitsSet, visitsView } from "./visits.ts";

let world: TeamWorld;
let work: TeamWork;
let run: string;
let deployment: string;
const python = await requirePython();

beforeAll(async () => {
  world = await openTeamWorld();
  work = await prepareData(world);
});
afterAll(() => world.control.close());

async function graphOf(
  nodeId: string,
  query: Record<string, string> = {},
  who = "mia",
): Promise<LineageGraph> {
  const { status, body } = await world.get(
    who,
    `/api/v1/lineage?${new URLSearchParams({ nodeId, ...query }).toString()}`,
  );
  expect(status, JSON.stringify(body)).toBe(200);
  return body as unknown as LineageGraph;
}

/** Ids without what is made anew by each run of this test. */
function shown(ids: readonly string[]): string[] {
  const bare = ids.map((id) => id.replaceAll(/@(ds|ts|dep)_\w+/g, "@$1").replaceAll(/sha256:\w+/g, "sha256"));
  return [...new Set(bare)].toSorted();
}

describe.skipIf(python === undefined)("from the column of a file to the deployed model and back", () => {
  beforeAll(async () => {
    const { control, post, get } = world;
    const { place } = work;
    const code = await world.upload("sam", place, Buffer.from(visitsTrainer));
    const lock = await world.upload("sam", place, Buffer.from("# nothing\n"));
    const locks = python ? { [python.minor]: lock } : {};
    const training = { ...place, trainingSetId: work.trainingSet, code, locks, params: {}, seed: 7 };
    run = String((await post("sam", "/v1/training-runs", training))["id"]);
    await control.runJobs(control.jobs.data);
    const trained = (await get("sam", `/v1/training-runs/${run}`)).body;
    const { model } = trained["result"] as { model: string };
    const push = {
      useCaseId: place.useCaseId,
      artifact: model,
      lineage: { origin: "trained", trainingRunId: run },
    };
    await post("pipeline", "/v1/models/visits/versions", push);
    const asOf = parseInstant("2026-03-03T00:00:00Z");
    await post("mia", "/v1/feature-views/visits-by-place/materializations", { ...place, asOf });
    await control.runJobs(control.jobs.data);
    const deploy = { ...place, environment: "dev", model: "visits", version: 1 };
    const route = await must(control, "PUT", "/v1/endpoints/visits", deploy, await world.as("mia"));
    deployment = String(route["deploymentId"]);
    await control.followLedger();
  });

  test("what a deployment comes from, down to the file, and nothing beside it", async () => {
    const { graph, flows, truncated } = await graphOf(deployment, { direction: "upstream" });
    const datasets = graph.filter(({ type }) => type === "DATASET");
    expect(shown(datasets.map(({ id }) => id))).toEqual([
      "dataset:contract://acme:visits",
      "dataset:dataset://acme/production:visits@ds",
      "dataset:endpoint://acme/dev:visits@dep",
      "dataset:featurestore://acme:visits-by-place@1",
      "dataset:model://acme:visits/1",
      "dataset:object://acme:sha256",
      "dataset:trainingset://acme/production:waits@ts",
    ]);
    expect(datasets.filter(({ id }) => id.startsWith("dataset:trainingset:"))).toHaveLength(1);
    expect(shown(flows.map(({ job }) => job))).toEqual([
      "job:portolan://acme/dev:deploy.visits",
      "job:portolan://acme/production:ingest.visits",
      "job:portolan://acme/production:train.waits",
      "job:portolan://acme/production:training_set.waits",
      "job:portolan://acme:define.visits-by-place@1",
      "job:portolan://acme:register.visits",
    ]);
    expect(truncated).toBe(false);
  });

  test("what came of the uploaded file: both training sets, the online values, the deployment", async () => {
    const { graph } = await graphOf(`dataset:object://acme:${work.upload}`, { direction: "downstream" });
    const online = graph.find(({ id }) => id.startsWith("dataset:featurestore://acme/production:"));
    expect(online?.data.facets["ownership"]?.["owners"]).toContainEqual({
      name: expect.stringMatching(/^principal:\w+/) as string,
      type: "MAINTAINER",
    });
    expect(shown(graph.filter(({ type }) => type === "DATASET").map(({ id }) => id))).toEqual([
      "dataset:dataset://acme/production:visits@ds",
      "dataset:endpoint://acme/dev:visits@dep",
      "dataset:featurestore://acme/production:visits-by-place@1",
      "dataset:model://acme:visits/1",
      "dataset:object://acme:sha256",
      "dataset:trainingset://acme/production:waits@ts",
    ]);
  });

  test("a column of the file is followed to the model, with what it does on the way", async () => {
    const query = new URLSearchParams({ nodeId: deployment, column: "wait_3h", direction: "upstream" });
    const { body } = await world.get("mia", `/api/v1/column-lineage?${query.toString()}`);
    const { graph } = body as unknown as ColumnGraph;
    const ids = graph.map(({ id }) => id);
    expect(ids).toContain(`datasetField:object://acme:${work.upload}:wait`);
    const inSet = graph.find(
      ({ id }) => id.startsWith("datasetField:trainingset:") && id.endsWith(":wait_3h"),
    );
    const uses = inSet?.data.inputFields.map(({ field, transformations }) => [
      field,
      ...transformations.map(({ type, subtype }) => `${type} ${subtype}`),
    ]);
    expect(uses?.toSorted()).toEqual([
      ["place", "INDIRECT GROUP_BY", "INDIRECT JOIN"],
      ["seen_at", "INDIRECT WINDOW", "INDIRECT FILTER"],
      ["wait", "DIRECT AGGREGATION"],
      ["wait_3h", "DIRECT IDENTITY"],
    ]);
    const down = new URLSearchParams({
      nodeId: `datasetField:object://acme:${work.upload}:wait`,
      direction: "downstream",
    });
    const there = (await world.get("mia", `/api/v1/column-lineage?${down.toString()}`))
      .body as unknown as ColumnGraph;
    expect(shown(there.graph.map(({ id }) => id))).toContain(
      "datasetField:endpoint://acme/dev:visits@dep:wait_3h",
    );
  });

  test("the facets of a snapshot: schema, columns, quality, ownership; of its ingestion: what the rules found", async () => {
    const { graph } = await graphOf(work.datasetId, { depth: "1", direction: "upstream" });
    const at = (start: string) => graph.find(({ id }) => id.startsWith(start))?.data;
    const snapshot = at("dataset:dataset:");
    expect(snapshot?.facets["schema"]?.["fields"]).toMatchObject([
      { name: "seen_at", type: "instant" },
      { name: "place", type: "string" },
      { name: "wait", type: "integer" },
    ]);
    expect(snapshot?.facets["dataQualityMetrics"]).toMatchObject({
      rowCount: 48,
      columnMetrics: { wait: { nullCount: 0 } },
    });
    expect(snapshot?.aliases).toContain(work.datasetId);
    const found = at("dataset:object:")?.inputFacets?.["dataQualityAssertions"]?.["assertions"];
    expect(found).toContainEqual(
      expect.objectContaining({ assertion: "not_null", column: "wait", success: true }),
    );
    expect(at("job:")?.latestRun).toMatchObject({ state: "completed" });
  });

  test("an attribute of a training set is one of its columns, made of the snapshot's", async () => {
    const attributes = [{ name: "site", expression: "place" }];
    const set = await buildSet(world, visitsSet(work.place, { from: dayTwo, attributes }));
    await world.control.followLedger();
    const { graph } = await graphOf(set, { depth: "1", direction: "upstream" });
    const facets = graph.find(({ id }) => id.startsWith("dataset:trainingset:"))?.data.facets;
    expect(facets?.["schema"]?.["fields"]).toContainEqual(
      expect.objectContaining({ name: "site", type: "string" }),
    );
    expect(facets?.["columnLineage"]?.["fields"]).toMatchObject({
      site: { inputFields: [expect.objectContaining({ field: "place" })] },
    });
    // Rows of the set, and events of the view, that lack a key.
    for (const start of ["dataset:dataset:", "dataset:featurestore:"])
      expect(
        graph.find(({ id }) => id.startsWith(start))?.data.inputFacets?.["dataQualityAssertions"]?.[
          "assertions"
        ],
      ).toContainEqual(
        expect.objectContaining({
          name: "keys of visits-by-place@1",
          success: true,
          actual: "0 rows without a key",
        }),
      );
  });

  test.each([
    ["a contract", () => "visits", 2],
    ["a snapshot", () => work.datasetId, 1],
    ["a view", () => "visits-by-place", 1],
    ["a view's version", () => "visits-by-place@1", 2],
    ["a training set", () => work.trainingSet, 1],
    ["a run", () => run, 1],
    ["an ingestion", () => work.ingestion, 1],
    ["a model's version", () => "visits/1", 1],
    ["a deployment", () => deployment, 1],
  ])("%s is found by the name that Portolan gives it", async (_what, name, atLeast) => {
    expect((await graphOf(name())).roots.length).toBeGreaterThanOrEqual(atLeast);
  });

  test("a topic that is read is behind the snapshots of the events that it brings, under its name in the standard", async () => {
    const { control, post, acme } = world;
    const brokers = ["bus.example.com:9092"];
    const connection = {
      kind: "kafka",
      organisation: acme.organisationId,
      brokers,
      topics: ["visits"],
      publishAddress: true,
    };
    await writeFile(join(control.home, "bus.json"), JSON.stringify(connection));
    await post("mia", "/v1/subscriptions", {
      ...work.place,
      contract: "visits",
      connection: "bus",
      topic: "visits",
    });
    const event = { seen_at: "2026-03-02T10:00:00Z", place: "north", wait: 3 };
    const query = new URLSearchParams(work.place).toString();
    await post("mia", `/v1/contracts/visits/events?${query}`, Buffer.from(`${JSON.stringify(event)}\n`));
    await control.runJobs(control.jobs.data);
    await control.followLedger();
    const { graph } = await graphOf("dataset:kafka://bus.example.com:9092:visits", {
      direction: "downstream",
    });
    expect(shown(graph.map(({ id }) => id))).toEqual([
      "dataset:dataset://acme/production:visits@ds",
      "dataset:events://acme/production:visits",
      "dataset:kafka://bus.example.com:9092:visits",
      "job:portolan://acme/production:ingest.visits",
      "job:portolan://acme/production:subscribe.visits.visits",
    ]);
  });

  test("a feature log, a promotion and a release are told: what went into them, whose they are, how they ended", async () => {
    const { control, post } = world;
    const { place } = work;
    const document = visitsView
      .replace("name: visits-by-place", "name: visits-log")
      .replace("ttl: 24h", "events: log\nttl: 24h");
    const view = { document, useCaseId: place.useCaseId };
    await must(control, "PUT", "/v1/feature-views/visits-log", view, await world.as("sam"));
    const views = [{ view: "visits-log", entity: { place: "place" } }];
    const set = await buildSet(world, visitsSet(place, { to: dayTwo, views }));
    await post("ron", "/v1/models/visits/versions/1/promotions", { to: "dev" });
    const second = await world.upload("sam", place, visitsModel);
    const lineage = { origin: "imported", source: "two.onnx" };
    const pushed = { useCaseId: place.useCaseId, artifact: second, lineage };
    await post("pipeline", "/v1/models/visits/versions", pushed);
    const asked = { environment: "dev", model: "visits", version: 2 };
    const release = String((await post("mia", "/v1/endpoints/visits/releases", asked))["id"]);
    await post("mia", `/v1/releases/${release}/rollback`, { reason: "no longer wanted" });
    await control.runJobs(control.jobs.governance);
    const recordOf = async (version: number) =>
      (await world.get("mia", `/v1/models/visits/versions/${version}/record`))
        .body as unknown as VersionRecord;
    const [served, refused] = [await recordOf(1), await recordOf(2)];
    expect(refused.decisions).toMatchObject([
      {
        kind: "release",
        id: release,
        outcome: "rolled_back",
        approvalsNeeded: 0,
        reasons: ["no longer wanted"],
      },
    ]);
    expect(refused.attestations.map(({ about }) => about)).toEqual([`release/${release}/rolled_back`]);
    expect(served.deployments).toMatchObject([{ id: deployment, endpoint: "visits", role: "champion" }]);
    expect(served.attestations.map(({ about }) => about)).toContain(`deployment/${deployment}`);
    await control.followLedger();
    const upstream = await graphOf(set, { direction: "upstream" });
    const log = upstream.graph.find(({ id }) =>
      id.startsWith("dataset:featurelog://acme/production:visits-log@1@"),
    );
    expect(log?.data.facets["datasetType"]).toMatchObject({ subType: "FEATURE_LOG" });
    expect(JSON.stringify(log?.data.facets["ownership"])).toContain('"MAINTAINER"');
    expect(shown(upstream.flows.map(({ job }) => job))).toContain(
      "job:portolan://acme/production:append.visits-log@1",
    );
    const facetsOf = (start: string) =>
      upstream.graph.find(({ id }) => id.startsWith(start))?.data.facets["ownership"]?.["owners"];
    for (const start of ["dataset:trainingset:", "dataset:featurestore:"])
      expect(facetsOf(start)).toEqual([
        { name: expect.stringMatching(/^principal:\w+/) as string, type: "MAINTAINER" },
      ]);
    const { graph } = await graphOf("visits/1", { direction: "downstream", depth: "2" });
    expect(shown(graph.map(({ id }) => id))).toEqual(
      expect.arrayContaining(["dataset:model://acme/dev:visits", "job:portolan://acme/dev:promote.visits"]),
    );
    const ended = (await graphOf(release)).graph.find(({ id }) => id.endsWith(":release.visits"));
    expect(ended?.data.latestRun).toMatchObject({ state: "aborted" });
  });

  test("nobody of another team sees any of it, and a name that is near is told to those alone who see it", async () => {
    const asked = (who: string, node: string) =>
      world.get(who, `/api/v1/lineage?nodeId=${encodeURIComponent(node)}`);
    for (const node of [work.datasetId, run, "visits/1", "visits"])
      expect((await asked("tom", node)).body).toMatchObject({ status: 404, code: "lineage.node_not_found" });
    expect((await asked("mia", "visitz-by-place")).body["mend"]).toContain("visits-by-place");
    expect((await asked("tom", "visitz-by-place")).body["mend"]).not.toContain("visits-by-place");
  });

  test("following again tells nothing twice, and an installation without lineage gets it from its ledger", async () => {
    const count = async (table: string) =>
      (
        await world.control.database.session((session) =>
          session.query<{ n: number }>(`select count(*)::int as n from ${table}`),
        )
      )[0]?.n;
    const tables = [
      "events",
      "datasets",
      "jobs",
      "flows",
      "runs",
      "facets",
      "column_edges",
      "aliases",
      "untold",
    ];
    const counts = () => Promise.all(tables.map((table) => count(`lineage.${table}`)));
    const before = await counts();
    expect(before.at(-1)).toBe(0);
    await world.control.followLedger();
    expect(await counts()).toEqual(before);
    // As if it were older than its lineage.
    await world.control.database.session((session) =>
      session.script(
        "truncate lineage.cursors, lineage.aliases, lineage.column_edges, lineage.facets, lineage.events, lineage.mentions, lineage.runs, lineage.flow_datasets, lineage.flows, lineage.datasets, lineage.jobs, lineage.audiences cascade",
      ),
    );
    await world.control.followLedger();
    expect(await counts()).toEqual(before);
  });
});
