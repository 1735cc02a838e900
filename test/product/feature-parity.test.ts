import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asEpochMicros } from "@portolan/kernel";
import { openOnlineStore } from "@portolan/lmdb";
import { logisticModel } from "@portolan/onnx-format/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createDelays, doneBy, soon } from "../../apps/cli/test/delays.ts";
import { type CommandResult, type Product, startProduct } from "../../apps/cli/test/product.ts";
import { must } from "../../apps/control/test/api.ts";
import { accountsView, changesContract } from "../../packages/features/test/accounts-fixture.ts";

/** `portolan features parity` over the whole product: values go online, are served, and are derived again from the log. */

let product: Product;
let folder: string;
const done = doneBy(() => product);
const call = async (method: "GET" | "POST" | "PUT", path: string, body?: unknown) =>
  must(product, method, path, body, await product.token("admin"));

async function ingest(name: string, ...changes: readonly object[]): Promise<void> {
  const now = new Date().toISOString();
  const lines = changes.map((change) => JSON.stringify({ at: now, known: now, op: "U", ...change }));
  const file = join(product.home, "inbox", name);
  await mkdir(join(product.home, "inbox"), { recursive: true });
  await writeFile(file, `${lines.join("\n")}\n`);
  await done(`data ingest ${file} --contract changes`);
}

/** Windows over the same log's source: folded when a prediction asks for them. */
const activityView = `apiVersion: portolan/v1
kind: FeatureView
name: activity
source: changes
entity: [account]
eventTime: at
available: known
events: log
ttl: 1h
features:
  - { name: changes_1h, aggregate: count, window: 1h }
  - { name: highest_10min, aggregate: max, of: cents, window: 10min }
`;
const views = ["accounts", "activity"];

/** Brings both views online and resolves to their digests. */
async function materialize(): Promise<readonly string[]> {
  const asOf = Date.now() * 1000 - 1_000_000;
  const digests: string[] = [];
  for (const name of views) {
    const path = `/v1/feature-views/${name}/materializations`;
    const { id } = await call("POST", path, { environment: "dev", asOf });
    await soon(async () => (await call("GET", `/v1/materializations/${String(id)}`))["state"] === "done");
    digests.push(String((await call("GET", `/v1/feature-views/${name}`))["digest"]));
  }
  return digests;
}

const predict = (...accounts: string[]): Promise<CommandResult> => {
  const inputs = [{ name: "account", shape: [accounts.length], datatype: "BYTES", data: accounts }];
  const line = "--as shop predict delays --environment dev --data".split(" ");
  return product.cli(...line, JSON.stringify({ inputs }));
};

async function recorded(count: number): Promise<void> {
  await soon(async () => {
    const { out } = await done("predictions list --endpoint delays --limit 1000 --json");
    const { predictions } = JSON.parse(out) as { predictions: { header: { status: { kind: string } } }[] };
    return predictions.filter(({ header }) => header.status.kind === "ok").length >= count;
  });
}

async function parity(): Promise<{
  readonly code: number;
  readonly report: Readonly<Record<string, unknown>>;
}> {
  const { code, out, err } = await product.cli(
    ..."features parity --endpoint delays --purpose parity --json".split(" "),
  );
  if (err !== "") throw new Error(err);
  return { code, report: JSON.parse(out) as Readonly<Record<string, unknown>> };
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-feature-parity-"));
  product = await startProduct();
  await createDelays(done);
  await call("PUT", "/v1/contracts/changes", { document: changesContract, references: {} });
  await call("PUT", "/v1/feature-views/accounts", { document: accountsView });
  await call("PUT", "/v1/feature-views/activity", { document: activityView });
  const document =
    "kind: AccessPolicy\nname: parity\neffect: allow\npurposes: [parity, serving]\ncontracts: [changes]\n";
  await call("PUT", "/v1/access-policies/parity", { document });
  await ingest("first.jsonl", { account: "a", cents: 100, rating: 0.1 }, { account: "b", cents: -7 });
  const digests = await materialize();
  const model = join(folder, "model.onnx");
  await writeFile(model, logisticModel([0.01, 2, 0.1, 0.001], 0));
  await done(`--as ci model import ${model} --name delays --use-case delays --environment dev`);
  const column = (view: string, feature: string, index: number) => ({
    input: "x",
    index,
    from: { kind: "feature", view, feature },
    missing: 0,
  });
  const plan = join(folder, "features.json");
  const features = {
    service: "accounts",
    entityKeys: ["account"],
    views: views.map((name, at) => ({ name: `${name}@1`, digest: digests[at], entityKeys: ["account"] })),
    columns: [
      column("accounts@1", "balance", 0),
      column("accounts@1", "rating", 1),
      column("activity@1", "changes_1h", 2),
      column("activity@1", "highest_10min", 3),
    ],
    maxAgeMs: null,
  };
  await writeFile(plan, JSON.stringify(features));
  await done(`endpoint deploy delays delays 1 --use-case delays --environment dev --features ${plan}`);
  await soon(async () => (await predict("a")).code === 0);
}, 300_000);
afterAll(async () => {
  await product[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

test("features are read without a prediction for a purpose that the policies on data allow, and for no other", async () => {
  const get = (purpose: string) =>
    product.cli(
      ..."features get delays --environment dev --entity account=a --json --purpose".split(" "),
      purpose,
    );
  const publish = (name: string, rest: string) => {
    const document = `kind: AccessPolicy\nname: ${name}\npurposes: [care]\ncontracts: [changes]\n${rest}\n`;
    return call("PUT", `/v1/access-policies/${name}`, { document });
  };
  expect((await get("care")).code).not.toBe(0);
  await publish("care", "effect: allow");
  await soon(async () => (await get("care")).code === 0);
  const { out } = await get("care");
  expect(JSON.parse(out)).toMatchObject({ endpoint: "delays", rows: 1 });
  // Who read what for is in the ledger; of whom is not.
  await soon(async () => {
    const rows = (await done("audit search --event features.values.read --json")).out;
    return rows.includes('"purpose":"care"') || rows.includes('"purpose": "care"');
  });
  const told = (await done("audit search --event features.values.read --json")).out;
  expect(told).toContain("accounts@1");
  expect(told).not.toContain('"account"');
  await publish("masked", "effect: restrict\nmasks: [{ columns: [cents], with: hash }]");
  await soon(async () => (await get("care")).code !== 0);
  expect((await get("parity")).code).toBe(0);
});

test("what was served is what the log says of that moment, also after corrections and withdrawals", async () => {
  expect((await predict("a", "b", "nobody")).code).toBe(0);
  await recorded(2);
  const first = await parity();
  expect(first.report).toMatchObject({ predictions: 2, compared: 16, mismatches: 0, skipped: {} });
  expect(first.code).toBe(0);
  // Known before the predictions, and arrived after them: what was served is no less right.
  await ingest(
    "second.jsonl",
    { account: "a", cents: 555, known: new Date(Date.now() - 60_000).toISOString() },
    { account: "b", op: "D" },
  );
  await materialize();
  expect((await predict("a", "b")).code).toBe(0);
  await recorded(3);
  expect((await parity()).report).toMatchObject({ predictions: 3, compared: 24, mismatches: 0 });
}, 200_000);

test("a value that online made up is found, by feature and with an example, and the exit code says so", async () => {
  const { digest } = await call("GET", "/v1/feature-views/accounts");
  const { organisationId } = await call("GET", "/v1/whoami");
  await done("down");
  const store = openOnlineStore({ folder: join(product.home, "features", "online") });
  const view = {
    organisationId: String(organisationId),
    environment: "dev",
    view: "accounts@1",
    digest: String(digest),
    ttlMicros: 3_600_000_000,
    featureNames: ["balance", "rating", "is_overdrawn"],
  };
  const position = await store.foldPosition(view);
  if (!position) throw new Error("nothing is folded");
  const at = asEpochMicros(Date.now() * 1000);
  const made = { event: at, available: at, sequence: 10 ** 9, isTombstone: false, values: [999, 0.1, 0] };
  async function* pages() {
    yield await Promise.resolve([{ key: ["a"], record: made }]);
  }
  await store.fold(view, { ...position, after: position.sequence, upTo: position.sequence, pages: pages() });
  await store.close();
  await product.up();
  await soon(async () => (await predict("a")).code === 0);
  await recorded(4);
  const { code, report } = await parity();
  expect(code).toBe(1);
  expect(report).toMatchObject({
    features: [
      { feature: "accounts@1.balance", examples: [{ key: ["a"], served: { value: 999, source: "online" } }] },
      ...Array.from({ length: 3 }, () => expect.anything() as unknown),
    ],
  });
  const { out } = await product.cli(..."features parity --endpoint delays --purpose parity".split(" "));
  expect(out).toContain("accounts@1.balance of a at ");
  expect(out).toContain("served 999 (online), offline 555");
}, 200_000);
