import { digestJson, environments } from "@portolan/kernel";
import { afterAll, beforeAll, expect, test } from "vitest";
import { must } from "./api.ts";
import {
  buildSet,
  dayTwo,
  noon,
  openTeamWorld,
  prepareData,
  type TeamWork,
  type TeamWorld,
  visitsModel,
} from "./team-world.ts";
import { visitsContract, visitsCsv, visitsSet } from "./visits.ts";

let world: TeamWorld;
let work: TeamWork;
let trainingSet: string;
let quarantine: string;
beforeAll(async () => {
  world = await openTeamWorld();
  work = await prepareData(world);
  await world.post("ada", "/v1/users", { name: "pia", displayName: "pia" });
  const scope = { kind: "team", id: "network-planning" };
  const scientist = { principal: "pia", role: "data_scientist", scope, environments };
  await world.post("ada", "/v1/role-bindings", scientist);
  trainingSet = String(
    manifestOf((await world.get("sam", `/v1/training-sets/${work.trainingSet}`)).body)["object"],
  );
  quarantine = String((await world.get("sam", `/v1/ingestions/${work.ingestion}`)).body["quarantine"]);
});
afterAll(() => world.control.close());

const manifestOf = (body: Readonly<Record<string, unknown>>) => body["manifest"] as Record<string, unknown>;
const policy = async (name: string, text: string) => {
  const document = `kind: AccessPolicy\nname: ${name}\n${text}`;
  const answer = await world.control.call(
    "PUT",
    `/v1/access-policies/${name}`,
    { document },
    await world.as("ada"),
  );
  expect([answer.status, answer.text]).toEqual([200, answer.text]);
};
const withdraw = async (name: string) =>
  world.control.call("DELETE", `/v1/access-policies/${name}`, undefined, await world.as("ada"));
const bytes = async (who: string, digest: string, purpose?: string) =>
  world.get(who, `/v1/artifacts/${digest}${purpose === undefined ? "" : `?purpose=${purpose}`}`);
const rows = async (who: string, id: string, purpose = "care") =>
  world.control.call("POST", `/v1/datasets/${id}/reads`, { purpose, limit: 5 }, await world.as(who));
const ingested = async (who: string, contract: string, object: string, format = "csv") => {
  const batch = { contract, ...work.place, sources: [{ object, format }] };
  return world.control.call("POST", "/v1/ingestions", batch, await world.as(who));
};
const notThere = { status: 404, body: { code: "registry.artifact_not_found" } };
const ledger = async (subject: string) =>
  (await world.get("ann", `/v1/ledger/entries?subject=${subject}`)).body["entries"] as Record<
    string,
    unknown
  >[];

test("bytes that hold rows are given to nobody whom no policy allows all of them, for a purpose that is named", async () => {
  for (const digest of [work.dataset, quarantine, trainingSet])
    for (const who of ["sam", "mia", "ada"])
      expect(await bytes(who, digest, "care")).toMatchObject({
        status: 403,
        body: { code: "data.access_denied" },
      });
  const [refused] = (await ledger(work.dataset)).filter(({ event }) => event === "data.bytes.read_refused");
  expect(refused).toMatchObject({ detail: { purpose: "care", rows: [work.datasetId] } });
  await policy("care", "effect: allow\npurposes: [care]\nroles: [ml_engineer]\ncontracts: [visits]\n");
  for (const digest of [work.dataset, quarantine, trainingSet]) {
    expect(await bytes("mia", digest, "care")).toMatchObject({ status: 200 });
    expect((await bytes("mia", digest, "marketing")).status).toBe(403);
    expect((await bytes("mia", digest)).body["detail"]).toContain("no purpose");
    // Whom the policy is not about.
    expect((await bytes("ada", digest, "care")).status).toBe(403);
    // Who may read nothing there does not learn that it is there.
    expect((await bytes("tom", digest, "care")).status).toBe(404);
  }
  const [read] = (await ledger(trainingSet)).filter(({ event }) => event === "data.bytes.read");
  expect(read).toMatchObject({ detail: { purpose: "care", policies: ["care"], rows: [work.trainingSet] } });
});

test("what somebody uploaded is the uploader's, and rows of the contract to everybody else once it was ingested", async () => {
  expect((await bytes("sam", work.upload)).status).toBe(200);
  expect((await bytes("mia", work.upload)).status).toBe(403);
  expect((await bytes("mia", work.upload, "care")).status).toBe(200);
  // What holds no rows of data needs no purpose.
  const model = await world.upload("sam", work.place, visitsModel);
  expect((await bytes("mia", model)).status).toBe(200);
});

test("rows of data are not named as the source of another contract: there other policies would hold", async () => {
  for (const object of [work.dataset, trainingSet, quarantine]) {
    expect(await ingested("sam", "visits", object, "parquet")).toMatchObject(notThere);
  }
  const { useCaseId } = work.place;
  const contract = { document: visitsContract.replace("id: visits", "id: mine"), useCaseId };
  await must(world.control, "PUT", "/v1/contracts/mine", contract, await world.as("sam"));
  const named = (who: string, object: string) => ingested(who, "mine", object);
  expect(await named("pia", work.upload)).toMatchObject(notThere);
  // Its uploader has the bytes; so has who uploads them, too.
  expect((await named("sam", work.upload)).status).toBe(202);
});

test("what an ingestion took is nothing that others train with, nor a set of cases", async () => {
  const { useCaseId } = work.place;
  const own = await world.upload("pia", work.place, Buffer.from("pass\n"));
  const run = (code: string, lock: string) => ({
    ...work.place,
    trainingSetId: work.trainingSet,
    code,
    locks: { "3.12": lock },
    params: {},
    seed: 1,
  });
  for (const body of [run(work.upload, own), run(own, work.upload)])
    expect(await world.control.call("POST", "/v1/training-runs", body, await world.as("pia"))).toMatchObject(
      notThere,
    );
  const cases = { name: "visits", useCaseId, artifact: work.upload };
  expect(await world.control.call("POST", "/v1/evaluation-sets", cases, await world.as("pia"))).toMatchObject(
    notThere,
  );
});

test("who uploads bytes that somebody else uploaded has them, too, and nobody else", async () => {
  expect((await bytes("pia", work.upload)).status).toBe(403);
  expect(await world.upload("pia", work.place, Buffer.from(visitsCsv))).toBe(work.upload);
  expect((await bytes("pia", work.upload)).status).toBe(200);
  expect((await ingested("pia", "mine", work.upload)).status).toBe(202);
  expect((await bytes("sam", work.upload)).status).toBe(200);
  expect((await bytes("mia", work.upload)).status).toBe(403);
});

test("a training set is read through the policies on what it was made of, each mask with the policy that asked for it", async () => {
  const clear = await rows("mia", work.trainingSet);
  expect(clear.status).toBe(200);
  expect((clear.body["rows"] as Record<string, unknown>[])[0]).toMatchObject({ _row: "1", wait_now: "0" });
  await policy("waits", "effect: restrict\nmasks: [{ columns: [wait], with: pseudonym }]\n");
  const masked = await rows("mia", work.trainingSet);
  const [row] = masked.body["rows"] as Record<string, unknown>[];
  for (const name of ["wait_now", "long"]) expect(row?.[name]).toMatch(/^p[0-9a-f]{32}$/);
  const columns = (masked.body["decision"] as { columns: { name: string; mask?: unknown }[] }).columns;
  const asked = Object.fromEntries(columns.map(({ name, mask }) => [name, mask]));
  const by = { with: "pseudonym", by: "waits" };
  expect(asked).toEqual({
    _row: undefined,
    _at: undefined,
    wait_now: by,
    long: by,
    visits_3h: undefined,
    wait_3h: by,
  });
  const reads = (await ledger(work.trainingSet)).filter(({ event }) => event === "data.dataset.read");
  expect(JSON.stringify(reads)).toContain("wait_3h (pseudonym by waits)");
  for (const digest of [work.dataset, trainingSet])
    expect((await bytes("mia", digest, "care")).body["detail"]).toContain("a part of");
  expect((await rows("tom", work.trainingSet)).status).toBe(404);
  await withdraw("waits");
});

test("an attribute of a training set is as masked as the column that it is made of", async () => {
  // The contract is spoken of by now: what a set is built for has to be allowed.
  const early = visitsSet(work.place, { to: dayTwo });
  const refused = await world.control.call("POST", "/v1/training-sets", early, await world.as("sam"));
  expect(refused).toMatchObject({ status: 403, body: { code: "data.access_denied" } });
  await policy("learning", "effect: allow\npurposes: [training]\ncontracts: [visits]\n");
  const attributes = [{ name: "site", expression: "place" }];
  const set = await buildSet(world, visitsSet(work.place, { to: dayTwo, attributes }));
  await policy("places", "effect: restrict\nmasks: [{ columns: [place], with: pseudonym }]\n");
  const { rows: read } = (await rows("mia", set)).body as { rows: Record<string, unknown>[] };
  expect(read[0]?.["site"]).toMatch(/^p[0-9a-f]{32}$/);
  await withdraw("places");
  const { rows: clear } = (await rows("mia", set)).body as { rows: Record<string, unknown>[] };
  expect(clear[0]?.["site"]).toBe("north");
});

test("quarantined rows and values that are derived again are shown as they are, or not at all", async () => {
  const kept = (purpose?: string) =>
    world.get(
      "mia",
      `/v1/ingestions/${work.ingestion}/quarantine${purpose === undefined ? "" : `?purpose=${purpose}`}`,
    );
  const at = noon;
  const replayed = async (who: string, purpose?: string) => {
    const body = {
      ...work.place,
      ...(purpose === undefined ? {} : { purpose }),
      rows: [{ key: ["north"], at, servedAt: at }],
    };
    return world.control.call("POST", "/v1/feature-views/visits-by-place/replays", body, await world.as(who));
  };
  expect((await kept()).status).toBe(403);
  expect(await kept("care")).toMatchObject({ status: 200, body: { rows: [] } });
  expect((await replayed("mia")).body["code"]).toBe("data.access_denied");
  expect((await replayed("mia", "care")).status).toBe(200);
  expect((await replayed("sam", "care")).status).toBe(403);
  await policy("waits", "effect: restrict\nmasks: [{ columns: [wait], with: year }]\n");
  expect((await kept("care")).body["detail"]).toBe("waits masks wait, and here values are shown as they are");
  expect((await replayed("mia", "care")).body["detail"]).toContain("waits masks wait_3h");
  await withdraw("waits");
  expect(JSON.stringify(await ledger(work.ingestion))).toContain("data.quarantine.read");
});

test("the manifest of a training set has the digest of the policies that were in force", async () => {
  const { policies } = (await world.get("ada", "/v1/access-policies")).body as {
    policies: { name: string; digest: string }[];
  };
  const inForce = digestJson(policies.map(({ name, digest }) => ({ name, digest })));
  const built = async () => {
    const id = await buildSet(world, visitsSet(work.place, { to: dayTwo }));
    return manifestOf((await world.get("sam", `/v1/training-sets/${id}`)).body)["accessPolicies"];
  };
  expect(await built()).toBe(inForce);
  await policy("other", "effect: deny\npurposes: [marketing]\n");
  expect(await built()).not.toBe(inForce);
  await withdraw("other");
  expect(await built()).toBe(inForce);
});

test("a row filter hides what was made of the rows; an allowance that has ended allows nothing", async () => {
  await policy("north", "effect: restrict\ncontracts: [visits]\nrows: place = 'north'\n");
  expect(await rows("mia", work.datasetId)).toMatchObject({ status: 200 });
  expect(await rows("mia", work.trainingSet)).toMatchObject({
    status: 403,
    body: { detail: expect.stringContaining("north filters rows of visits") as string },
  });
  await withdraw("north");
  await policy("care", "effect: allow\npurposes: [care]\nexpires: 2026-01-01T00:00:00Z\n");
  for (const id of [work.datasetId, work.trainingSet])
    expect(await rows("mia", id)).toMatchObject({ status: 403, body: { code: "data.access_denied" } });
  expect((await bytes("mia", work.dataset, "care")).status).toBe(403);
});
