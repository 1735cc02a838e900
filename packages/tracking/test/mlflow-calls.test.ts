import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TrackingFixture, trackingFixture } from "./tracking-fixture.ts";

let f: TrackingFixture;
beforeAll(async () => {
  f = await trackingFixture();
});
afterAll(() => f.close());

const methods = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const;
type State = "works" | "refused" | "missing";

interface DocumentedCall {
  readonly method: (typeof methods)[number];
  readonly path: string;
  readonly state: State;
}

/** The rows of the tables of docs/mlflow.md. */
async function documentedCalls(): Promise<DocumentedCall[]> {
  const page = await readFile(new URL("../../../docs/mlflow.md", import.meta.url), "utf8");
  return [...page.matchAll(/^\| `([A-Z]+) (\S+)` \| (works|refused|missing) \|/gm)].map(
    ([, verb, path = "", told]) => {
      const method = methods.find((known) => known === verb);
      const state = (["works", "refused", "missing"] as const).find((known) => known === told);
      if (method === undefined || state === undefined) throw new Error(`cannot read ${verb} ${path}`);
      return { method, path: path.replace(/\{[^}]*\}/g, "x"), state };
    },
  );
}

/** An empty message lacks something, but for these. */
const unlike: Readonly<Record<string, number>> = {
  // Without experiments it finds nothing.
  "runs/search": 200,
  "experiments/search-datasets": 200,
  // Without a filter it finds what there is.
  "experiments/search": 200,
  // Without one it means MLflow's default experiment, which does not exist.
  "runs/create": 404,
};

const stateOf = (message: string): State =>
  message.includes("docs/mlflow.md lists the calls that are") ? "missing" : "refused";

/** Clients fall back on the one, and show the other. */
const unservedStatus = (code: unknown): number => (code === "PERMISSION_DENIED" ? 403 : 404);

test("every call of MLflow's API stands as its page says, and what is not served says so as MLflow would", async () => {
  const calls = await documentedCalls();
  const found: DocumentedCall[] = [];
  for (const { method, path } of calls) {
    const { status, body } = await f.send(method, path);
    const message = String(body["message"]);
    const unserved = message.includes("is not among MLflow's calls that are served here");
    const served = unlike[path.slice("/api/2.0/mlflow/".length)] ?? 400;
    expect([method, path, status]).toEqual([
      method,
      path,
      unserved ? unservedStatus(body["error_code"]) : served,
    ]);
    if (status !== 200) expect(Object.keys(body)).toEqual(["error_code", "message"]);
    found.push({ method, path, state: unserved ? stateOf(message) : "works" });
  }
  expect(found).toEqual(calls);
});

test("the page counts its calls right, and lists none twice", async () => {
  const calls = await documentedCalls();
  const page = await readFile(new URL("../../../docs/mlflow.md", import.meta.url), "utf8");
  for (const state of ["works", "refused", "missing"] as const) {
    const counted = new RegExp(`^- \\*\\*${state}\\*\\*: .* (\\d+) calls\\.$`, "m").exec(page)?.[1];
    expect([state, Number(counted)]).toEqual([state, calls.filter((call) => call.state === state).length]);
  }
  expect(new Set(calls.map(({ method, path }) => `${method} ${path}`)).size).toBe(calls.length);
});
