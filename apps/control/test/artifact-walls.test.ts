import { once } from "node:events";
import { chmod, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { type Digest, environments, parseDigest } from "@portolan/kernel";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Answer } from "./api.ts";
import { bare, openTeamWorld, prepareData, type TeamWork, type TeamWorld } from "./team-world.ts";

let world: TeamWorld;
let work: TeamWork;
/** A Ray cluster where the charter lets no data be. */
const cluster = {
  RAY_CONTROL_URL: "http://127.0.0.1:7400",
  RAY_PYTHON: "3.12",
  RAY_REGION: "us-east-1",
  RAY_OWNER: "somebody",
};
/** Connections to it. */
let connections = 0;
const outside = createServer(() => {
  connections += 1;
});

async function listenAsCluster(): Promise<string> {
  outside.listen(0, "127.0.0.1");
  await once(outside, "listening");
  return `http://127.0.0.1:${(outside.address() as AddressInfo).port}`;
}

beforeAll(async () => {
  world = await openTeamWorld({ ...cluster, RAY_ADDRESS: await listenAsCluster() });
  work = await prepareData(world);
});
afterAll(async () => {
  outside.close();
  await world.control.close();
});

const nothing = `sha256:${"0".repeat(64)}`;
const read = (digest: string, token: string): Promise<Answer> =>
  world.control.call("GET", `/v1/artifacts/${digest}?purpose=audit`, undefined, token);

/** The answer about bytes that are there is the answer about bytes that are not. */
async function expectHidden(digest: string, token: string): Promise<void> {
  const answer = await read(digest, token);
  expect(answer).toMatchObject({ status: 404, body: { code: "registry.artifact_not_found" } });
  expect(bare(answer, digest)).toEqual(bare(await read(nothing, token), nothing));
}

test("two organisations that upload the same bytes hold them each for itself, and neither learns of the other", async () => {
  const { control } = world;
  await world.post("ada", "/v1/organisations", {
    name: "globex",
    displayName: "Globex",
    administrator: { name: "gus", displayName: "Gus" },
  });
  const gus = await control.token("gus", environments, "globex");
  const ada = await world.as("ada");
  const bytes = Buffer.from("the same bytes");
  const upload = (token: string) =>
    control.call("POST", "/v1/artifacts?environment=production", bytes, token);
  const first = await upload(ada);
  const digest = String(first.body["digest"]);
  await expectHidden(digest, gus);
  const second = await upload(gus);
  expect(bare(second, digest)).toEqual(bare(first, digest));
  expect((await read(digest, gus)).text).toBe("the same bytes");
  expect((await read(digest, ada)).text).toBe("the same bytes");
  // What one produced the other does not get by its digest, also where its policies allow all of it.
  const document = "kind: AccessPolicy\nname: audit\neffect: allow\npurposes: [audit]\n";
  for (const as of [ada, gus])
    expect((await control.call("PUT", "/v1/access-policies/audit", { document }, as)).status).toBe(200);
  for (const own of [work.upload, work.dataset]) {
    expect((await read(own, ada)).status).toBe(200);
    await expectHidden(own, gus);
  }
});

test("stored bytes that have changed are given to nobody, and the first of those who asked is on the ledger", async () => {
  const { control } = world;
  const ada = await world.as("ada");
  const digest = await world.upload("sam", work.place, Buffer.from("bytes that a disk will change"));
  const path = await control.objects.localPath(parseDigest(digest) as Digest);
  await chmod(path, 0o600);
  await writeFile(path, "bytes that a disk has changed");
  for (let n = 0; n < 3; n++)
    expect(await read(digest, ada)).toMatchObject({ status: 500, body: { code: "objectstore.corrupt" } });
  const entries = `/v1/ledger/entries?class=denied&subject=${digest}`;
  const { body } = await control.call("GET", entries, undefined, ada);
  expect(body["entries"]).toMatchObject([{ subject: digest, detail: { reason: "objectstore.corrupt" } }]);
});

test("a credential of dev reads no bytes of production, whatever the role", async () => {
  const { control } = world;
  for (const name of ["sam", "ada"]) {
    const dev = await control.token(name, ["dev"]);
    await expectHidden(work.dataset, dev);
    await expectHidden(work.upload, dev);
    const set = `/v1/training-sets/${work.trainingSet}`;
    const other = "/v1/training-sets/ts_00000000000000000000000000";
    const hidden = await control.call("GET", set, undefined, dev);
    const missing = await control.call("GET", other, undefined, dev);
    expect(bare(hidden, work.trainingSet)).toEqual(bare(missing, "ts_00000000000000000000000000"));
  }
});

test("the same bytes in dev and in production are two references: each is read by who reaches its environment", async () => {
  const { control } = world;
  const bytes = Buffer.from("for dev first");
  const place = { environment: "dev", useCaseId: work.place.useCaseId };
  const digest = await world.upload("sam", place, bytes);
  const dev = await control.token("sam", ["dev"]);
  const production = await control.token("sam", ["production"]);
  expect((await read(digest, dev)).status).toBe(200);
  await expectHidden(digest, production);
  await world.upload("sam", work.place, bytes);
  expect((await read(digest, production)).status).toBe(200);
});

test("work in production takes no bytes that were uploaded for dev, nor dev those of production", async () => {
  const { control } = world;
  const sam = await world.as("sam");
  const ingest = (environment: string, object: string) => {
    const sources = [{ object, format: "csv" }];
    const batch = { contract: "visits", environment, useCaseId: work.place.useCaseId, sources };
    return control.call("POST", "/v1/ingestions", batch, sam);
  };
  expect(await ingest("dev", work.upload)).toMatchObject({
    status: 404,
    body: { code: "registry.artifact_not_found" },
  });
});

test("a refused reader leaves a denied row; a reader of nothing leaves none that tells more", async () => {
  const tom = await world.as("tom");
  const answer = await read(work.dataset, tom);
  const { body } = await world.get("ann", `/v1/ledger/entries?requestId=${answer.requestId}`);
  expect(body["entries"]).toMatchObject([{ class: "denied", requestId: answer.requestId }]);
});

test("an upload is on the ledger with its place, in the transaction of its reference", async () => {
  const digest = await world.upload("sam", work.place, Buffer.from("on the record"));
  const { body } = await world.get("ann", `/v1/ledger/entries?subject=${digest}`);
  expect(body["entries"]).toMatchObject([{ event: "registry.artifact.uploaded", class: "governed" }]);
});

test("an upload for a team or use case that does not exist stores nothing", async () => {
  const { control } = world;
  const ada = await world.as("ada");
  const path = "/v1/artifacts?environment=dev&useCaseId=no-such-case";
  expect((await control.call("POST", path, Buffer.from("lost"), ada)).status).toBe(404);
});

test("a run on a cluster where the charter lets no data be is refused with a ledger row, before anything is sent", async () => {
  const { place, trainingSet } = work;
  const code = await world.upload("sam", place, Buffer.from("print('hello')"));
  const body = {
    ...place,
    trainingSetId: trainingSet,
    code,
    locks: {},
    params: {},
    seed: 1,
    backend: "ray",
  };
  const answer = await world.control.call("POST", "/v1/training-runs", body, await world.as("sam"));
  expect([answer.status, answer.body["code"]]).toEqual([403, "charter.placement_refused"]);
  expect(answer.body["detail"]).toBe(
    "backend ray is in us-east-1; data stays in local; backend ray belongs to somebody; only self may own it",
  );
  const rows = await world.control.database.session((session) =>
    session.query(
      "select 1 from ledger.rows where convert_from(payload, 'UTF8') like '%training.placement.refused%'",
      [],
    ),
  );
  expect(rows).toHaveLength(1);
  expect(connections).toBe(0);
});
