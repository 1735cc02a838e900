import { setTimeout as sleep } from "node:timers/promises";
import { readTemplate } from "@portolan/charter/templates";
import { logisticModel } from "@portolan/onnx-format/testing";
import type { Product } from "../../apps/cli/test/product.ts";
import { type Answer, must, putInForce } from "../../apps/control/test/api.ts";

export const endpoint = "late";
const purpose = "staff-planning";

export interface Setting {
  readonly admin: string;
  readonly useCaseId: string;
  readonly applicationKey: string;
}

/** Use case, signed charter, imported model, endpoint, and an application with a key. */
export async function prepareUseCase(
  product: Product,
  charter = readTemplate("flight-delays"),
): Promise<Setting> {
  const admin = await product.token("admin");
  const post = (path: string, body: object, token = admin) => must(product, "POST", path, body, token);
  const named = (name: string) => ({ name, displayName: name });
  await post("/v1/business-units", named("operations"));
  await post("/v1/teams", { ...named("network-planning"), businessUnit: "operations" });
  const useCase = await post("/v1/use-cases", { ...named("flight-delays"), team: "network-planning" });
  const useCaseId = String(useCase["id"]);
  for (const name of ["lea", "ron"]) await post("/v1/users", named(name));
  for (const name of ["ci", "dispatch"]) await post("/v1/service-accounts", named(name));
  const { organisationId } = await must(product, "GET", "/v1/whoami", undefined, admin);
  const scope = { kind: "organisation", id: organisationId };
  const environments = ["dev", "staging", "production"];
  for (const [principal, role] of [
    ["lea", "team_lead"],
    ["ron", "approver_risk"],
    ["ci", "ci"],
    ["dispatch", "application"],
  ])
    await post("/v1/role-bindings", { principal, role, scope, environments });
  const { statuses } = await putInForce(product, charter);
  if (statuses.at(-1) !== "in_force") throw new Error(`the charter is ${statuses.at(-1)}`);
  await importModel(product, useCaseId);
  const key = await post("/v1/api-keys", {
    name: "dispatch",
    principal: "dispatch",
    environment: "dev",
    expiresInDays: 1,
  });
  const setting = { admin, useCaseId, applicationKey: String(key["text"]) };
  await deploy(product, setting);
  return setting;
}

async function importModel(product: Product, useCaseId: string): Promise<void> {
  const ci = await product.token("ci");
  const response = await fetch(
    new URL(`/v1/artifacts?environment=production&useCaseId=${useCaseId}`, product.controlUrl),
    {
      method: "POST",
      headers: { authorization: `Bearer ${ci}`, "content-type": "application/octet-stream" },
      body: Buffer.from(logisticModel([0.5, -0.25], 0.1)),
    },
  );
  const { digest } = (await response.json()) as { digest: string };
  const lineage = { origin: "imported", source: "model.onnx" };
  const body = { useCaseId, artifact: digest, environment: "production", lineage };
  await must(product, "POST", "/v1/models/late/versions", body, ci);
}

/** A governed change with an effect outside SQL: the next route snapshot. Resolves to the deployment's id. */
async function deploy(product: Product, setting: Setting): Promise<string> {
  const body = { environment: "dev", useCaseId: setting.useCaseId, model: "late", version: 1 };
  const route = await must(product, "PUT", `/v1/endpoints/${endpoint}`, body, setting.admin);
  return String(route["deploymentId"]);
}

export async function predict(
  product: Product,
  setting: Setting,
): Promise<{ status: number; id: string | null }> {
  const inputs = [{ name: "x", shape: [1, 2], datatype: "FP32", data: [1, 2] }];
  const response = await fetch(`${product.gatewayUrl}/v2/models/${endpoint}/infer`, {
    method: "POST",
    headers: { authorization: `Bearer ${setting.applicationKey}`, "x-portolan-purpose": purpose },
    body: JSON.stringify({ inputs }),
    signal: AbortSignal.timeout(10_000),
  });
  await response.arrayBuffer();
  return { status: response.status, id: response.headers.get("x-portolan-prediction-id") };
}

/** What the outside world was told: everything in here must be there in the end. */
export class Acknowledged {
  readonly predictions: { readonly id: string; readonly atMs: number }[] = [];
  /** Ids of people created. */
  readonly users: string[] = [];
  readonly deployments: string[] = [];
  /** Other answers and broken connections, by what they were. */
  readonly failures = new Map<string, number>();

  fail(what: string): void {
    this.failures.set(what, (this.failures.get(what) ?? 0) + 1);
  }
}

const predictEveryMs = 25;
const changeEveryMs = 40;
/** Each this many changes, one is a deployment. */
const deployEvery = 15;

/** Predicts until told to stop, and remembers each id that came back with a 200. */
export async function predictOn(product: Product, setting: Setting, told: Acknowledged, stop: AbortSignal) {
  while (!stop.aborted) {
    try {
      const { status, id } = await predict(product, setting);
      if (status === 200 && id !== null) told.predictions.push({ id, atMs: performance.now() });
      else told.fail(`gateway ${status}`);
    } catch {
      told.fail("gateway unreachable");
    }
    await sleep(predictEveryMs);
  }
}

function codeOf({ body, text }: Answer): string {
  return typeof body["code"] === "string" ? body["code"] : text.slice(0, 160);
}

/** Creates people and deployments until told to stop; what was not acknowledged is not tried again. */
export async function changeOn(product: Product, setting: Setting, told: Acknowledged, stop: AbortSignal) {
  for (let n = 1; !stop.aborted; n++) {
    try {
      if (n % deployEvery === 0) {
        told.deployments.push(await deploy(product, setting));
      } else {
        const body = { name: `person-${n}`, displayName: `Person ${n}` };
        const answer = await product.call("POST", "/v1/users", body, setting.admin);
        if (answer.status < 300) told.users.push(String(answer.body["id"]));
        else told.fail(`control ${answer.status} ${codeOf(answer)}`);
      }
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      told.fail(text.startsWith("PUT ") ? `control ${text.slice(0, 160)}` : "control unreachable");
    }
    await sleep(changeEveryMs);
  }
}
