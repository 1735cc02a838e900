import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { hasEmbeddedPostgres } from "@portolan/database/embedded";
import type { DriftCounts, NumericColumn } from "@portolan/monitoring/contract";
import { logisticModel } from "@portolan/onnx-format/testing";
import { expect, test } from "vitest";
import { type Product, startProduct } from "../../apps/cli/test/product.ts";
import { must } from "../../apps/control/test/api.ts";
import { visitsContract, visitsCsv, visitsSet, visitsView } from "../../apps/control/test/visits.ts";
import { prepareUseCase, type Setting } from "../chaos/workload.ts";

const purpose = "staff-planning";

async function jobDone(product: Product, id: string): Promise<void> {
  for (;;) {
    const { state, error } = await must(
      product,
      "GET",
      `/v1/jobs/${id}`,
      undefined,
      await product.token("ci"),
    );
    if (state === "done") return;
    if (state === "failed" || state === "cancelled") throw new Error(`job ${id}: ${String(error)}`);
    await sleep(100);
  }
}

async function upload(product: Product, setting: Setting, bytes: Uint8Array | string): Promise<string> {
  const query = `environment=dev&useCaseId=${setting.useCaseId}`;
  const response = await fetch(new URL(`/v1/artifacts?${query}`, product.controlUrl), {
    method: "POST",
    headers: {
      authorization: `Bearer ${await product.token("ci")}`,
      "content-type": "application/octet-stream",
    },
    body: Buffer.from(bytes),
  });
  return ((await response.json()) as { digest: string }).digest;
}

/** A ready training set of three features in dev. */
async function trainingSet(product: Product, setting: Setting): Promise<string> {
  const lea = await product.token("lea");
  const ci = await product.token("ci");
  const place = { environment: "dev", useCaseId: setting.useCaseId };
  await must(product, "PUT", "/v1/contracts/visits", { document: visitsContract }, lea);
  await must(product, "PUT", "/v1/feature-views/visits-by-place", { document: visitsView }, lea);
  const sources = [{ object: await upload(product, setting, visitsCsv), format: "csv" }];
  const { id: ingestion } = await must(
    product,
    "POST",
    "/v1/ingestions",
    { contract: "visits", ...place, sources },
    ci,
  );
  const until = async (path: string, wanted: string): Promise<void> => {
    for (;;) {
      const found = await must(product, "GET", path, undefined, ci);
      if (found["state"] === wanted) return;
      if (found["state"] === "failed") throw new Error(JSON.stringify(found));
      await sleep(100);
    }
  };
  await until(`/v1/ingestions/${String(ingestion)}`, "published");
  const { id } = await must(product, "POST", "/v1/training-sets", visitsSet(place), ci);
  await until(`/v1/training-sets/${String(id)}`, "ready");
  return String(id);
}

async function ask(product: Product, setting: Setting, rows: readonly (readonly number[])[]): Promise<void> {
  const inputs = [{ name: "x", shape: [rows.length, 3], datatype: "FP32", data: rows.flat() }];
  const response = await fetch(`${product.gatewayUrl}/v2/models/waits/infer`, {
    method: "POST",
    headers: { authorization: `Bearer ${setting.applicationKey}`, "x-portolan-purpose": purpose },
    body: JSON.stringify({ inputs }),
  });
  await response.arrayBuffer();
}

async function countsOf(product: Product): Promise<DriftCounts | undefined> {
  const path = "/v1/endpoints/waits/drift-counts";
  const { counts } = await must(product, "GET", path, undefined, await product.token("admin"));
  return (counts as DriftCounts[])[0];
}

function recount({ lowerBounds, maximum }: NumericColumn, values: readonly number[]): number[] {
  const cells = Array.from({ length: lowerBounds.length + 6 }, () => 0);
  for (const value of values) {
    const within = lowerBounds.filter((bound) => bound <= value).length;
    const cell = maximum !== null && value > maximum ? lowerBounds.length + 1 : within;
    cells[cell] = (cells[cell] ?? 0) + 1;
  }
  return cells;
}

test.skipIf(!hasEmbeddedPostgres() && process.env["CI"] !== "true")(
  "a version's profile reaches the gateway through the signed snapshot, and what is asked comes back as counts beside it",
  async () => {
    await using product = await startProduct({ ...process.env, DRIFT_FLUSH_S: "1", DRIFT_LAG_MS: "0" });
    const setting = await prepareUseCase(product);
    const ci = await product.token("ci");
    const set = await trainingSet(product, setting);
    const artifact = await upload(product, setting, logisticModel([0.01, 0.02, -0.01], 0.1));
    const place = { environment: "dev", useCaseId: setting.useCaseId };
    const lineage = { origin: "imported", source: "model.onnx" };
    await must(product, "POST", "/v1/models/waits/versions", { ...place, artifact, lineage }, ci);
    await must(
      product,
      "PUT",
      "/v1/endpoints/waits",
      { ...place, model: "waits", version: 1 },
      setting.admin,
    );
    const path = "/v1/models/waits/versions/1/reference-profile";
    const { job } = await must(product, "POST", path, { trainingSetId: set }, ci);
    await jobDone(product, String(job));

    // Nobody deploys anew: the next snapshot carries the profile.
    let before: DriftCounts | undefined;
    while (!before) {
      await ask(product, setting, [[1, 2, 3]]);
      await sleep(250);
      before = await countsOf(product);
    }
    for (let rows = -1; rows !== before.rows; before = (await countsOf(product)) ?? before) {
      rows = before.rows;
      await sleep(2500);
    }
    const rows = Array.from({ length: 90 }, (_, i) => [i % 5, (i * 7) % 40, i - 45]);
    for (let from = 0; from < rows.length; from += 3) await ask(product, setting, rows.slice(from, from + 3));
    let after = before;
    while (after.rows < before.rows + rows.length) {
      await sleep(250);
      after = (await countsOf(product)) ?? after;
    }
    expect(after.rows).toBe(before.rows + rows.length);
    expect(after.inputs.map(({ reference }) => reference.name)).toEqual(["wait_now", "visits_3h", "wait_3h"]);
    for (const [column, { reference, counts }] of after.inputs.entries()) {
      const earlier = before.inputs[column]?.counts ?? [];
      const values = rows.map((row) => row[column] ?? Number.NaN);
      const added = counts.map((count, cell) => count - (earlier[cell] ?? 0));
      expect(added).toEqual(recount(reference as NumericColumn, values));
    }
    expect(after.outputs.length).toBeGreaterThan(0);

    const shown = await product.cli("drift", "counts", "waits", "--column", "wait_now");
    expect([shown.code, shown.err]).toEqual([0, ""]);
    expect(shown.out).toMatch(/dev\/waits, champion waits\/1: \d+ rows[^]*below +0.0 %/);
    const report = await product.cli("drift", "report", "waits");
    expect([report.code, report.err]).toEqual([0, ""]);
    expect(report.out).toMatch(/dev\/waits, champion waits\/1: \w+[^]*predictions: [^]*^wait_now +\w+/m);
    const folder = await mkdtemp(join(tmpdir(), "portolan-drift-"));
    const page = join(folder, "waits.html");
    expect((await product.cli("drift", "report", "waits", "--html", page)).out).toContain(page);
    expect(await readFile(page, "utf8")).toMatch(
      /<h2>dev\/waits, champion waits\/1: [^]*<th scope="row">wait_now<\/th>/,
    );
    await rm(folder, { recursive: true });
    const nowhere = await product.cli("drift", "report", "nowhere");
    expect(nowhere.code).toBe(1);
    expect(nowhere.err).toMatch(
      /nothing is counted at nowhere[^]*portolan model profile[^]*monitoring\.nothing_counted/,
    );
    const version = await product.cli("model", "show", "waits", "1", "--json");
    expect(JSON.parse(version.out)).toMatchObject({
      compute: { profile: { threads: 1, machine: { gpus: [] } } },
      reference: { data: { trainingSetId: set } },
    });
    expect((await product.cli("endpoint", "list")).out).toMatch(/waits +dev +waits version 1 +\d+ +cpu/);
  },
  300_000,
);
