import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { hasEmbeddedPostgres } from "@portolan/database/embedded";
import { messages, type Tensor, writeGrpcInfer, writeInferRequest } from "@portolan/serving/policy";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Product, startProduct } from "../../apps/cli/test/product.ts";
import { must } from "../../apps/control/test/api.ts";
import { GrpcClient } from "../../apps/gateway/test/grpc-client.ts";
import { endpoint, predict, prepareUseCase, type Setting } from "../chaos/workload.ts";

/** An erasure over the whole product: two environments, a legal hold, a training set, scores, and `kill -9` in the middle. */

const isRunnable = hasEmbeddedPostgres() || process.env["CI"] === "true";
const subject = "customer-4711-jane";
const other = "customer-0815-john";
const contract = `apiVersion: v3.1.0
kind: DataContract
id: orders
name: Orders
version: 1.0.0
status: active
description: { purpose: Orders of people, for tests. }
schema:
  - name: orders
    logicalType: object
    customProperties: [{ property: portolan.eventTime, value: at }, { property: portolan.maxBadShare, value: 0.9 }]
    properties:
      - { name: customer, logicalType: string, required: true, customProperties: [{ property: portolan.subject, value: true }] }
      - { name: at, logicalType: timestamp, required: true }
      - { name: a, logicalType: number, required: true }
      - { name: b, logicalType: number, required: true }
`;

let product: Product;
let setting: Setting;
const call = async (method: "GET" | "POST" | "PUT", path: string, body?: unknown) =>
  must(product, method, path, body, await product.token("admin"));

async function until<T>(read: () => Promise<T>, enough: (found: T) => boolean): Promise<T> {
  for (let tries = 0; tries < 600; tries++) {
    const found = await read().catch(() => undefined);
    if (found !== undefined && enough(found)) return found;
    await sleep(200);
  }
  throw new Error("it did not come to that");
}

type Environment = "dev" | "staging";
interface Ingested {
  readonly datasetId: string;
  readonly upload: string;
  readonly quarantine: string;
}

/** A batch with rows of both people, one row of the subject that is kept out, and a line that is none. */
async function ingested(environment: Environment, batch: number): Promise<Ingested> {
  const rows = Array.from({ length: 40 }, (_, n) => {
    const at = `2026-03-0${1 + (n % 2)}T${String(n % 24).padStart(2, "0")}:00:00Z`;
    return `${n % 4 === 0 ? subject : other},${at},${n},${batch}`;
  });
  const place = new URLSearchParams({ environment, useCaseId: setting.useCaseId }).toString();
  const response = await fetch(new URL(`/v1/artifacts?${place}`, product.controlUrl), {
    method: "POST",
    headers: {
      authorization: `Bearer ${await product.token("admin")}`,
      "content-type": "application/octet-stream",
    },
    body: `customer,at,a,b\n${rows.join("\n")}\n${subject},never,1,1\n`,
  });
  const { digest } = (await response.json()) as { digest: string };
  const sources = [{ object: digest, format: "csv" }];
  const of = { contract: "orders", environment, useCaseId: setting.useCaseId, sources };
  const { id } = await call("POST", "/v1/ingestions", of);
  const done = await until(
    () => call("GET", `/v1/ingestions/${String(id)}`),
    ({ state }) => state === "published",
  );
  return { datasetId: String(done["datasetId"]), upload: digest, quarantine: String(done["quarantine"]) };
}

async function madeOf(datasetId: string): Promise<{ readonly set: string; readonly scores: string }> {
  const place = { environment: "dev", useCaseId: setting.useCaseId };
  const { id: set } = await call("POST", "/v1/training-sets", {
    name: "orders",
    ...place,
    contract: "orders",
    datasetId,
    from: Date.parse("2026-03-01T00:00:00Z") * 1000,
    to: Date.parse("2026-03-04T00:00:00Z") * 1000,
    views: [],
    request: [{ name: "a_now", expression: "a" }],
    label: { name: "big", expression: "a > 10" },
  });
  const asked = { environment: "dev", endpoint, datasetId, purpose: "staff-planning", columns: ["a", "b"] };
  const body = { ...asked, keys: ["customer"], out: "scored" };
  const { id: scores } = await must(product, "POST", "/v1/scorings", body, await product.token("ci"));
  for (const path of [`/v1/training-sets/${String(set)}`, `/v1/scorings/${String(scores)}`])
    await until(
      () => call("GET", path),
      ({ state }) => state === "ready",
    );
  return { set: String(set), scores: String(scores) };
}

/** A prediction once control has it. */
async function predicted(headers: Readonly<Record<string, string>>, body: string | Buffer): Promise<string> {
  const response = await fetch(`${product.gatewayUrl}/v2/models/${endpoint}/infer`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${setting.applicationKey}`,
      "x-portolan-purpose": "staff-planning",
      ...headers,
    },
    body,
  });
  await response.arrayBuffer();
  return recorded(response.headers.get("x-portolan-prediction-id") ?? "");
}

async function recorded(id: string): Promise<string> {
  await until(
    () => call("GET", `/v1/predictions/${id}`),
    ({ header }) => header !== undefined,
  );
  return id;
}

/** One of which the caller says whom it is about. */
function predictedOf(whom: string): Promise<string> {
  const inputs = [{ name: "x", shape: [1, 2], datatype: "FP32", data: [1, 2] }];
  return predicted({ "x-portolan-subject": whom }, JSON.stringify({ inputs }));
}

type Report = Readonly<Record<string, unknown>> & {
  readonly found: readonly {
    readonly place: string;
    readonly environment?: string;
    readonly heldBy?: string[];
  }[];
};

async function ended(id: string): Promise<{ readonly state: string; readonly report: Report }> {
  const found = await until(
    () => call("GET", `/v1/data-erasures/${id}`),
    ({ finishedAt }) => finishedAt !== undefined,
  );
  return found as unknown as { state: string; report: Report };
}
const order = async (environments: readonly Environment[]): Promise<string> =>
  String((await call("POST", "/v1/data-erasures", { subject, reason: "asked for", environments }))["id"]);

/** Objects in which the name stands as it is written; what is compressed the search of the order reads. */
async function filesWith(text: string): Promise<string[]> {
  const folder = join(product.home, "objects");
  const names = await readdir(folder, { recursive: true, withFileTypes: true });
  const found: string[] = [];
  for (const entry of names.filter((one) => one.isFile())) {
    const path = join(entry.parentPath, entry.name);
    if ((await readFile(path)).includes(text)) found.push(entry.name);
  }
  return found;
}

beforeAll(async () => {
  if (!isRunnable) return;
  product = await startProduct();
  setting = await prepareUseCase(product);
  await call("PUT", "/v1/contracts/orders", { document: contract });
}, 240_000);
afterAll(async () => {
  if (isRunnable) await product[Symbol.asyncDispose]();
});

test.skipIf(!isRunnable)(
  "what a hold covers stays, then all of it goes in both environments, through kills of control",
  async () => {
    const dev = await ingested("dev", 1);
    const staging = await ingested("staging", 2);
    const { set, scores } = await madeOf(dev.datasetId);
    expect((await filesWith(subject)).length).toBeGreaterThan(1);
    const about = await predictedOf(subject);
    const others = await predictedOf(other);

    const hold = await call("POST", "/v1/data-holds", {
      environment: "staging",
      contract: "orders",
      reason: "claim",
    });
    const refused = await ended(await order(["dev", "staging"]));
    expect(refused.state).toBe("refused");
    for (const { environment, heldBy } of refused.report.found)
      expect([environment, heldBy]).toEqual([
        environment,
        environment === "staging" ? [hold["id"]] : undefined,
      ]);
    const places = [
      "dataset snapshots",
      "predictions and outcomes",
      "quarantine",
      "scored snapshots",
      "stored sources",
      "training sets",
    ];
    expect([...new Set(refused.report.found.map(({ place }) => place))].toSorted()).toEqual(places);
    const rowCount = async (id: string) => (await call("GET", `/v1/datasets/${id}`))["rowCount"];
    expect([await rowCount(dev.datasetId), await rowCount(staging.datasetId)]).toEqual([40, 40]);

    await call("POST", `/v1/data-holds/${String(hold["id"])}/release`, { reason: "settled" });
    const id = await order(["dev", "staging"]);
    for (const wait of [0, 1_500]) {
      await until(
        () => call("GET", `/v1/data-erasures/${id}`),
        (found) => found["state"] !== "waiting",
      );
      await sleep(wait);
      const pid = product.kill("control");
      await product.untilRestarted("control", pid);
      await product.untilReady("control", 120_000);
    }
    const { state, report } = await ended(id);
    expect([state, report["remains"]]).toEqual(["erased", []]);
    expect(report["erased"]).toMatchObject({
      "dataset snapshots": 20,
      "predictions and outcomes": 1,
      "training sets": 10,
      "stored sources": 2,
    });
    expect([await rowCount(dev.datasetId), await rowCount(staging.datasetId)]).toEqual([30, 30]);
    expect(await call("GET", `/v1/training-sets/${set}`)).toMatchObject({ manifest: { rowsAfter: 30 } });
    expect((await call("GET", `/v1/scorings/${scores}`))["state"]).toBe("failed");
    expect(await filesWith(subject)).toEqual([]);
    const withheld = async (id: string) => (await call("GET", `/v1/predictions/${id}`))["withheld"];
    expect([await withheld(about), await withheld(others)]).toEqual(["erased", undefined]);
    for (const { upload } of [dev, staging]) {
      const answer = await product.call(
        "GET",
        `/v1/artifacts/${upload}`,
        undefined,
        await product.token("admin"),
      );
      expect(answer.status).toBe(404);
    }
    // Whoever is left is left: of him everything is found still.
    const left = await call("POST", "/v1/data-erasures", { subject: other, reason: "a look", dryRun: true });
    expect((await ended(String(left["id"]))).report.found.map(({ place }) => place)).toEqual(
      expect.arrayContaining(["dataset snapshots", "training sets"]),
    );
  },
  300_000,
);

/** Of tensors in bytes: the binary extension, the same without a header, and raw contents over gRPC. */
async function predictedInBytes(value: number): Promise<{ named: string[]; raw: string }> {
  const tensor: Tensor = { name: "x", datatype: "FP32", shape: [1, 2], data: Float32Array.of(0.5, value) };
  const { parts, jsonBytes } = writeInferRequest([tensor], true);
  const header = "inference-header-content-length";
  const binary = await predicted({ [header]: String(jsonBytes) }, Buffer.concat(parts));
  const raw = await predicted({ [header]: "0" }, Buffer.concat(parts.slice(1)));
  const client = new GrpcClient(product.state().grpcAddress ?? "", setting.applicationKey);
  client.say("x-portolan-purpose", "staff-planning");
  const asked = writeGrpcInfer({ name: endpoint, version: "" }, [tensor]);
  const { trailers } = await client.call("ModelInfer", asked, messages.inferResponse);
  client.close();
  const overGrpc = String(trailers.get("x-portolan-prediction-id")[0]);
  return { named: [binary, await recorded(overGrpc)], raw };
}

test.skipIf(!isRunnable)(
  "a number in tensors in bytes is erased by its input's name, and where nothing names the input it is found",
  async () => {
    const number = 4_711_235;
    // The gateway knows the key once it has the snapshot with it.
    await until(
      () => predict(product, setting),
      ({ status }) => status === 200,
    );
    const { named, raw } = await predictedInBytes(number);
    const { named: neighbours } = await predictedInBytes(number + 1);
    const asked = {
      subject: String(number),
      reason: "asked for",
      environments: ["dev"],
      columns: ["x"],
    };
    const { id } = await call("POST", "/v1/data-erasures", asked);
    const { state, report } = await ended(String(id));
    expect([state, report]).toMatchObject(["incomplete", { erased: { "predictions and outcomes": 2 } }]);
    expect([state, report["remains"]]).toEqual([
      "incomplete",
      [{ where: "payloads of predictions", what: raw, hits: 1 }],
    ]);
    const withheld = async (one: string) => (await call("GET", `/v1/predictions/${one}`))["withheld"];
    for (const one of named) expect(await withheld(one)).toBe("erased");
    for (const one of neighbours) expect(await withheld(one)).toBeUndefined();
  },
  120_000,
);
