import type { Id } from "@portolan/kernel";
import type { SignedSnapshot, SnapshotManifest } from "@portolan/serving/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Answer, type ApiMethod, must } from "./api.ts";
import { type InProcessControl, openControl } from "./in-process.ts";
import { governanceRoutes } from "./mutating-routes-governance.ts";
import { identityRoutes } from "./mutating-routes-identity.ts";
import { modelRoutes } from "./mutating-routes-models.ts";
import { known, type World } from "./mutating-world.ts";

/** A use case with a charter in force that keeps its data local, and its model behind an endpoint in dev. */
let control: InProcessControl;
let world: World;
let gateway: string;

const here = { region: "local", owner: "self" };
const abroad = { region: "us-east-1", owner: "aws" };

beforeAll(async () => {
  control = await openControl();
  world = { control, api: control, known: new Map() };
  const deployed = /^(POST .*\/(versions|promotions)|PUT \/v1\/endpoints\/:name)$/;
  const needed = [
    ...identityRoutes,
    ...governanceRoutes.filter(({ route }) => route !== "POST /v1/backups"),
    ...modelRoutes.filter(({ route }) => deployed.test(route)),
  ];
  for (const entry of needed) {
    const [method] = entry.route.split(" ") as [ApiMethod];
    const token = entry.as === undefined ? undefined : await control.token(entry.as);
    const { url, body } = await entry.request(world);
    const answer = await control.call(method, url, body, token);
    expect(answer.status, `${entry.route}: ${answer.text}`).toBeLessThan(300);
    await entry.learn?.(answer.body, world);
  }
  gateway = await control.token("gateway-1");
});
afterAll(() => control.close());

const publish = () => control.publish(known(world, "organisation") as Id<"organisation">);
const declare = (name: string, place: typeof here) =>
  control.call("PUT", `/v1/gateways/${name}`, place, gateway);
const pull = (path: string, name: string, place: typeof here): Promise<Answer> =>
  control.call(
    "GET",
    `${path}?${new URLSearchParams({ gateway: name, ...place }).toString()}`,
    undefined,
    gateway,
  );

async function manifestFor(name: string, place: typeof here): Promise<SnapshotManifest> {
  const { body } = await pull("/v1/snapshots/latest", name, place);
  const { payload } = body as unknown as SignedSnapshot;
  return JSON.parse(Buffer.from(payload, "base64").toString()) as SnapshotManifest;
}

async function rows(event: string): Promise<{ subject: string; detail: Record<string, unknown> }[]> {
  const ada = await control.token("ada");
  const { body } = await control.call("GET", `/v1/ledger/entries?event=${event}`, undefined, ada);
  return (body["entries"] as { subject: string; detail: Record<string, unknown> }[]).toReversed();
}

describe("gateways", () => {
  test("nothing is given to a gateway that has not said where it stands, or says otherwise than it declared", async () => {
    await publish();
    const silent = await control.call("GET", "/v1/snapshots/latest", undefined, gateway);
    expect([silent.status, silent.body["code"]]).toEqual([400, "kernel.bad_request"]);
    const undeclared = await pull("/v1/snapshots/latest", "near", here);
    expect([undeclared.status, undeclared.body["code"]]).toEqual([409, "serving.gateway_not_declared"]);
    expect((await declare("near", here)).status).toBe(200);
    expect((await pull("/v1/snapshots/latest", "near", here)).status).toBe(200);
    expect((await pull("/v1/snapshots/latest", "near", abroad)).status).toBe(409);
    const ci = await control.token("max");
    expect((await control.call("PUT", "/v1/gateways/mine", here, ci)).status).toBe(403);
  });

  test("routes and models go to gateways whose place the charter allows, and to no other", async () => {
    await declare("near", here);
    await declare("far", abroad);
    const { parts } = await manifestFor("far", abroad);
    const placed = parts.filter((part) => part.placement !== undefined);
    expect(placed).toMatchObject([{ kind: "routes", placement: { regions: ["local"], owners: ["self"] } }]);
    const routes = await pull(`/v1/snapshots/parts/${placed[0]?.digest}`, "near", here);
    expect(routes.text).toContain('"endpoint":"delays"');
    const model = /"digest":"(sha256:[0-9a-f]{64})","name":"delays"/.exec(routes.text)?.[1];
    expect(model).toBeDefined();
    for (const digest of [placed[0]?.digest, model]) {
      expect((await pull(`/v1/snapshots/parts/${digest}`, "near", here)).status).toBe(200);
      expect((await pull(`/v1/snapshots/parts/${digest}`, "far", abroad)).status).toBe(404);
    }
    for (const { digest, placement } of parts)
      if (placement === undefined)
        expect((await pull(`/v1/snapshots/parts/${digest}`, "far", abroad)).status).toBe(200);
  });

  test("what a gateway is refused is on the ledger, once per change", async () => {
    await publish();
    await publish();
    const refused = { ...abroad, refused: 1, routes: ["dev/delays"] };
    expect(await rows("serving.gateway.routes_refused")).toMatchObject([{ subject: "far", detail: refused }]);
    const listed = await control.call("GET", "/v1/gateways", undefined, await control.token("ada"));
    expect(listed.body["gateways"]).toMatchObject([
      { name: "far", ...abroad, excluded: ["dev/delays"] },
      { name: "near", ...here, excluded: [] },
    ]);
    await declare("far", here);
    await declare("far", here);
    await declare("far", abroad);
    expect((await rows("serving.gateway.declared")).map(({ subject }) => subject)).toEqual([
      "near",
      "far",
      "far",
      "far",
    ]);
    expect(await rows("serving.gateway.routes_refused")).toHaveLength(2);
  });

  test("a device's account speaks for its own gateway, where an administrator put it, and for no other", async () => {
    const ada = await control.token("ada");
    const { id: account, key } = await deviceAccount(ada);
    const bind = (place: object, credential = ada) =>
      control.call("PUT", "/v1/gateways/press", { ...place, account }, credential);
    expect((await bind(abroad, gateway)).status).toBe(403);
    expect((await bind(abroad)).body).toMatchObject({ ...abroad, account });
    const say = (name: string, place: object) => control.call("PUT", `/v1/gateways/${name}`, place, key);
    expect((await say("press", abroad)).status).toBe(200);
    for (const [name, place] of [
      ["press", here],
      ["near", here],
      ["another", here],
    ] as const) {
      const refused = await say(name, place);
      expect([refused.status, refused.body["code"]]).toEqual([403, "serving.gateway_not_own"]);
    }
    const query = (name: string, place: object) =>
      new URLSearchParams({ gateway: name, ...place }).toString();
    const ask = (name: string, place: object) =>
      control.call("GET", `/v1/snapshots/latest?${query(name, place)}`, undefined, key);
    expect((await ask("press", abroad)).status).toBe(200);
    expect((await ask("press", here)).status).toBe(409);
    expect((await ask("near", here)).body["code"]).toBe("serving.gateway_not_own");
    // The word of others about the place leaves the account bound.
    expect((await control.call("PUT", "/v1/gateways/press", here, ada)).body).toMatchObject({ account });
    expect((await rows("serving.gateway.declared")).at(-1)?.detail).toEqual({ ...here, account });
    // An account stays with its gateway: it is given to no other, and is not free when another one follows it.
    const elsewhere = await control.call("PUT", "/v1/gateways/near", { ...here, account }, ada);
    expect([elsewhere.status, elsewhere.body["code"]]).toEqual([403, "serving.gateway_not_own"]);
    const next = await deviceAccount(ada, "gateway-press-2");
    const followed = { ...here, account: next.id };
    expect((await control.call("PUT", "/v1/gateways/press", followed, ada)).status).toBe(200);
    expect((await say("another", here)).body["code"]).toBe("serving.gateway_not_own");
    expect((await ask("press", here)).body["code"]).toBe("serving.gateway_not_own");
    expect((await control.call("PUT", "/v1/gateways/press", here, next.key)).status).toBe(200);
  });
});

async function deviceAccount(
  admin: string,
  name = "gateway-press",
): Promise<{ readonly id: string; readonly key: string }> {
  const { id } = await must(control, "POST", "/v1/service-accounts", { name, displayName: "Press" }, admin);
  const { items } = await must(control, "GET", "/v1/organisations", undefined, admin);
  const scope = { kind: "organisation", id: (items as { id: string }[])[0]?.id };
  const binding = { principal: id, role: "gateway", scope, environments: ["dev"] };
  await must(control, "POST", "/v1/role-bindings", binding, admin);
  const wanted = { principal: id, name: "press", environment: "dev", expiresInDays: 1 };
  const { text } = await must(control, "POST", "/v1/api-keys", wanted, admin);
  return { id: String(id), key: String(text) };
}

describe("exports and backups", () => {
  test("an export goes where the charters in force allow it, and a refusal is on the ledger", async () => {
    const ann = await control.token("ann");
    const ask = (place: object) =>
      control.call(
        "GET",
        `/v1/ledger/export?${new URLSearchParams({ ...place }).toString()}`,
        undefined,
        ann,
      );
    const refused = await ask(abroad);
    expect([refused.status, refused.body["code"]]).toEqual([403, "charter.placement_refused"]);
    expect(refused.body["detail"]).toMatch(/export ledger is in us-east-1.*belongs to aws/);
    expect((await ask({ owner: "aws" })).status).toBe(403);
    expect(await rows("charter.export.refused")).toMatchObject([
      { subject: "ledger", detail: abroad },
      { subject: "ledger", detail: { region: "local", owner: "aws" } },
    ]);
    expect((await ask({})).status).toBe(200);
    expect((await ask(here)).status).toBe(200);
  });

  test("a backup does too, for it carries the data of everybody", async () => {
    const ada = await control.token("ada");
    const ask = (body: object) => control.call("POST", "/v1/backups", body, ada);
    const refused = await ask({ name: "cloud", ...abroad });
    expect([refused.status, refused.body["code"]]).toEqual([403, "charter.placement_refused"]);
    expect(await rows("charter.backup.refused")).toMatchObject([{ subject: "cloud", detail: abroad }]);
    expect((await ask({ name: "beside" })).status).toBe(202);
    expect(await rows("database.backup.requested")).toMatchObject([{ subject: "beside", detail: here }]);
  });

  test("no other organisation makes or lists backups, nor learns their names", async () => {
    const gus = String(
      (
        await control.call("POST", "/v1/dev/token", {
          secret: control.secret,
          principal: "gus",
          organisation: "globex",
          environments: ["dev", "staging", "production"],
        })
      ).body["token"],
    );
    const made = await control.call("POST", "/v1/backups", { name: "beside" }, gus);
    const listed = await control.call("GET", "/v1/backups", undefined, gus);
    expect([made.status, listed.status]).toEqual([403, 403]);
    expect(made.text).not.toContain("exists");
  });
});
