import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runAnalysis } from "../src/index.ts";
import { watchFolder } from "../src/work-folder.ts";

let folder: string;
let work: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-duckdb-"));
  work = join(folder, "work");
  await writeFile(join(folder, "in.csv"), "a,b\n1,x\n2,y\n");
  await writeFile(join(folder, "secret.csv"), "a\n1\n");
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const run = (sql: string | readonly string[], readable: readonly string[] = [], more = {}) =>
  runAnalysis({
    statements: (typeof sql === "string" ? [sql] : sql).map((text) => ({ sql: text, returns: "rows" })),
    readable,
    workFolder: work,
    ...more,
  });

test("it reads the named files, writes into its work folder, and answers with 64-bit integers as text", async () => {
  const input = join(folder, "in.csv");
  const { rows } = await run(
    [
      `copy (select * from read_csv('${input}')) to '${work}/out.parquet' (format parquet)`,
      `select sum(a)::bigint as total, max(b) as last, 9007199254740993::bigint as big from read_parquet('${work}/out.parquet')`,
    ],
    [input],
  );
  expect(rows["rows"]).toEqual([{ total: "3", last: "y", big: "9007199254740993" }]);
});

test("every character goes to it and comes back, those too that some take for the end of a line", async () => {
  const text = "a\u2028b\u2029c\u0085d\ne\rf\u{1d11e}";
  const { rows } = await run(`select '${text}' as text, length('${text}')::integer as length`);
  expect(rows["rows"]).toEqual([{ text, length: 12 }]);
});

test("no statement reaches another file, the network, an extension or the way to switch any of it on", async () => {
  const before = await readFile(join(folder, "secret.csv"), "utf8");
  for (const sql of [
    "select * from read_text('/etc/hostname')",
    `select * from read_csv('${folder}/secret.csv')`,
    `select * from read_csv('${folder}/*.csv')`,
    `select * from read_csv('${work}/../secret.csv')`,
    "select * from glob('/etc/*')",
    `copy (select 1) to '${folder}/secret.csv'`,
    "copy (select 1) to '/dev/null'",
    `attach '${folder}/other.db'`,
    `export database '${folder}/dump'`,
    "install httpfs",
    "load httpfs",
    "load '/tmp/evil.duckdb_extension'",
    "select * from 'https://example.com/x.parquet'",
    "select * from read_parquet('s3://bucket/x.parquet')",
    "create secret (type s3, key_id 'a', secret 'b')",
    "set enable_external_access = true",
    "set allowed_directories = ['/']",
    "set custom_extension_repository = 'https://example.com'",
    "reset lock_configuration",
    "pragma enable_external_access",
  ]) {
    await expect(run(sql), sql).rejects.toMatchObject({ code: "data.analysis_failed" });
  }
  expect(await readFile(join(folder, "secret.csv"), "utf8")).toBe(before);
  expect((await readdir(folder)).toSorted()).toEqual(["in.csv", "secret.csv", "work"]);
});

test("a statement that may fail leaves no rows and ends nothing, and without a statement nothing runs", async () => {
  const request = { readable: [], workFolder: work };
  const statements = [
    { sql: "select 1 as n", returns: "before" },
    { sql: "select error('broken')", returns: "failed", mayFail: true },
    { sql: "select 2 as n", returns: "after" },
  ];
  const { rows } = await runAnalysis({ statements, ...request });
  expect(rows).toEqual({ before: [{ n: 1 }], after: [{ n: 2 }] });
  expect(await runAnalysis({ statements: [], ...request })).toEqual({ rows: {}, elapsedMs: 0 });
});

test("abort and time limit end the child, and say which of the two it was", async () => {
  const endless = "select count(*) from range(100000000000) a, range(1000) b";
  await expect(run(endless, [], { timeoutMs: 400 })).rejects.toMatchObject({
    code: "data.analysis_cancelled",
    detail: expect.stringContaining("longer than 400 ms") as string,
  });
  const stop = new AbortController();
  setTimeout(() => stop.abort(), 300);
  await expect(run(endless, [], { signal: stop.signal })).rejects.toMatchObject({
    code: "data.analysis_cancelled",
    detail: expect.stringContaining("cancelled") as string,
  });
  await expect(run("select 1", [], { signal: stop.signal })).rejects.toMatchObject({
    code: "data.analysis_cancelled",
  });
});

test("memory beyond the limit is an error of the analysis, not of the caller", async () => {
  const sql = "select list(range) from range(20000000)";
  await expect(run(sql, [], { memoryLimitBytes: 32 * 2 ** 20 })).rejects.toMatchObject({
    code: "data.analysis_failed",
  });
});

test("the child gets nothing of the server's environment", async () => {
  process.env["PORTOLAN_TEST_SECRET"] = "hunter2";
  const stop = new AbortController();
  const endless = "select count(*) from range(100000000000) a, range(1000) b";
  const running = run(endless, [], { signal: stop.signal });
  running.catch(() => undefined);
  let seen = "";
  for (let waited = 0; seen === "" && waited < 60_000; waited += 50) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    for (const pid of (await readdir("/proc")).filter((name) => /^[0-9]+$/.test(name))) {
      const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
      const environment = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
      if (command.includes("analysis-child") && environment.includes(`HOME=${work}`)) seen = environment;
    }
  }
  stop.abort();
  delete process.env["PORTOLAN_TEST_SECRET"];
  await expect(running).rejects.toMatchObject({ code: "data.analysis_cancelled" });
  // The shell that builds the walls exports where it stands; whether it is seen before or after that is chance. And a server that keeps its compiled
  // modules says where.
  const chance = ["", "PWD", "OLDPWD", "NODE_COMPILE_CACHE"];
  const names = seen
    .split("\0")
    .map((line) => line.split("=")[0] ?? "")
    .filter((name) => !chance.includes(name));
  expect(names.toSorted()).toEqual(["HOME", "LC_ALL", "PATH", "TZ"]);
});

test("temporary files are bounded: a query that needs more ends with a clear error", async () => {
  const sql =
    "create table t as select hash(i) as a, hash(i + 1) as b, hash(i + 2) as c, hash(i + 3) as d from range(5000000) r(i)";
  const limits = { memoryLimitBytes: 64 * 2 ** 20, spillLimitBytes: 8 * 2 ** 20, threads: 1 };
  await expect(run(sql, [], limits)).rejects.toMatchObject({
    code: "data.analysis_too_large",
    detail: expect.stringContaining("temporary files"),
  });
});

test("what is written is bounded in bytes and in number of files, also when it is through at once", async () => {
  const rows = "select hash(i) as a, hash(i + 1) as b from range(400000) t(i)";
  await expect(
    run(`copy (${rows}) to '${work}/large.parquet' (format parquet)`, [], { outputLimitBytes: 2 ** 20 }),
  ).rejects.toMatchObject({ code: "data.analysis_too_large", detail: expect.stringContaining("bytes") });
  const split = `copy (select i, i % 40 as part from range(400) t(i)) to '${work}/parts' (format parquet, partition_by (part))`;
  await expect(run(split, [], { outputLimitFiles: 20 })).rejects.toMatchObject({
    code: "data.analysis_too_large",
    detail: expect.stringContaining("files, 20 are allowed"),
  });
  await rm(join(work, "parts"), { recursive: true });
  await run(split, [], { outputLimitFiles: 40 });
});

test("a watch that is stopped while it measures never measures again: nothing keeps the process from ending", async () => {
  await writeFile(join(folder, "watched"), "x");
  let measured = 0;
  await new Promise<void>((resolve) => {
    const watch = watchFolder(folder, { bytes: 0, files: 0 }, { maxBytes: 0, maxFiles: 0 }, () => {
      measured += 1;
      watch.stop();
      setTimeout(resolve, 1500);
    });
  });
  expect(measured).toBe(1);
});
