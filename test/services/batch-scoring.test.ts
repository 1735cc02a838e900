import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { runAnalysis } from "@portolan/duckdb";
import type { Scoring } from "@portolan/scoring/contract";
import { TensorServer } from "@portolan/upstream/testing";
import { expect, test } from "vitest";
import { type Product, startProduct } from "../../apps/cli/test/product.ts";
import { must } from "../../apps/control/test/api.ts";
import { prepareUseCase, type Setting } from "../chaos/workload.ts";
import { eventsOf, ingest, isSkipped, live, read, start, untilReady } from "./scoring-fixture.ts";

const rows = 180_000;
const kills = 5;

/** Whole rows are nobody's until a policy says so. */
async function allowEverything(product: Product): Promise<void> {
  const document =
    "kind: AccessPolicy\nname: test\neffect: allow\npurposes: [test, scoring, staff-planning]\n";
  await must(product, "PUT", "/v1/access-policies/test", { document }, await product.token("admin"));
}

/** The scored snapshot as a file in that folder. */
async function download(product: Product, manifest: Scoring["manifest"], folder: string): Promise<string> {
  const file = join(folder, "scored.parquet");
  const path = `/v1/artifacts/${manifest?.object}?purpose=test`;
  const bytes = await fetch(new URL(path, product.controlUrl), {
    headers: { authorization: `Bearer ${await product.token("ci")}` },
  });
  await writeFile(file, Buffer.from(await bytes.arrayBuffer()));
  return file;
}

test.skipIf(isSkipped)(
  `a scoring is the endpoint's answers to the bit, once and whole, through ${kills} kills of control`,
  async () => {
    await using product = await startProduct();
    const setting = await prepareUseCase(product);
    const datasetId = await ingest(product, setting, rows);
    const killed = await start(product, datasetId);
    for (let kill = 0; kill < kills; kill++) {
      await sleep(300 + 450 * kill);
      const pid = product.kill("control");
      await product.untilRestarted("control", pid);
      await product.untilReady("control", 120_000);
    }
    const { manifest } = await untilReady(product, killed);
    const chunks = Math.ceil(rows / 50_000);
    expect(manifest).toMatchObject({ rows, refusedRows: 0, name: "scored" });
    expect(manifest?.chunks).toHaveLength(chunks);
    expect(await eventsOf(product, "scoring.chunk.scored", killed)).toBe(chunks);
    expect(await eventsOf(product, "scoring.snapshot.published", killed)).toBe(1);

    const undisturbed = await untilReady(product, await start(product, datasetId));
    expect(undisturbed.manifest?.object, "the same rows give the same bytes").toBe(manifest?.object);

    const folder = await mkdtemp(join(tmpdir(), "scored-"));
    try {
      await allowEverything(product);
      const file = await download(product, manifest, folder);
      const result = await runAnalysis({
        statements: [
          { sql: `select count(distinct id)::int as n from read_parquet('${file}')`, returns: "ids" },
          { sql: `select * from read_parquet('${file}') where id % 1213 = 0 order by id`, returns: "rows" },
        ],
        readable: [file],
        workFolder: join(folder, "work"),
      });
      expect(result.rows["ids"]?.[0]?.["n"], "each row once").toBe(rows);
      const sample = result.rows["rows"] ?? [];
      expect(sample.length).toBeGreaterThan(100);
      for (const row of sample) {
        const id = Number(row["id"]);
        const scores = Object.entries(row).filter(([name]) => !name.startsWith("_") && name !== "id");
        const answered = await live(product, setting, Math.sin(id * 0.7), Math.cos(id * 1.3) * 3);
        expect(scores.map(([, score]) => Math.fround(Number(score)))).toEqual(answered.map(Math.fround));
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
    process.stderr.write(
      `scored ${rows} rows: ${undisturbed.manifest?.cpuSeconds.toFixed(1)} s CPU, ${JSON.stringify(undisturbed.manifest?.cost)}\n`,
    );
  },
  600_000,
);

/** An endpoint whose version that server runs: it gives each row back. */
async function deployEcho(product: Product, setting: Setting, server: TensorServer): Promise<void> {
  const place = { environment: "dev", useCaseId: setting.useCaseId };
  const upstream = {
    protocol: "open-inference",
    url: server.url,
    model: "echo",
    region: "local",
    owner: "self",
  };
  const ci = await product.token("ci");
  await must(product, "POST", "/v1/models/echoed/upstreams", { ...place, upstream }, ci);
  await must(
    product,
    "PUT",
    "/v1/endpoints/echoed",
    { ...place, model: "echoed", version: 1 },
    setting.admin,
  );
}

async function noteOf(product: Product, job: string): Promise<string> {
  const found = await must(product, "GET", `/v1/jobs/${job}`, undefined, await product.token("ci"));
  return String(found["note"]);
}

test.skipIf(isSkipped)(
  "a scoring by another server is whole and once, though that server goes away midway and control is killed meanwhile",
  async () => {
    const count = 120_000;
    const table = { datatype: "FP64", shape: [-1, 2] };
    const server = await TensorServer.start([{ name: "x", ...table }], [{ name: "y", ...table }]);
    const folder = await mkdtemp(join(tmpdir(), "scored-"));
    try {
      await using product = await startProduct();
      const setting = await prepareUseCase(product);
      await deployEcho(product, setting, server);
      const datasetId = await ingest(product, setting, count);
      const id = await start(product, datasetId, { endpoint: "echoed" });
      await expect
        .poll(() => eventsOf(product, "scoring.chunk.scored", id), { timeout: 120_000, interval: 50 })
        .toBeGreaterThan(0);
      const { port } = server;
      await server.close();
      const pid = product.kill("control");
      await product.untilRestarted("control", pid);
      await product.untilReady("control", 120_000);
      const { job } = await read(product, id);
      await expect
        .poll(() => noteOf(product, job), { timeout: 120_000, interval: 500 })
        .toContain("waits for the upstream");
      const asked = server.seen.length;
      await server.listen(port);
      const { manifest } = await untilReady(product, id);
      expect(server.seen.length).toBeGreaterThan(asked);
      expect(manifest).toMatchObject({ rows: count, refusedRows: 0 });
      const chunks = Math.ceil(count / 50_000);
      expect(manifest?.chunks).toHaveLength(chunks);
      expect(await eventsOf(product, "scoring.chunk.scored", id)).toBe(chunks);
      expect(await eventsOf(product, "scoring.snapshot.published", id)).toBe(1);

      await allowEverything(product);
      const file = await download(product, manifest, folder);
      const sql = `select count(*)::int as n, count(distinct id)::int as apart, bool_and(_refused is null) as whole,
        max(abs(y_0 - sin(id * 0.7::double)) + abs(y_1 - cos(id * 1.3::double) * 3)) as off from read_parquet('${file}')`;
      const { rows: found } = await runAnalysis({
        statements: [{ sql, returns: "all" }],
        readable: [file],
        workFolder: join(folder, "work"),
      });
      expect(found["all"]?.[0]).toMatchObject({ n: count, apart: count, whole: true });
      expect(Number(found["all"]?.[0]?.["off"])).toBeLessThan(1e-9);
      const undisturbed = await untilReady(product, await start(product, datasetId, { endpoint: "echoed" }));
      expect(undisturbed.manifest?.object, "the same answers give the same bytes").toBe(manifest?.object);
      process.stderr.write(
        `scored ${count} rows elsewhere: ${undisturbed.manifest?.cpuSeconds.toFixed(1)} s CPU, ${JSON.stringify(undisturbed.manifest?.upstream)}, ${JSON.stringify(undisturbed.manifest?.cost)}\n`,
      );
    } finally {
      await server.close();
      await rm(folder, { recursive: true, force: true });
    }
  },
  600_000,
);
