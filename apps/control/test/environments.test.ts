import { adviceId } from "@portolan/advice/policy";
import { parseAction, reachOf } from "@portolan/identity/contract";
import { type Id, newId, systemClock } from "@portolan/kernel";
import type { Route } from "@portolan/serving/contract";
import { aCall } from "@portolan/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ApiMethod, bootstrapAcme, must } from "./api.ts";
import { environmentRoutes } from "./environment-routes.ts";
import { heldRow } from "./held-row.ts";
import { type DeclaredRoute, type InProcessControl, openControl } from "./in-process.ts";
import { lineageEvent } from "./lineage-event.ts";
import { oneBlock } from "./mutating-routes-models.ts";
import { openAlert, usageOf } from "./mutating-routes-monitoring.ts";
import { chosenBlock, givenRating, queuedReview } from "./mutating-routes-oversight.ts";
import { trackProduction } from "./mutating-routes-tracking.ts";
import type { World } from "./mutating-world.ts";
import { noticeRow } from "./notice-row.ts";
import { pipelineRows } from "./pipeline-row.ts";
import { flagChangeRow, releaseRow, retrainingRow } from "./release-row.ts";

let control: InProcessControl;
let world: World;
/** Two who stop short of production: by their credential, and by the role that they hold. */
let strangers: { readonly name: string; readonly token: string }[];
/** Somebody who does not, so that a refusal is not the answer to everybody. */
let insider: string;

beforeAll(async () => {
  control = await openControl();
  world = { control, api: control, known: new Map() };
  const { organisationId, useCaseId } = await bootstrapAcme(control, control.secret);
  world.known.set("organisation", organisationId).set("useCase", useCaseId);
  world.known.set("experiment", `${useCaseId}-production`).set("experimentName", "flight-delays/production");
  insider = await control.token("ada");
  await must(control, "POST", "/v1/users", { name: "dora", displayName: "Dora" }, insider);
  const scope = { kind: "organisation", id: organisationId };
  const binding = { principal: "dora", role: "platform_admin", scope, environments: ["dev"] };
  await must(control, "POST", "/v1/role-bindings", binding, insider);
  await fillProduction();
  strangers = [
    { name: "a credential for dev", token: await control.token("ada", ["dev"]) },
    { name: "a role in dev", token: await control.token("dora") },
  ];
}, 300_000);
afterAll(() => control.close());

async function fillProduction(): Promise<void> {
  const { known } = world;
  const organisation = known.get("organisation") ?? "";
  const now = systemClock.now();
  const id = (name: string, kind: Parameters<typeof newId>[0]): string => {
    known.set(name, newId(kind, now));
    return known.get(name) ?? "";
  };
  const ci = await control.token("ci");
  const uploaded = (text: string) =>
    must(control, "POST", "/v1/artifacts?environment=production", Buffer.from(text), ci);
  const artifact = await uploaded("bytes");
  known.set("artifact", String(artifact["digest"])).set("part", String(artifact["digest"]));
  const empty = { tensor: "x", column: 0, name: "x", kind: "levels", levels: [], counts: [1, 0] };
  const reference = await uploaded(JSON.stringify({ rows: 1, inputs: [empty], outputs: [], skipped: [] }));
  known.set("counted", "counted-model");
  known.set("countedEndpoint", "arrivals");
  const key = await must(control, "POST", "/v1/api-keys", { name: "k", environment: "production" }, insider);
  known.set("apiKey", (key["apiKey"] as { id: string }).id);
  const reported = lineageEvent("salaries");
  await must(control, "POST", "/api/v1/lineage?environment=production", reported, insider);
  known.set("lineage", "salaries");
  await must(control, "POST", "/v1/usage/records", usageOf(known.get("useCase") ?? ""), insider);
  known.set("usage", "counted-elsewhere");
  const claim = { environment: "production", reason: "a claim" };
  const hold = await must(control, "POST", "/v1/prediction-holds", { ...claim, endpoint: "none" }, insider);
  known.set("hold", String(hold["id"]));
  const alerts = { environment: "production", destination: "main" };
  const alertRoute = await must(control, "POST", "/v1/alert-routes", alerts, insider);
  known.set("alertRoute", String(alertRoute["id"])).set("alert", await openAlert(world));
  const incident = { environment: "production", title: "a key leaked", playbook: "rollback" };
  known.set("incident", String((await must(control, "POST", "/v1/incidents", incident, insider))["id"]));
  known.set("answeredEndpoint", "delays");
  const dataHold = await must(control, "POST", "/v1/data-holds", { ...claim, contract: "none" }, insider);
  known.set("dataHold", String(dataHold["id"]));
  const order = { subject: "somebody", environments: ["production"], dryRun: true, reason: "as asked" };
  const erasure = await must(control, "POST", "/v1/data-erasures", order, insider);
  known.set("erasure", String(erasure["id"]));
  const { items } = await must(control, "GET", "/v1/role-bindings", undefined, insider);
  const bindings = items as { id: string; role: string }[];
  known.set("binding", bindings.find(({ role }) => role === "data_scientist")?.id ?? "");
  const gateway = await control.token("gateway-1");
  await must(control, "PUT", "/v1/gateways/west", { region: "local", owner: "self" }, gateway);
  await must(control, "POST", "/v1/prediction-blocks", await oneBlock(world, "production"), gateway);
  const delivered = known.get("prediction") ?? "";
  known.set("block", (await oneBlock(world, "production")).toString("base64"));
  known.set("undelivered", known.get("prediction") ?? "").set("prediction", delivered);
  known.set("review", await queuedReview(world, "production", delivered));
  await givenRating(world);
  await chosenBlock(world);
  const run = {
    environment: "production",
    trainingSetId: "ts",
    code: digest,
    locks: {},
    params: {},
    seed: 7,
  };
  await trackProduction(world, insider);
  const job = { queue: "test.production", payload: {}, place: { environment: "production" } } as const;
  const owner = aCall({ organisationId: organisation as Id<"organisation"> });
  known.set("job", await control.work.write(owner, (tx) => tx.enqueue(job)));
  await control.database.session(async (session) => {
    const insert = (text: string, values: unknown[]) => session.query(text, values);
    const contract = id("contract", "contract");
    await insert(
      `insert into data.contracts (id, organisation_id, name, version, digest, document, body, published_by, published_at)
       values ($1, $2, 'visits', '1.0.0', 'd', '', '{"columns": []}', 'x', $3)`,
      [contract, organisation, now],
    );
    const [ingestion, dataset] = [id("ingestion", "ingestion"), id("dataset", "dataset")];
    await insert(
      `insert into data.ingestions (id, organisation_id, contract_id, contract, environment, sources, state, started_by, started_at)
       values ($1, $2, $3, 'visits', 'production', '[]', 'published', 'x', $4)`,
      [ingestion, organisation, contract, now],
    );
    await insert(...noticeRow(ingestion, organisation, now));
    await insert(
      `insert into data.subscriptions (id, organisation_id, contract, environment, connection, topic, start_at, call, state, started_at)
       values ($1, $2, 'visits', 'production', 'main', 'visits', 'latest', '{}', 'starting', $3)`,
      [id("subscription", "subscription"), organisation, now],
    );
    await insert(
      `insert into data.datasets (id, organisation_id, contract, contract_digest, environment, object, size_bytes, source_digest,
         row_count, columns, ingestion_id, published_at, batch_at)
       values ($1, $2, 'visits', 'd', 'production', 'o', 1000000000, 's', 1, '[]', $3, $4, $4)`,
      [dataset, organisation, ingestion, now],
    );
    // A gigabyte of a contract that keeps data for good.
    known.set(
      "recommendation",
      adviceId("unbounded_retention", { kind: "data", name: "visits", environment: "production" }),
    );
    await insert(
      `insert into features.training_sets (id, organisation_id, environment, request, state, started_by, started_at)
       values ($1, $2, 'production', '{"environment":"production"}', 'waiting', 'x', $3)`,
      [id("trainingSet", "trainingSet"), organisation, now],
    );
    await insert(
      `insert into training.runs (id, organisation_id, environment, request, state, started_by, started_at)
       values ($1, $2, 'production', $4, 'waiting', 'x', $3)`,
      [id("trainingRun", "trainingRun"), organisation, now, JSON.stringify(run)],
    );
    await insert(...heldRow(id("heldRun", "trainingRun"), organisation, { environment: "production" }, now));
    await insert(
      `insert into features.materializations (id, organisation_id, environment, view, view_digest, dataset_id, as_of, state, started_at)
       values ($1, $2, 'production', 'visits-by-place@1', 'd', $3, 1, 'done', $4)`,
      [id("materialization", "job"), organisation, dataset, now],
    );
    await insert(
      `insert into monitoring.drift_windows (organisation_id, environment, use_case_id, endpoint_id, endpoint, variant, model,
         version, profile, window_start, one_in, rows, counts)
       values ($1, 'production', $2, 'ep', 'arrivals', 'champion', $3, 1, $4, 0, 1, 1, '{1,0}')`,
      [organisation, known.get("useCase"), known.get("counted"), reference["digest"]],
    );
    await insert(
      `insert into scoring.runs (id, organisation_id, environment, use_case_id, name, request, plan, job, state, started_by, started_at)
       values ($1, $2, 'production', $3, 'scored', $4, $5, 'job', 'failed', 'x', $6)`,
      [
        id("scoring", "scoring"),
        organisation,
        known.get("useCase"),
        JSON.stringify({ environment: "production", datasetId: "ds", out: "scored" }),
        JSON.stringify({
          useCaseId: "uc",
          model: { name: "arrivals", version: 1, digest },
          charter: null,
          dataset: { id: "ds", name: "visits", object: digest },
          rows: 1,
          chunks: 1,
          inputs: [],
          keys: [],
        }),
        now,
      ],
    );
    const [endpoint, deployment] = [id("endpoint", "endpoint"), id("deployment", "deployment")];
    await insert(
      `insert into serving.endpoints (id, organisation_id, name, environment, business_unit_id, use_case_id, deployment_id, created_at, created_by)
       values ($1, $2, 'arrivals', 'production', 'bu', $3, $4, $5, 'x')`,
      [endpoint, organisation, known.get("useCase"), deployment, now],
    );
    await insert(
      `insert into serving.deployments (id, endpoint_id, organisation_id, route, request, deployed_at, deployed_by)
       values ($1, $2, $3, $4, $6, $5, 'x')`,
      [
        deployment,
        endpoint,
        organisation,
        JSON.stringify(routeOf(endpoint, deployment)),
        now,
        JSON.stringify({
          environment: "production",
          useCaseId: known.get("useCase"),
          model: "arrivals",
          version: 1,
        }),
      ],
    );
    await insert(...releaseRow(id("release", "release"), organisation, deployment, now));
    const flag = ["production", "arrivals", "new-form"] as const;
    await insert(...flagChangeRow(id("flagChange", "flagChange"), organisation, flag, now));
    const useCase = known.get("useCase") ?? "";
    await insert(...retrainingRow(id("retraining", "retraining"), organisation, useCase, now));
    known.set("pipeline", "arrivals-weekly");
    for (const row of pipelineRows(id("pipelineRun", "pipelineRun"), organisation, useCase, now))
      await insert(...row);
    await insert(
      `insert into serving.snapshots (organisation_id, version, content_digest, signed, manifest, fetchable, placed, created_at)
       values ($1, 1, 'd', '{"payload":"","keyId":"","signature":""}', '{}', $2, '[]', $3)`,
      [
        organisation,
        JSON.stringify([{ digest: known.get("part"), placement: null, environment: "production" }]),
        now,
      ],
    );
  });
}

const digest = `sha256:${"ab".repeat(32)}`;

function routeOf(endpointId: string, deploymentId: string): Route {
  const { organisation = "", useCase = "" } = Object.fromEntries(world.known);
  const model = { name: "arrivals", version: 1, digest, sizeBytes: 1, bundle: { digest, signedAt: 1 } };
  return {
    endpointId,
    endpoint: "arrivals",
    deploymentId,
    organisationId: organisation,
    businessUnitId: "bu",
    teamId: null,
    useCaseId: useCase,
    environment: "production",
    variant: "champion",
    model: { ...model, signature: { inputs: [], outputs: [] }, origin: "trained" },
    charter: null,
    limits: { ratePerSecond: 1, burst: 1, timeoutMs: 1, bodyBytes: 1 },
    purposes: [],
    durability: "buffered",
    nonFinite: "refuse",
    placement: null,
    fallbacks: [],
    resilience: { maxInFlight: 10, slowMs: 100, targetWaitMs: 50 },
    variants: [],
    cache: null,
    traffic: null,
    secondary: null,
    features: null,
    previous: null,
    snapshotAge: null,
  };
}

/** Routes whose action touches things of one environment. */
function isOfOneEnvironment({ action, method }: DeclaredRoute): boolean {
  const known = parseAction(action ?? "");
  return method !== "HEAD" && known !== undefined && reachOf(known) === "one";
}

async function ask(route: string, request: { url: string; body?: unknown }, token: string) {
  const [method] = route.split(" ") as [ApiMethod];
  const { status, body, text } = await control.call(method, request.url, request.body, token);
  return { status, body, text };
}

/** The answer without what names the thing asked for or the request. */
function anonymous({ status, body, text }: Awaited<ReturnType<typeof ask>>, id: string): string {
  const { instance: _, ...rest } = body as Record<string, unknown>;
  const page = text.startsWith("<!doctype") ? text : "";
  return JSON.stringify({ status, rest, page }).replaceAll(id, "it");
}

describe("whoever stops short of production", () => {
  test("is tried at every route that touches things of one environment", () => {
    const declared = control.routes.filter(isOfOneEnvironment).map(({ method, url }) => `${method} ${url}`);
    const tried: readonly string[] = environmentRoutes.map(({ route }) => route);
    expect(declared.length).toBeGreaterThan(25);
    expect(declared.filter((route) => !tried.includes(route))).toEqual([]);
    const registered = control.routes.map(({ method, url }) => `${method} ${url}`);
    expect(tried.filter((route) => !registered.includes(route))).toEqual([]);
  });

  for (const entry of environmentRoutes)
    test(`${entry.route}: ${entry.kind === "shared" ? entry.why : "nothing of production"}`, async () => {
      for (const { name, token } of strangers) {
        if (entry.kind === "shared") {
          expect((await ask(entry.route, entry, token)).status).toBe(200);
          continue;
        }
        const id = entry.kind === "named" ? "" : (world.known.get(entry.of) ?? "");
        if (entry.kind === "listed") {
          const request = { url: entry.url, ...(entry.body ? { body: entry.body(world) } : {}) };
          const { status, text } = await ask(entry.route, request, token);
          expect([name, status]).toEqual([name, 200]);
          expect(text).not.toContain(id);
          expect((await ask(entry.route, request, insider)).text).toContain(id);
        } else if (entry.kind === "named") {
          if (entry.withoutRole !== undefined && name === "a role in dev") continue;
          const { status, body } = await ask(entry.route, entry.request(world), token);
          expect([name, status, [403, 404].includes(status) || body]).toEqual([name, status, true]);
        } else {
          const there = await ask(entry.route, entry.request(world, id), token);
          const missing = await ask(entry.route, entry.request(world, entry.missing), token);
          expect([name, anonymous(there, id)]).toEqual([name, anonymous(missing, entry.missing)]);
          if (entry.route !== "POST /v1/outcomes") expect([403, 404]).toContain(there.status);
        }
      }
    });

  test("reports no outcome in production, and keeps nobody from reporting one; what is erased below leaves production alone", async () => {
    const id = world.known.get("prediction") ?? "";
    const rows = async () =>
      control.database.session((session) =>
        session.query<{ outcome: number }>(
          "select outcome from predictions.labelled_v1 where prediction_id = $1",
          [id],
        ),
      );
    // Reported by the strangers above, and answered as if it were to come.
    expect(await rows()).toEqual([]);
    const report = async (outcome: number) =>
      (
        await must(
          control,
          "POST",
          "/v1/outcomes",
          { outcomes: [{ predictionId: id, outcome, observedAt: "2026-03-03T00:00:00Z" }] },
          insider,
        )
      )["stored"];
    expect(await report(0)).toBe(1);
    expect((await rows()).map(({ outcome }) => outcome)).toEqual([0]);
    const subject = { select: { subject: "somebody" }, reason: "as asked" };
    for (const { token } of strangers)
      expect(await must(control, "POST", "/v1/prediction-erasures", subject, token)).toMatchObject({
        erased: 0,
      });
  });

  test("while somebody who reaches production finds it all", async () => {
    for (const entry of environmentRoutes) {
      if (entry.kind !== "found" || !entry.route.startsWith("GET") || entry.of === "trainingSet") continue;
      if (["ingestion", "trainingRun"].includes(entry.of) && entry.route.split("/").length > 4) continue;
      const { status } = await ask(
        entry.route,
        entry.request(world, world.known.get(entry.of) ?? ""),
        insider,
      );
      expect([entry.route, status]).toEqual([entry.route, entry.seen ?? 200]);
    }
  });
});

describe("refusals for want of a charter", () => {
  test("leave a row of class denied, whichever domain refuses", async () => {
    const useCase = world.known.get("useCase");
    const ci = await control.token("ci");
    const artifact = world.known.get("artifact");
    const denied = async () =>
      (
        await control.database.session((session) =>
          session.query<{ payload: string }>(
            "select convert_from(payload, 'UTF8') as payload from ledger.rows where class = 'denied'",
          ),
        )
      ).map(({ payload }) => payload);
    const place = { environment: "staging", useCaseId: useCase };
    const ingestion = { ...place, contract: "visits", sources: [{ object: artifact, format: "csv" }] };
    const tries = [
      await control.call("POST", "/v1/ingestions", ingestion, ci),
      await control.call("PUT", "/v1/endpoints/arrivals", { ...place, model: "arrivals", version: 1 }, ci),
    ];
    expect(tries.map(({ body }) => body["code"])).toEqual([
      "charter.not_in_force",
      "serving.charter_required",
    ]);
    const rows = await denied();
    for (const { requestId, body } of tries)
      expect(rows.some((row) => row.includes(requestId) && row.includes(String(body["code"])))).toBe(true);
  });
});
