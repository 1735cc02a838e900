import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseInstant } from "@portolan/kernel";
import type { ColumnGraph, LineageGraph } from "@portolan/lineage/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { must } from "../../../apps/control/test/api.ts";
import {
  openTeamWorld,
  prepareData,
  type TeamWorld,
  visitsModel,
} from "../../../apps/control/test/team-world.ts";
import { pythonClient } from "../../../tools/python-client.ts";
import { runCommand } from "../../../tools/run-command.ts";

/** OpenLineage's own client, unmodified: it reports to us, and its classes judge what we tell ourselves. */
const python = await pythonClient("openlineage");
const at = "dataset:postgres://db:5432:shop.public.";

describe.skipIf(python === undefined)("the Python client of OpenLineage", () => {
  let world: TeamWorld;
  let folder: string;
  beforeAll(async () => {
    world = await openTeamWorld();
    folder = await mkdtemp(join(tmpdir(), "portolan-openlineage-"));
  });
  afterAll(async () => {
    await world.control.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function said(args: readonly string[], env: Record<string, string> = {}) {
    const { exitCode, output } = await runCommand(
      python ?? "",
      [join(import.meta.dirname, "client.py"), ...args],
      {
        cwd: folder,
        env: { PATH: process.env["PATH"] ?? "", ...env },
      },
    );
    expect([exitCode, exitCode === 0 ? "" : output]).toEqual([0, ""]);
    const lines = output.split("\n").filter((line) => line.startsWith('{"name"'));
    return Object.fromEntries(
      lines.map((line) => {
        const { name, value } = JSON.parse(line) as { name: string; value: unknown };
        return [name, value];
      }),
    );
  }

  const ask = async <T>(path: string, query: Record<string, string>): Promise<T> =>
    (await must(
      world.control,
      "GET",
      `/api/v1/${path}?${new URLSearchParams(query).toString()}`,
      undefined,
      await world.as("ada"),
    )) as T;

  test("reports with its API key alone, and what it reported is read back", async () => {
    const { control, post } = world;
    const key = await post("ada", "/v1/api-keys", { name: "etl", environment: "dev" });
    const environment = {
      OPENLINEAGE_URL: await control.listen(),
      OPENLINEAGE_API_KEY: String(key["text"]),
    };
    expect(await said([], environment)).toEqual({ reported: 6, "another end": "409" });
    const { graph, flows } = await ask<LineageGraph>("lineage", { nodeId: `${at}orders`, depth: "20" });
    expect(flows).toContainEqual({
      job: "job:airflow:shop.totals",
      inputs: [`${at}orders`],
      outputs: [`${at}totals`],
    });
    const node = (id: string) => graph.find((one) => one.id === id)?.data;
    expect(node(`${at}orders`)).toMatchObject({
      facets: { schema: { fields: [{ name: "region" }, { name: "amount" }] } },
      inputFacets: {
        dataQualityMetrics: { rowCount: 3, columnMetrics: { amount: { sum: 6.5 } } },
        dataQualityAssertions: { assertions: [{ assertion: "not_null", success: true }] },
      },
    });
    expect(node("job:airflow:shop.totals")).toMatchObject({
      facets: {
        sql: { query: expect.stringContaining("group by") },
        ownership: { owners: [{ name: "team:shop" }] },
      },
      latestRun: {
        state: "completed",
        facets: { nominalTime: { nominalStartTime: "2026-11-26T08:00:00Z" } },
      },
    });
    expect(node("job:airflow:shop.broken")).toMatchObject({
      latestRun: { state: "failed", facets: { errorMessage: { message: "disk full" } } },
    });
    expect(node("job:dbt:shop.view")).toMatchObject({ latestRun: { state: "stated" } });
    const columns = await ask<ColumnGraph>("column-lineage", {
      nodeId: `${at}totals`,
      column: "total",
      direction: "upstream",
    });
    expect(columns.graph.map(({ id }) => id).toSorted()).toEqual([
      `${at}totals`,
      "datasetField:postgres://db:5432:shop.public.orders:amount",
      "datasetField:postgres://db:5432:shop.public.orders:region",
      "datasetField:postgres://db:5432:shop.public.totals:total",
    ]);
  });

  test("takes every event that we tell of our own things: known facets, all that they need and nothing besides", async () => {
    const { control, post } = world;
    const { place } = await prepareData(world);
    const artifact = await world.upload("pipeline", place, visitsModel);
    const lineage = { origin: "imported", source: "elsewhere.onnx" };
    await post("pipeline", "/v1/models/visits/versions", { useCaseId: place.useCaseId, artifact, lineage });
    const asOf = parseInstant("2026-03-03T00:00:00Z");
    await post("mia", "/v1/feature-views/visits-by-place/materializations", { ...place, asOf });
    await control.runJobs(control.jobs.data);
    const deploy = { ...place, environment: "dev", model: "visits", version: 1 };
    await must(control, "PUT", "/v1/endpoints/visits", deploy, await world.as("mia"));
    const sources = [
      { object: await world.upload("sam", place, Buffer.from("place\nnorth\n")), format: "csv" },
    ];
    await post("sam", "/v1/ingestions", { contract: "visits", ...place, sources });
    await control.runJobs(control.jobs.data);
    await control.followLedger();
    const { events } = await ask<{ events: { producer: string }[] }>("lineage/events", { limit: "200" });
    const own = events.filter(({ producer }) => producer === "urn:portolan");
    const file = join(folder, "own.json");
    await writeFile(file, JSON.stringify(own));
    expect(await said([file])).toEqual({
      checked: own.length,
      facets: [
        "ColumnLineageDatasetFacet",
        "DataQualityAssertionsDatasetFacet",
        "DataQualityMetricsDatasetFacet",
        "DatasetTypeDatasetFacet",
        "DatasetVersionDatasetFacet",
        "DatasourceDatasetFacet",
        "DocumentationDatasetFacet",
        "ErrorMessageRunFacet",
        "JobTypeJobFacet",
        "OutputStatisticsOutputDatasetFacet",
        "OwnershipDatasetFacet",
        "SchemaDatasetFacet",
      ],
    });
    expect(own.length).toBeGreaterThan(14);
  });
});
