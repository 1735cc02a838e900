import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readTemplate } from "@portolan/charter";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePort } from "../../cli/src/supervisor/ports.ts";
import { type Acme, bootstrapAcme, must, putInForce } from "./api.ts";
import { type ControlProcess, controlExit, startControlProcess } from "./control-process.ts";

let control: ControlProcess;
let home: string;
let acme: Acme;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "portolan-control-"));
  control = await startControlProcess({ home });
  const secret = (await readFile(join(home, "local-credential"), "utf8")).trim();
  acme = await bootstrapAcme(control, secret);
});
afterAll(async () => {
  await control[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

/** Without its request id, which differs by nature. */
function withoutInstance({ body }: { readonly body: object }): object {
  return { ...body, instance: undefined };
}

describe("what a stranger gets", () => {
  test("health, readiness and metrics answer without a credential", async () => {
    expect(await control.call("GET", "/healthz")).toMatchObject({ status: 200, body: { status: "ok" } });
    expect((await control.call("GET", "/readyz")).body).toEqual({
      status: "ready",
      checks: [{ name: "database", ok: true }],
    });
    const metrics = await control.call("GET", "/metrics");
    expect(metrics.type).toContain("text/plain");
    expect(metrics.text).toContain(
      'portolan_control_requests_total{method="GET",route="/healthz",status="2xx"}',
    );
  });

  test("a call without a credential is a 401 in problem details, and says what to do", async () => {
    const answer = await control.call("GET", "/v1/charters");
    expect(answer).toMatchObject({
      status: 401,
      body: { code: "identity.unauthenticated", type: "urn:portolan:error:identity.unauthenticated" },
    });
    expect(answer.type).toContain("application/problem+json");
    expect(answer.body["instance"]).toBe(answer.requestId);
  });

  test("an unknown route is a 404 in problem details, with a credential or without", async () => {
    const ada = await control.token("ada");
    for (const token of [undefined, ada])
      expect(await control.call("POST", "/v1/nothing?secret=1", {}, token)).toMatchObject({
        status: 404,
        body: { code: "kernel.not_found", detail: "there is no POST /v1/nothing" },
      });
  });

  test("the API is described at /docs/json, as OpenAPI 3.1", async () => {
    const { status, body } = await control.call("GET", "/docs/json");
    expect([status, body["openapi"]]).toEqual([200, "3.1.0"]);
    expect(Object.keys(body["paths"] as object)).toContain("/v1/charters");
  });

  test("the bootstrap secret opens the door once", async () => {
    const secret = (await readFile(join(home, "local-credential"), "utf8")).trim();
    const again = {
      organisation: { name: "evil", displayName: "Evil" },
      administrator: { name: "x", displayName: "X" },
    };
    expect(await control.call("POST", "/v1/bootstrap", { ...again, secret: "guess" })).toMatchObject({
      status: 401,
    });
    expect(await control.call("POST", "/v1/bootstrap", { ...again, secret })).toMatchObject({
      body: { code: "identity.already_bootstrapped" },
    });
  });
});

describe("what a caller without the right gets", () => {
  test("a 403 that leaves a denied row under its request id", async () => {
    const sam = await control.token("sam");
    const answer = await control.call("POST", "/v1/users", { name: "mal", displayName: "Mal" }, sam);
    expect(answer).toMatchObject({ status: 403, body: { code: "identity.forbidden" } });
    const ann = await control.token("ann");
    const { body } = await control.call(
      "GET",
      `/v1/ledger/entries?requestId=${answer.requestId}`,
      undefined,
      ann,
    );
    expect(body["entries"]).toMatchObject([{ class: "denied", requestId: answer.requestId }]);
  });

  test("a hidden thing answers like a missing one", async () => {
    const lea = await control.token("lea");
    const source = readTemplate("flight-delays");
    const { charterId } = await must(control, "POST", "/v1/charters", { source }, lea);
    // A team of another business unit: may read charters, but not this one.
    const ada = await control.token("ada");
    await must(control, "POST", "/v1/business-units", { name: "retail", displayName: "Retail" }, ada);
    await must(
      control,
      "POST",
      "/v1/teams",
      { name: "tills", displayName: "T", businessUnit: "retail" },
      ada,
    );
    const binding = { principal: "eve", role: "data_scientist", scope: { kind: "team", id: "tills" } };
    await must(control, "POST", "/v1/role-bindings", { ...binding, environments: ["dev"] }, ada);
    const eve = await control.token("eve");
    const hidden = await control.call("GET", `/v1/charters/${String(charterId)}`, undefined, eve);
    const missing = await control.call("GET", "/v1/charters/cht_00000000000000000000000000", undefined, eve);
    expect(hidden.status).toBe(404);
    expect(withoutInstance(hidden)).toEqual(withoutInstance(missing));
  });
});

describe("a body that does not fit", () => {
  test("is refused with a pointer to each wrong place", async () => {
    const ada = await control.token("ada");
    const answer = await control.call(
      "POST",
      "/v1/users",
      { name: "No Spaces Please", displayName: "" },
      ada,
    );
    expect(answer).toMatchObject({ status: 400, body: { code: "kernel.bad_request" } });
    const violations = answer.body["violations"] as { at: { pointer: string } }[];
    expect(violations.map(({ at }) => at.pointer)).toContain("/name");
  });

  test("is refused for a member that nobody knows, for broken JSON and for another media type", async () => {
    const ada = await control.token("ada");
    const body = { name: "una", displayName: "Una", admin: true };
    expect((await control.call("POST", "/v1/users", body, ada)).status).toBe(400);
    for (const [type, text] of [
      ["application/json", '{"name":'],
      ["text/csv", "name\nuna"],
    ] as const) {
      const response = await fetch(`${control.url}/v1/users`, {
        method: "POST",
        headers: { authorization: `Bearer ${ada}`, "content-type": type },
        body: text,
      });
      expect([response.status, await response.json()]).toMatchObject([400, { code: "kernel.bad_request" }]);
    }
  });
});

test("a charter signed by two people with their own keys is in force, survives kill -9, and the ledger verifies", async () => {
  const { charterId, statuses } = await putInForce(control, readTemplate("flight-delays"));
  expect(statuses).toEqual(["partially_signed", "in_force"]);
  await control.kill();
  control = await startControlProcess({ home });
  const ann = await control.token("ann");
  const charter = await must(control, "GET", `/v1/charters/${charterId}`, undefined, ann);
  expect(charter).toMatchObject({ status: "in_force", useCaseId: acme.useCaseId });
  const verification = await must(control, "POST", "/v1/ledger/verify", {}, ann);
  expect(verification).toMatchObject({ verified: true, findings: [] });
  expect(verification["provedRows"]).toBeGreaterThan(20);
});

describe("a start that cannot work", () => {
  test("a second control on the same home ends with one clear line, and the first does not notice", async () => {
    const { code, log } = await controlExit({ home, port: await freePort() });
    expect(code).toBe(1);
    expect(fatalLines(log)).toMatchObject([
      { event: "control.failed", error: expect.stringContaining("database.locked") },
    ]);
    expect((await control.call("GET", "/readyz")).status).toBe(200);
  });

  test("a port in use ends it with one clear line, and leaves the home to the next start", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => taken.once("listening", resolve));
    const address = taken.address();
    const port = typeof address === "object" && address ? address.port : 0;
    const own = await mkdtemp(join(tmpdir(), "portolan-control-"));
    try {
      const { code, log } = await controlExit({ home: own, port });
      expect(code).toBe(1);
      expect(fatalLines(log)).toMatchObject([
        { event: "control.failed", error: expect.stringContaining(String(port)) },
      ]);
    } finally {
      await new Promise((resolve) => taken.close(resolve));
    }
    await using next = await startControlProcess({ home: own, port });
    expect((await next.call("GET", "/readyz")).status).toBe(200);
    expect(await next.stop()).toBe(0);
    await rm(own, { recursive: true, force: true });
  });

  test("settings that do not fit are all named at once", async () => {
    const { code, log } = await controlExit({
      home,
      port: await freePort(),
      env: { CONTROL_PORT: "70000", LOG_LEVEL: "loud" },
    });
    expect(code).toBe(1);
    expect(log).toContain("CONTROL_PORT");
    expect(log).toContain("LOG_LEVEL");
  });

  test("an address that others can reach needs TLS", async () => {
    const { code, log } = await controlExit({
      home,
      port: await freePort(),
      env: { CONTROL_HOST: "0.0.0.0" },
    });
    expect(code).toBe(1);
    expect(log).toContain("control: identity.tls_required: 0.0.0.0 is not a loopback address");
  });
});

function fatalLines(log: string): unknown[] {
  const lines = log.split("\n").filter((line) => line.startsWith("{"));
  return lines.map((line) => JSON.parse(line) as { level: number }).filter((line) => line.level === 60);
}
