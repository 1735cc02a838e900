import { aCall } from "@portolan/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ApiMethod, must } from "./api.ts";
import { type DeclaredRoute, type InProcessControl, openControl } from "./in-process.ts";
import { mutatingRoutes } from "./mutating-routes.ts";
import { quotaApplication } from "./mutating-routes-identity.ts";
import { known, type World } from "./mutating-world.ts";
import { unrecorded, watchTransactions } from "./transactions.ts";

let control: InProcessControl;
let world: World;
let watch: Awaited<ReturnType<typeof watchTransactions>>;

beforeAll(async () => {
  control = await openControl();
  world = { control, api: control, known: new Map() };
  await control.database.session((session) => session.script("create table public.planted (n integer)"));
  watch = await watchTransactions(control.database);
});
afterAll(() => control.close());

const reading = ["GET", "HEAD", "OPTIONS"];
/** Questions that other products' clients send as a message; a test below holds that they change nothing. */
const questions = [
  "/v1/quotas/check",
  "/v1/queue/check",
  "/api/2.0/mlflow/runs/search",
  "/api/2.0/mlflow/experiments/search",
  "/api/2.0/mlflow/experiments/search-datasets",
  "/api/2.0/mlflow/logged-models/search",
  "/api/2.0/mlflow/registered-models/get-latest-versions",
];

const presigning = "/api/2.0/mlflow/artifacts/presigned-download-url";

function isMutating({ method, url }: Pick<DeclaredRoute, "method" | "url">): boolean {
  return !reading.includes(method) && url !== presigning && !questions.includes(url);
}

/** Mutating routes that the table does not drive, and entries of the table that no route answers to. */
function uncovered(routes: readonly DeclaredRoute[]): string[] {
  const registered = routes.filter(isMutating).map(({ method, url }) => `${method} ${url}`);
  const driven: readonly string[] = mutatingRoutes.map(({ route }) => route);
  return [
    ...registered.filter((route) => !driven.includes(route)),
    ...driven.filter((route) => !registered.includes(route)).map((route) => `${route} (is no route)`),
  ];
}

describe("what routes declare", () => {
  test("every mutating route is driven by the table of this test", () => {
    expect(control.routes.filter(isMutating).length).toBeGreaterThan(30);
    expect(uncovered(control.routes)).toEqual([]);
  });

  test("a route that is added without an entry in the table fails this test", () => {
    const planted = {
      method: "POST",
      url: "/v1/planted",
      action: "public",
      ledger: "governed",
      schema: undefined,
    };
    expect(uncovered([...control.routes, planted])).toEqual(["POST /v1/planted"]);
  });

  test("each route says its action and its ledger class; mutating ones are governed or recorded, as the table says", () => {
    const wrong = control.routes.filter((route) => {
      const { action, ledger } = route;
      const classes = isMutating(route) ? ["governed", "recorded"] : ["read"];
      return action === undefined || ledger === undefined || !classes.includes(ledger);
    });
    expect(wrong).toEqual([]);
    const declared = new Map(control.routes.map(({ method, url, ledger }) => [`${method} ${url}`, ledger]));
    const differing = mutatingRoutes.filter(({ route, ledger }) => declared.get(route) !== ledger);
    expect(differing.map(({ route }) => route)).toEqual([]);
  });
});

describe("a granted request leaves its ledger rows in the transaction of its effect", () => {
  for (const entry of mutatingRoutes) {
    test(entry.route, async () => {
      const [method] = entry.route.split(" ") as [ApiMethod];
      const token = entry.as === undefined ? entry.credential?.(world) : await control.token(entry.as);
      const { url, body } = await entry.request(world);
      await watch.take();
      const answer = await control.call(method, url, body, token);
      const { changes, rows } = await watch.take();
      expect(answer.status, answer.text).toBeLessThan(300);
      const own = rows.filter((row) => entry.ledger === "recorded" || row.requestId === answer.requestId);
      expect(own.map((row) => `${row.class} ${row.event}`)).toEqual(
        entry.events.map((event) => `${entry.ledger} ${event}`),
      );
      expect(unrecorded(changes, rows, entry.ledger)).toEqual(Object.keys(entry.besides ?? {}).sort());
      await entry.learn?.(answer.body, world);
    });
  }
});

describe("a question that is sent as a message", () => {
  test.each(questions)("%s changes nothing", async (url) => {
    const token = await control.token("ada");
    await watch.take();
    const bodies = new Map<string, object>([
      ["/v1/quotas/check", quotaApplication],
      ["/v1/queue/check", { kind: "training", environment: "dev" }],
    ]);
    const body = bodies.get(url) ?? { name: "delays" };
    const answer = await control.call("POST", url, body, token);
    expect(answer.status, answer.text).toBe(200);
    expect(await watch.take()).toEqual({ changes: [], rows: [] });
  });
});

test("a signed address of an artifact is no change", async () => {
  const token = await control.token("max");
  const [run_id, useCaseId] = [known(world, "clientRun"), known(world, "useCase")];
  const file = `/api/2.0/mlflow-artifacts/artifacts/${useCaseId}-dev/${run_id}/artifacts/signed.txt`;
  await must(control, "PUT", file, Buffer.from("figures"), token);
  await watch.take();
  const answer = await control.call("POST", presigning, { run_id, path: "signed.txt" }, token);
  expect(answer.status, answer.text).toBe(200);
  const address = new URL(String(answer.body["presigned_url"]));
  const read = await control.call("GET", `${address.pathname}${address.search}`);
  expect([read.status, read.text]).toEqual([200, "figures"]);
  expect(await watch.take()).toEqual({ changes: [], rows: [] });
});

test("a use case's readiness names what these requests left, each of its links answers, and reading it changes nothing", async () => {
  const token = await control.token("ada");
  await watch.take();
  const { text } = await control.call("GET", "/v1/use-cases/flight-delays/readiness", undefined, token);
  expect(await watch.take()).toEqual({ changes: [], rows: [] });
  for (const path of ["charters/cht_", "datasets/ds_", "plans/pln_", "pipelines/", "models/", "reviews/rev_"])
    expect(text).toContain(`"link":"/v1/${path}`);
  const links = new Set([...text.matchAll(/"link":"([^"]+)"/g)].map(([, link = ""]) => link));
  expect(links.size).toBeGreaterThan(10);
  const answers = await Promise.all(
    [...links].map(async (link) => [link, (await control.call("GET", link, undefined, token)).status]),
  );
  expect(answers.filter(([, status]) => status !== 200)).toEqual([]);
});

describe("the proof itself", () => {
  test("a change in a transaction without a ledger row is found", async () => {
    const plant = () =>
      control.database.session((session) => session.script("insert into public.planted values (1)"));
    await watch.take();
    await plant();
    await control.work.write(aCall({}), (tx) =>
      tx.record({ event: "test.thing.done", subject: "elsewhere" }),
    );
    const { changes, rows } = await watch.take();
    expect(rows.map((row) => row.event)).toEqual(["test.thing.done"]);
    expect(unrecorded(changes, rows, "governed")).toEqual(["public.planted"]);
  });
});
