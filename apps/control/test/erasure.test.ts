import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Acme, bootstrapAcme, must } from "./api.ts";
import { type InProcessControl, openControl } from "./in-process.ts";
import { visitsContract } from "./visits.ts";

let control: InProcessControl;
let acme: Acme;
let admin: string;

const document = visitsContract.replace(
  "      - name: place\n",
  "      - name: visitor\n        logicalType: string\n        customProperties: [{ property: portolan.subject, value: true }]\n      - name: place\n",
);
const csv = `seen_at,visitor,place,wait
2026-03-01T10:00:00Z,visitor-4711,north,3
2026-03-01T11:00:00Z,visitor-0815,south,5
`;

beforeAll(async () => {
  control = await openControl();
  acme = await bootstrapAcme(control, control.secret);
  admin = await control.token("ada");
  await must(control, "PUT", "/v1/contracts/visits", { document }, admin);
});
afterAll(() => control.close());

async function ingested(): Promise<string> {
  const upload = await must(control, "POST", "/v1/artifacts?environment=dev", Buffer.from(csv), admin);
  const sources = [{ object: String(upload["digest"]), format: "csv" }];
  await must(control, "POST", "/v1/ingestions", { contract: "visits", environment: "dev", sources }, admin);
  await control.runJobs(control.jobs.data);
  return String(upload["digest"]);
}

async function erased(subject: string): Promise<Record<string, unknown>> {
  const order = { subject, reason: "asked for by the person", environments: ["dev"] };
  const { id } = await must(control, "POST", "/v1/data-erasures", order, admin);
  await control.runJobs(control.jobs.erasure);
  return must(control, "GET", `/v1/data-erasures/${String(id)}`, undefined, admin);
}

test("the upload goes as a whole, rows go from the dataset, and objects, payloads and tables are searched", async () => {
  const upload = await ingested();
  const done = await erased("visitor-4711");
  expect(done).toMatchObject({
    state: "erased",
    report: { erased: { "dataset snapshots": 1, "stored sources": 1 }, remains: [], unmarked: [] },
  });
  const { searched } = done["report"] as { searched: readonly { where: string; looked: number }[] };
  expect(searched.map(({ where }) => where)).toEqual([
    "stored objects",
    "payloads of predictions",
    "the online store",
    "tables of the database",
    "records of runs",
  ]);
  expect(searched.find(({ where }) => where === "tables of the database")?.looked).toBeGreaterThan(30);
  expect((await control.call("GET", `/v1/artifacts/${upload}`, undefined, admin)).status).toBe(404);
  const { datasets } = await must(control, "GET", "/v1/datasets?contract=visits", undefined, admin);
  expect(datasets).toMatchObject([{ rowCount: 1 }]);
});

test("a name that a table holds where nobody put it is found there, and the order is incomplete", async () => {
  await ingested();
  const claim = { environment: "staging", contract: "visits", reason: "the claim of visitor-0815" };
  await must(control, "POST", "/v1/data-holds", claim, admin);
  const done = await erased("visitor-0815");
  expect(done["state"]).toBe("incomplete");
  const { remains } = done["report"] as { remains: readonly { where: string; what: string }[] };
  expect(remains.map(({ what }) => what).toSorted()).toEqual(["data.holds", "ledger.rows"]);
});

test("the bytes that were erased may be delivered again: their upload is stored and noted anew", async () => {
  await ingested();
  expect((await erased("visitor-4711"))["report"]).toMatchObject({ erased: { "stored sources": 1 } });
});

test("files of runs are searched, packed ones too; where a name stands, and what cannot be opened, is called by its run and path", async () => {
  const sam = await control.token("sam");
  const experiment = { experiment_id: `${acme.useCaseId}-dev` };
  const made = await must(control, "POST", "/api/2.0/mlflow/runs/create", experiment, sam);
  const { run_id: run } = (made["run"] as { info: { run_id: string } }).info;
  const files = {
    "errors/rows.csv.gz": gzipSync("visitor\nvisitor-6060\n"),
    "weights.npz": Buffer.from("PK\x03\x04\x14\0rest", "latin1"),
    "visitor-6060.zip": Buffer.from("PK\x03\x04\x14\0other", "latin1"),
    "notes.txt": Buffer.from("visitor-60601 and others"),
  };
  const root = `/api/2.0/mlflow-artifacts/artifacts/${experiment.experiment_id}/${run}/artifacts`;
  for (const [path, bytes] of Object.entries(files))
    await must(control, "PUT", `${root}/${path}`, bytes, sam);
  for (const value of ["without visitor-6060", "without visitor-60601"])
    await must(
      control,
      "POST",
      "/api/2.0/mlflow/runs/log-parameter",
      { run_id: run, key: `rows.${value.length}`, value },
      sam,
    );
  const { state, report } = (await erased("visitor-6060")) as {
    state: string;
    report: { remains: { where: string; what: string }[]; notSearched: string[] };
  };
  expect(state).toBe("incomplete");
  expect(report.remains).toEqual([
    {
      where: "stored objects",
      what: expect.stringContaining(`file errors/rows.csv.gz of run ${run} sha256:`) as string,
      hits: 1,
    },
    { where: "records of runs", what: `parameters of run ${run}`, hits: 1 },
    { where: "records of runs", what: `paths of files of run ${run}`, hits: 1 },
  ]);
  const closed = report.notSearched.filter((line) => line.endsWith(": zip archive"));
  expect(closed).toEqual([
    expect.stringContaining(`file weights.npz of run ${run} sha256:`) as string,
    // Its own name would say whose the order was.
    expect.stringMatching(/^upload sha256:/) as string,
  ]);
});
