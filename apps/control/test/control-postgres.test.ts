import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readTemplate } from "@portolan/charter";
import {
  type EmbeddedPostgres,
  hasEmbeddedPostgres,
  startEmbeddedPostgres,
} from "@portolan/database/embedded";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePort } from "../../cli/src/supervisor/ports.ts";
import { bootstrapAcme, must, putInForce } from "./api.ts";
import { type ControlProcess, controlExit, startControlProcess } from "./control-process.ts";

const supported = hasEmbeddedPostgres();

describe.skipIf(!supported)("control on the PostgreSQL that portolan up supervises", () => {
  let home: string;
  let postgres: EmbeddedPostgres;
  let control: ControlProcess;

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), "portolan-control-"));
    postgres = await startEmbeddedPostgres({ folder: join(home, "postgres") });
    control = await startControlProcess({ home, databaseUrl: postgres.url });
    await bootstrapAcme(control, (await readFile(join(home, "local-credential"), "utf8")).trim());
  });
  afterAll(async () => {
    await control[Symbol.asyncDispose]();
    await postgres.stop();
    await rm(home, { recursive: true, force: true });
  });

  test("what was acknowledged is there after control and PostgreSQL were killed, and the ledger verifies", async () => {
    const { charterId, statuses } = await putInForce(control, readTemplate("flight-delays"));
    expect(statuses).toEqual(["partially_signed", "in_force"]);
    await control.kill();
    process.kill(postgres.pid, "SIGKILL");
    await postgres.exited;
    postgres = await startEmbeddedPostgres({ folder: join(home, "postgres") });
    control = await startControlProcess({ home, databaseUrl: postgres.url });
    const ann = await control.token("ann");
    const charter = await must(control, "GET", `/v1/charters/${charterId}`, undefined, ann);
    expect(charter).toMatchObject({ status: "in_force" });
    const verification = await must(control, "POST", "/v1/ledger/verify", {}, ann);
    expect(verification).toMatchObject({ verified: true, findings: [] });
    expect(verification["provedRows"]).toBeGreaterThan(20);
  });

  test("while PostgreSQL is away control is alive and not ready; when it is back, it goes on by itself", async () => {
    const ann = await control.token("ann");
    process.kill(postgres.pid, "SIGKILL");
    await postgres.exited;
    expect((await control.call("GET", "/healthz")).status).toBe(200);
    expect(await control.call("GET", "/readyz")).toMatchObject({
      status: 503,
      body: { status: "not ready" },
    });
    expect((await control.call("GET", "/v1/charters", undefined, ann)).status).toBeGreaterThanOrEqual(500);
    postgres = await startEmbeddedPostgres({ folder: join(home, "postgres") });
    const { requestId } = await control.call("POST", "/v1/ledger/verify", {}, ann);
    // The row of that very call is sequenced and signed: the sequencer has its lock back.
    await expect.poll(() => sequenced(requestId, ann), { timeout: 30_000 }).toBe(true);
    expect(await must(control, "POST", "/v1/ledger/verify", {}, ann)).toMatchObject({ verified: true });
  });

  async function sequenced(requestId: string, token: string): Promise<boolean> {
    const page = await must(control, "GET", `/v1/ledger/entries?requestId=${requestId}`, undefined, token);
    const entries = page["entries"] as { index: number | null }[];
    return entries.length === 1 && entries[0]?.index !== null;
  }

  test("SIGTERM ends it with code 0, and nothing is lost", async () => {
    expect(await control.stop()).toBe(0);
    control = await startControlProcess({ home, databaseUrl: postgres.url });
    const ann = await control.token("ann");
    expect(await must(control, "POST", "/v1/ledger/verify", {}, ann)).toMatchObject({ verified: true });
  });

  test("a database that does not answer ends the start with one clear line", async () => {
    const databaseUrl = `postgresql://nobody@127.0.0.1:${await freePort()}/none`;
    const { code, log } = await controlExit({ home, port: await freePort(), databaseUrl });
    expect(code).toBe(1);
    expect(log).toContain("database.unreachable");
  });
});
