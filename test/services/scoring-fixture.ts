import { setTimeout as sleep } from "node:timers/promises";
import { hasEmbeddedPostgres } from "@portolan/database/embedded";
import type { Scoring, ScoringRequest } from "@portolan/scoring/contract";
import type { Product } from "../../apps/cli/test/product.ts";
import { must } from "../../apps/control/test/api.ts";
import { endpoint, type Setting } from "../chaos/workload.ts";

const purpose = "staff-planning";

const contract = `apiVersion: v3.1.0
kind: DataContract
id: customers
name: Customers
version: 1.0.0
status: active
description:
  purpose: Rows to score, for tests.
servers:
  - server: local
    type: local
    path: customers
    format: csv
schema:
  - name: customers
    logicalType: object
    properties:
      - name: id
        logicalType: integer
        required: true
      - name: a
        logicalType: number
        required: true
      - name: b
        logicalType: number
        required: true
`;

/** A snapshot in dev of rows whose values float32 rounds; resolves to its id. */
export async function ingest(product: Product, setting: Setting, count: number): Promise<string> {
  const ci = await product.token("ci");
  await must(product, "PUT", "/v1/contracts/customers", { document: contract }, await product.token("lea"));
  const lines = Array.from({ length: count }, (_, i) => `${i},${Math.sin(i * 0.7)},${Math.cos(i * 1.3) * 3}`);
  const response = await fetch(new URL("/v1/artifacts?environment=dev", product.controlUrl), {
    method: "POST",
    headers: { authorization: `Bearer ${ci}`, "content-type": "application/octet-stream" },
    body: `id,a,b\n${lines.join("\n")}\n`,
  });
  const { digest } = (await response.json()) as { digest: string };
  const sources = [{ object: digest, format: "csv" }];
  const place = { environment: "dev", useCaseId: setting.useCaseId };
  const { id } = await must(
    product,
    "POST",
    "/v1/ingestions",
    { contract: "customers", ...place, sources },
    ci,
  );
  for (;;) {
    const found = await must(product, "GET", `/v1/ingestions/${String(id)}`, undefined, ci);
    const { datasetId, state } = found as { datasetId?: string; state: string };
    if (datasetId !== undefined) return datasetId;
    if (["failed", "refused"].includes(state)) throw new Error(JSON.stringify(found));
    await sleep(100);
  }
}

/** Of whole snapshots, as `prepareUseCase` has them scored; resolves to the scoring's id. */
export async function start(
  product: Product,
  datasetId: string,
  more: Partial<ScoringRequest> = {},
): Promise<string> {
  const body = {
    environment: "dev",
    endpoint,
    datasetId,
    purpose,
    columns: ["a", "b"],
    keys: ["id"],
    out: "scored",
    ...more,
  };
  return String((await must(product, "POST", "/v1/scorings", body, await product.token("ci")))["id"]);
}

export async function read(product: Product, id: string): Promise<Scoring> {
  return (await must(
    product,
    "GET",
    `/v1/scorings/${id}`,
    undefined,
    await product.token("ci"),
  )) as unknown as Scoring;
}

export async function untilReady(product: Product, id: string): Promise<Scoring> {
  for (;;) {
    const found = await read(product, id);
    if (found.state === "ready") return found;
    if (found.state !== "waiting" && found.state !== "running") throw new Error(JSON.stringify(found));
    await sleep(200);
  }
}

/** How many of a scoring's events the ledger has. */
export async function eventsOf(product: Product, event: string, subject: string): Promise<number> {
  const query = new URLSearchParams({ event, subject, limit: "100" });
  const { entries } = await must(
    product,
    "GET",
    `/v1/ledger/entries?${query.toString()}`,
    undefined,
    await product.token("admin"),
  );
  return (entries as unknown[]).length;
}

/** What the endpoint answers now, one row a request. */
export async function live(product: Product, setting: Setting, a: number, b: number): Promise<number[]> {
  const inputs = [{ name: "x", shape: [1, 2], datatype: "FP32", data: [a, b] }];
  const response = await fetch(`${product.gatewayUrl}/v2/models/${endpoint}/infer`, {
    method: "POST",
    headers: { authorization: `Bearer ${setting.applicationKey}`, "x-portolan-purpose": purpose },
    body: JSON.stringify({ inputs }),
  });
  const { outputs } = (await response.json()) as { outputs: { data: number[] }[] };
  return outputs.flatMap(({ data }) => data);
}

export const isSkipped = !hasEmbeddedPostgres() && process.env["CI"] !== "true";
