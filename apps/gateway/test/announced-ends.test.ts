import { logisticModel } from "@portolan/onnx-format/testing";
import type { Route } from "@portolan/serving/contract";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type TestGateway, TestInstallation } from "./installation.ts";
import { TextInstallation } from "./text-installation.ts";

const announcedAt = 1_688_169_599_000_000;
const late = Date.UTC(2199, 2, 1) * 1000;
const told = {
  deprecation: "@1688169599",
  sunset: "Fri, 01 Mar 2199 00:00:00 GMT",
  link: '<https://models.example/next>; rel="successor-version"',
};
/** What the snapshot says of a version's end; a gateway keeps to it whether control is there or not. */
const ending = (model: string, version: number, endsAt: number) => ({
  model,
  version,
  announcedAt,
  endsAt,
  successor: "https://models.example/next",
});
const outcomes = (model: string) => ({ model, version: 1, alert: "alr_1", since: 1 });

function endHeaders(headers: Headers): Readonly<Record<string, string>> {
  const all = ["deprecation", "sunset", "link"].map((name) => [name, headers.get(name)] as const);
  return Object.fromEntries(all.flatMap(([name, value]) => (value === null ? [] : [[name, value]])));
}

describe("versions that answer tensors", () => {
  let installation: TestInstallation;
  beforeEach(() => {
    installation = new TestInstallation();
  });
  afterEach(() => installation.dispose());

  const body = '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}';
  const model = (bias: number) => logisticModel([0.5, -0.25], bias);
  const beside = (version: number) => ({
    model: installation.reference("score", version, model(version)),
    features: null,
  });

  async function ask(gateway: TestGateway, endpoint: string) {
    const response = await gateway.post(`/v2/models/${endpoint}/infer`, body);
    const { model_version: version } = (await response.json()) as { readonly model_version?: string };
    const { status, headers } = response;
    return {
      status,
      version,
      by: headers.get("x-portolan-answered-by"),
      end: endHeaders(headers),
    };
  }

  /** Its own version is displaced: the chain answers. */
  function displaced(name: string, fallbacks: Route["fallbacks"], over: Partial<Route>): void {
    installation.add(name, model(0), {
      model: installation.reference("score", 1, model(0)),
      displaced: outcomes("score"),
      secondary: beside(3),
      fallbacks,
      ...over,
    });
  }

  test("a version of the fallback chain tells its own announced end, not that of the version in whose place it answers; a rule tells none", async () => {
    const secondary = [{ kind: "secondary_model" as const }];
    const rule = [{ kind: "fixed" as const, outputs: { y: 0.5 } }];
    displaced("its-own", secondary, { retiring: [ending("score", 3, late)] });
    displaced("another", secondary, { retiring: [ending("score", 1, late)] });
    displaced("by-rule", rule, { retiring: [ending("score", 1, late)] });
    const sunset = { announcedAt, endsAt: late - 86_400_000_000 };
    displaced("sooner", secondary, { retiring: [ending("score", 3, late)], sunset });
    displaced("later", secondary, {
      retiring: [ending("score", 3, late)],
      sunset: { announcedAt, endsAt: late + 86_400_000_000, successor: "https://models.example/other" },
    });
    await installation.publish(1);
    const gateway = await installation.start();
    const answered = { status: 200, version: "3", by: "secondary_model" };
    expect(await ask(gateway, "its-own")).toEqual({ ...answered, end: told });
    expect(await ask(gateway, "another")).toEqual({ ...answered, end: {} });
    expect(await ask(gateway, "by-rule")).toMatchObject({ status: 200, by: "fixed", end: {} });
    const before = { deprecation: told.deprecation, sunset: "Thu, 28 Feb 2199 00:00:00 GMT" };
    expect(await ask(gateway, "sooner")).toEqual({ ...answered, end: before });
    expect(await ask(gateway, "later")).toEqual({ ...answered, end: told });
  });

  test("a version of the fallback chain whose announced end has come is asked no more: the next one answers, or the caller is told", async () => {
    const over = { previous: beside(2), retiring: [ending("score", 3, announcedAt + 1)] };
    displaced("next", [{ kind: "secondary_model" }, { kind: "previous_version" }], over);
    displaced("nobody", [{ kind: "secondary_model" }], over);
    await installation.publish(1);
    const gateway = await installation.start();
    expect(await ask(gateway, "next")).toEqual({
      status: 200,
      version: "2",
      by: "previous_version",
      end: {},
    });
    expect((await ask(gateway, "nobody")).status).toBe(503);
  });

  test("where the announced end of an endpoint's own version has come, nobody answers in its place", async () => {
    const variant = { name: "next", kind: "split" as const, sample: 1, ...beside(2) };
    const traffic = { seed: "s", sticky: "request" as const, split: [], rules: [] };
    const over = { variants: [variant], traffic, secondary: beside(3) };
    const add = (name: string, endsAt: number) =>
      installation.add(name, model(0), {
        ...over,
        model: installation.reference("score", 1, model(0)),
        fallbacks: [{ kind: "secondary_model" }],
        retiring: [ending("score", 1, endsAt)],
      });
    add("ended", announcedAt + 1);
    add("goes-on", late);
    await installation.publish(1);
    const gateway = await installation.start();
    for (const asked of ["ended", "ended/versions/2"]) expect((await ask(gateway, asked)).status).toBe(503);
    expect(await ask(gateway, "goes-on/versions/2")).toMatchObject({ status: 200, version: "2", end: {} });
    expect(await ask(gateway, "goes-on")).toMatchObject({ status: 200, version: "1", end: told });
  });
});

describe("versions that answer text", () => {
  let installation: TextInstallation;
  let gateway: TestGateway;
  beforeAll(async () => {
    installation = new TextInstallation();
    const standby = await installation.textVersion("standby", 4);
    const add = async (name: string, endsAt: number) => {
      await installation.addText(name, {
        secondary: { model: standby.model, features: null },
        fallbacks: [{ kind: "secondary_model" }],
        displaced: outcomes(name),
        retiring: [ending(standby.model.name, standby.model.version, endsAt)],
      });
    };
    await add("told", late);
    await add("gone", announcedAt + 1);
    await installation.publish(1);
    gateway = await installation.start({ UPSTREAM_ALLOWED_HOSTS: "127.0.0.1" });
  });
  afterAll(() => installation.end());

  const ask = (model: string, stream: boolean) =>
    gateway.post(
      "/v1/chat/completions",
      JSON.stringify({ model, stream, messages: [{ role: "user", content: "hello" }] }),
    );

  test("tell their own ends, whole and in parts, and answer no more behind them", async () => {
    for (const stream of [false, true]) {
      const answer = await ask("told", stream);
      await answer.text();
      expect([answer.status, answer.headers.get("x-portolan-answered-by")]).toEqual([200, "secondary_model"]);
      expect(endHeaders(answer.headers)).toEqual(told);
      expect((await ask("gone", stream)).status).toBe(503);
    }
  });
});
