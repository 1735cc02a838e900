import { execFile } from "node:child_process";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { newId, systemClock } from "@portolan/kernel";
import { verifyExport } from "@portolan/ledger/policy";
import { type PredictionRecord } from "@portolan/predictions";
import { createShipper, openPredictionWriter } from "@portolan/predictions/log";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { ApiClient } from "../../apps/cli/src/client/api-client.ts";
import { personaToken } from "../../apps/cli/src/client/credentials.ts";
import { freePort } from "../../apps/cli/src/supervisor/ports.ts";
import { compileCache } from "../../tools/compile-cache.ts";

// Four starts of the whole product, two of them for restores: 20 s alone, three times that on a busy machine.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const root = resolve(import.meta.dirname, "../..");
let folder: string;
const at = (name: string) => join(folder, name);

function portolan(home: string, ...args: string[]): Promise<{ code: number; out: string }> {
  return new Promise((done) => {
    const all = [join(root, "apps/cli/src/main.ts"), "--home", at(home), ...args];
    const env = { ...compileCache, ...process.env };
    execFile(process.execPath, all, { maxBuffer: 1 << 24, env }, (error, stdout, stderr) =>
      done({ code: error === null ? 0 : Number(error.code ?? 1), out: stdout + stderr }),
    );
  });
}

/** Starts everything from a home; the client acts as the administrator. */
async function up(home: string): Promise<ApiClient> {
  const ports = ["--port", String(await freePort()), "--gateway-port", String(await freePort())];
  const started = await portolan(home, "up", "--detach", "--json", ...ports);
  expect(started.code, started.out).toBe(0);
  const { controlUrl } = JSON.parse(started.out) as { controlUrl: string };
  return new ApiClient({ url: controlUrl, token: await personaToken(at(home), controlUrl, "admin") });
}

interface Named {
  readonly items: readonly { readonly name: string }[];
}
const unitNames = async (api: ApiClient): Promise<string[]> =>
  (await api.json<Named>({ path: "/v1/business-units?limit=500" })).items.map((unit) => unit.name);

/** Writes one prediction as a gateway does, and returns once control has acknowledged it. */
async function predict(api: ApiClient, home: string): Promise<string> {
  const { items } = await api.json<{ items: readonly { id: string }[] }>({ path: "/v1/organisations" });
  const writer = await openPredictionWriter({
    folder: at("writer"),
    writerId: newId("writer", systemClock.now()),
    clock: systemClock,
  });
  const record: PredictionRecord = {
    context: {
      organisationId: items[0]?.id ?? "",
      useCaseId: newId("useCase", systemClock.now()),
      endpoint: "flight-delays",
      environment: "production",
      model: { name: "delays", version: "1", digest: `sha256:${"ab".repeat(32)}` },
      variant: "champion",
      charter: { version: 1, digest: `sha256:${"cd".repeat(32)}` },
      snapshotVersion: 1,
      costTags: { team: "ops" },
    },
    principal: "sa_test",
    requestId: newId("request", systemClock.now()),
    receivedAt: systemClock.now(),
    latency: { totalMicros: 61 },
    status: { kind: "ok" },
    inputs: { mediaType: "application/json", bytes: Buffer.from('{"inputs":[12.5]}') },
    features: [],
    outputs: { mediaType: "application/json", bytes: Buffer.from('{"outputs":[0.75]}') },
  };
  const id = await writer.append(record, { durability: "durable" });
  await writer.close();
  const token = (await readFile(join(at(home), "gateway-key"), "utf8")).trim();
  const gateway = new ApiClient({ url: api.url, token });
  const shipper = createShipper({
    folder: at("writer"),
    deliver: (bytes) => gateway.json({ path: "/v1/prediction-blocks", bytes }),
  });
  await shipper.flush();
  await shipper.close();
  return id;
}

let api: ApiClient;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-backup-"));
  await chmod(folder, 0o711); // so that the account PostgreSQL runs under can reach its folder in here
  api = await up("original");
});
afterAll(async () => {
  for (const home of ["original", "restored"]) await portolan(home, "down");
  await rm(folder, { recursive: true, force: true });
});

test("a backup under writes restores into a new home that starts, verifies, and has what was acknowledged before", async () => {
  const prediction = await predict(api, "original");
  let stop = false;
  const acknowledged: string[] = [];
  const writing = (async () => {
    for (let n = 0; !stop; n++) {
      const name = `unit-${n}`;
      await api.json({ path: "/v1/business-units", body: { name, displayName: name } });
      acknowledged.push(name);
    }
  })();
  while (acknowledged.length < 5) await new Promise((done) => setTimeout(done, 20));
  const before = [...acknowledged];
  await writeFile(at("passphrase"), "correct horse battery staple\n");
  const backup = await portolan(
    "original",
    "backup",
    at("backup"),
    "--json",
    "--passphrase-file",
    at("passphrase"),
  );
  stop = true;
  await writing;
  expect(backup.code, backup.out).toBe(0);
  const made = JSON.parse(backup.out.slice(backup.out.indexOf("{"))) as {
    recoveryPoint: string;
    withKeys: boolean;
    checked: { durationMs: number; ledgers: { provedRows: number }[] };
  };
  expect(made.withKeys).toBe(true);
  expect(made.checked.ledgers[0]?.provedRows).toBeGreaterThan(before.length);
  expect(acknowledged.length).toBeGreaterThan(before.length);

  const restore = await portolan(
    "restored",
    "restore",
    at("backup"),
    "--json",
    "--passphrase-file",
    at("passphrase"),
  );
  expect(restore.code, restore.out).toBe(0);
  expect(JSON.parse(restore.out)).toMatchObject({
    recoveryPoint: made.recoveryPoint,
    ledgers: [{ provedRows: made.checked.ledgers[0]?.provedRows }],
    retiredKeys: [],
  });

  const restored = await up("restored");
  const names = await unitNames(restored);
  expect(before.filter((name) => !names.includes(name))).toEqual([]);
  // One instant: what is there of the names that were written in order is a prefix of them.
  const units = names.filter((name) => name.startsWith("unit-"));
  expect(new Set(units)).toEqual(new Set(acknowledged.slice(0, units.length)));
  const proof = await restored.json<{ saltAndPayload?: string }>({
    path: `/v1/predictions/${prediction}/proof`,
  });
  expect(proof.saltAndPayload).toBeDefined();
  const verified = await portolan("restored", "audit", "verify", "--json");
  expect(verified.code, verified.out).toBe(0);
  const exported = await restored.text({ path: "/v1/ledger/export" });
  const report = await verifyExport(exported.split("\n"));
  expect(report).toMatchObject({ verified: true, findings: [] });
  expect(exported).toContain("database.backup.restored");
});

test("a backup into a folder that exists, and a restore over a filled home, are refused", async () => {
  const again = await portolan("original", "backup", at("backup"));
  expect(again).toMatchObject({ code: 1, out: expect.stringContaining("database.backup_exists") });
  const over = await portolan("original", "restore", at("backup"));
  expect(over).toMatchObject({ code: 1, out: expect.stringContaining("cli.already_running") });
});

test("without the passphrase, and after a changed byte, nothing is restored and nothing is left behind", async () => {
  const refused = await portolan("third", "restore", at("backup"));
  expect(refused).toMatchObject({ code: 1, out: expect.stringContaining("passphrase") });
  const rows = at("backup/database/identity.business_units.jsonl");
  const text = await readFile(rows, "utf8");
  await writeFile(rows, text.replace("unit-0", "unit-9"));
  const damaged = await portolan("third", "restore", at("backup"), "--passphrase-file", at("passphrase"));
  expect(damaged).toMatchObject({ code: 1, out: expect.stringContaining("database.backup_damaged") });
  await expect(readFile(join(at("third"), "local-credential"))).rejects.toThrow("ENOENT");
});

test("a home whose restore was broken off does not start", async () => {
  await portolan("original", "down");
  const mark = join(at("original"), "run", "restore-incomplete");
  await writeFile(mark, "");
  const started = await portolan("original", "up", "--detach");
  expect(started).toMatchObject({ code: 1, out: expect.stringContaining("cli.restore_incomplete") });
});
