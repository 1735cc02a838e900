import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { runAnalysis } from "@portolan/duckdb";
import { createLogger, type Digest, type ObjectStore, systemClock } from "@portolan/kernel";
import { openFolderObjectStore } from "@portolan/objectstore";
import type { StatedUpstream } from "@portolan/registry/contract";
import { encodeUpstream } from "@portolan/registry/policy";
import type { ChunkRequest, UpstreamTerms } from "@portolan/scoring";
import { createUpstreamProbe, createUpstreamRuntime, openUpstreamAccess } from "@portolan/upstream";
import { GrpcTensorServer, TensorServer } from "@portolan/upstream/testing";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { createChunkScorer } from "../../apps/control/src/batch/child-chunk-scorer.ts";

const folder = mkdtempSync(join(tmpdir(), "chunk-upstream-"));
const holder = { organisationId: "org_1", useCaseId: "uc_1" };
const access = openUpstreamAccess("127.0.0.1", join(folder, "credentials"));
const upstreams = createUpstreamRuntime({ access, log: createLogger({ name: "test", level: "silent" }) });
const rows = 1000;
const terms: UpstreamTerms = { region: "local", owner: "self", timeoutMs: 1000, mostAtOnce: 100 };
const table = { datatype: "FP64", shape: [-1, 2] };
const never = new AbortController().signal;

let objects: ObjectStore;
let dataset: Digest;
let server: TensorServer;
beforeAll(async () => {
  const file = join(folder, "work/rows.parquet");
  await analyse(
    `copy (select i as id, (i / 8.0)::double as a, case when i % 100 = 7 then null else (i % 13)::double end as b
       from range(${rows}) t(i)) to '${file}' (format parquet)`,
    [],
  );
  objects = await openFolderObjectStore(join(folder, "objects"), systemClock);
  dataset = await objects.put(readFileSync(file));
});
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(async () => {
  server = await TensorServer.start([{ name: "x", ...table }], [{ name: "y", ...table }]);
});
afterEach(() => server.close());

async function analyse(sql: string, readable: readonly string[]) {
  const workFolder = join(folder, readable.length === 0 ? "work" : "spill");
  const result = await runAnalysis({ statements: [{ sql, returns: "rows" }], readable, workFolder });
  return result.rows["rows"] ?? [];
}

/** A chunk of all rows for a server, as control registers it. */
async function chunkFor(
  over: Partial<StatedUpstream>,
  limits: Partial<UpstreamTerms> = {},
): Promise<ChunkRequest> {
  const stated: StatedUpstream = {
    protocol: "open-inference",
    url: server.url,
    model: "echo",
    region: "local",
    owner: "self",
    ...over,
  };
  const found = await createUpstreamProbe(access).describe(stated, { ...holder, environment: "dev" });
  const [spec] = found.signature.inputs;
  if (!spec) throw new Error("the server takes no input");
  return {
    model: await objects.put(encodeUpstream(stated, found, holder)),
    dataset,
    plan: {
      signature: found.signature,
      inputs: [{ spec, columns: ["a", "b"].map((column) => ({ column, standIn: null })) }],
      nonFinite: "refuse",
      nonFiniteOutputs: "refuse",
    },
    keys: ["id"],
    from: 0,
    rows,
    label: "echo/1",
    upstream: { ...terms, ...limits },
  };
}

const scorer = (patienceMs?: number, limitMs?: number) =>
  createChunkScorer({
    objects,
    workFolder: join(folder, "scoring"),
    upstreams,
    ...(patienceMs === undefined ? {} : { patienceMs }),
    ...(limitMs === undefined ? {} : { limitMs }),
  });

async function scoresIn(object: Digest) {
  const path = await objects.localPath(object);
  return analyse(`select * from read_parquet('${path}') order by _row`, [path]);
}

/** What the server gives back are its inputs. */
async function requireEchoed(object: Digest, without: readonly number[] = []): Promise<void> {
  const found = await scoresIn(object);
  expect(found).toHaveLength(rows);
  for (const row of found) {
    const id = Number(row["id"]);
    if (without.includes(id)) continue;
    const why = id % 100 === 7 ? "missing: b" : null;
    expect([row["_refused"], row["_model"]]).toEqual([why, "echo/1"]);
    expect([row["y_0"], row["y_1"]]).toEqual(why ? [null, null] : [id / 8, id % 13]);
  }
}

test("rows are scored by another server over REST and gRPC, to the same bytes as often as they are asked for", async () => {
  const overRest = await scorer().score(await chunkFor({}), never);
  await requireEchoed(overRest.object);
  expect(overRest).toMatchObject({ rows, refused: 10, rowsPerRun: 64 });
  expect(overRest.upstream?.requests).toBe(server.seen.length);
  expect(overRest.upstream?.busyMicros).toBeGreaterThan(0);
  // Sixty-four rows by themselves and once together, then sixty-four at a time.
  expect(server.seen.length).toBe(65 + Math.ceil(990 / 64));
  expect((await scorer().score(await chunkFor({}), never)).object).toBe(overRest.object);

  const grpc = await GrpcTensorServer.start([{ name: "x", ...table }], [{ name: "y", ...table }]);
  try {
    const chunk = await chunkFor({ protocol: "open-inference-grpc", url: grpc.url });
    expect((await scorer().score(chunk, never)).object).toBe(overRest.object);
  } finally {
    await grpc.close();
  }
});

test("the credential goes along, read from its file, and is no part of what the child or the chunk holds", async () => {
  const file = {
    organisation: "org_1",
    origin: server.url,
    headers: { authorization: "Bearer of-the-batch" },
  };
  const credentials = join(folder, "credentials");
  mkdirSync(credentials, { recursive: true });
  writeFileSync(join(credentials, "triton.json"), JSON.stringify(file));
  const { object } = await scorer().score(await chunkFor({ credential: "triton" }), never);
  await requireEchoed(object);
  expect(new Set(server.seen.map(({ headers }) => headers.authorization))).toEqual(
    new Set(["Bearer of-the-batch"]),
  );
});

test("a row that the server refuses has no scores and says why; the others of its request have theirs", async () => {
  server.refuses = (body) => body.includes(Buffer.from(Float64Array.of(500 / 8).buffer));
  const { object, refused } = await scorer().score(await chunkFor({}), never);
  expect(refused).toBe(11);
  await requireEchoed(object, [500]);
  const [row] = (await scoresIn(object)).filter(({ id }) => Number(id) === 500);
  expect(row).toMatchObject({
    _refused: "upstream_refused: the third column is negative",
    y_0: null,
    y_1: null,
  });
});

test("a row that is refused among those that are tried first costs the others nothing of their runs", async () => {
  server.refuses = (body) => body.includes(Buffer.from(Float64Array.of(3 / 8).buffer));
  const { object, refused, rowsPerRun } = await scorer().score(await chunkFor({}), never);
  expect([refused, rowsPerRun]).toEqual([11, 64]);
  await requireEchoed(object, [3]);
});

test("a chunk may take longer than its limit, as long as the server answers", async () => {
  server.delayMs = 150;
  // Sixty-five requests one after the other take 9.75 s.
  const { object } = await scorer(undefined, 8000).score(await chunkFor({}), never);
  await requireEchoed(object);
});

test.each(["busy", "full"] as const)(
  "a server that is %s is asked less and waited for, also where the endpoint allows no retries",
  async (mode) => {
    server.mode = mode;
    const scoring = scorer().score(await chunkFor({}, { retryShare: 0 }), never);
    await expect.poll(() => server.seen.length, { timeout: 30_000 }).toBeGreaterThan(1);
    await sleep(1000);
    // Each pause is twice the one before: 0.1 s, 0.2 s, 0.4 s, 0.8 s.
    expect(server.seen.length).toBeLessThanOrEqual(5);
    server.mode = "ok";
    const { object, upstream } = await scoring;
    await requireEchoed(object);
    expect(upstream?.requests).toBe(server.seen.length);
  },
);

test("a server that goes away midway is waited for, and then the chunk is put off; an endpoint without retries has none", async () => {
  server.mode = "hang";
  const without = scorer(2000).score(await chunkFor({}, { retryShare: 0, timeoutMs: 300 }), never);
  await expect(without).rejects.toMatchObject({ code: "scoring.chunk_failed" });
  server.mode = "ok";
  const away = scorer(1500).score(await chunkFor({}), never);
  await expect.poll(() => server.seen.length, { timeout: 30_000 }).toBeGreaterThan(20);
  const { port } = server;
  await server.close();
  await expect(away).rejects.toMatchObject({ code: "scoring.upstream_away" });
  await server.listen(port);
  await requireEchoed((await scorer().score(await chunkFor({}), never)).object);
});

test("patience is with the server: a request that waited long for its turn behind others is tried again", async () => {
  // The requests of eight lanes have their turn one by one, the last after 2.4 s.
  const scoring = scorer(1500).score(await chunkFor({}, { mostAtOnce: 1 }), never);
  const seen = (count: number) =>
    expect.poll(() => server.seen.length, { timeout: 60_000, interval: 5 }).toBeGreaterThanOrEqual(count);
  await seen(60);
  server.delayMs = 300;
  await seen(72);
  server.mode = "busy";
  await seen(73);
  server.mode = "ok";
  await requireEchoed((await scoring).object);
});

test("a restart of the server in between costs nothing but the wait", async () => {
  const chunk = await chunkFor({});
  const scoring = scorer().score(chunk, never);
  await expect.poll(() => server.seen.length, { timeout: 30_000 }).toBeGreaterThan(10);
  const { port } = server;
  await server.close();
  await sleep(1500);
  await server.listen(port);
  await requireEchoed((await scoring).object);
});

test("a scoring that is stopped asks for nothing more", async () => {
  server.mode = "hang";
  const stop = new AbortController();
  const scoring = scorer().score(await chunkFor({}), stop.signal);
  const ended = expect(scoring).rejects.toThrow();
  await expect.poll(() => server.seen.length, { timeout: 30_000 }).toBeGreaterThan(0);
  stop.abort();
  await ended;
  const asked = server.seen.length;
  await sleep(500);
  expect(server.seen.length).toBe(asked);
});
