import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCli } from "../src/program.ts";

const budget = {
  useCaseId: "uc_1",
  useCase: "fraud",
  period: "2026-11",
  ceiling: "100 USD",
  spent: "120 USD",
  forecast: null,
  passed: [100],
  exceeds: "did",
  beyond: "alert",
  holds: false,
  unpriced: [],
};
const unjudged = {
  useCaseId: "uc_2",
  useCase: "churn",
  ceiling: "3000 EUR",
  beyond: "alert",
  because: "no rate",
};

/** What control answers, by path. */
let answers: Record<string, unknown> = {};
let server: Server;
beforeAll(async () => {
  server = createServer((request, response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify(answers[request.url ?? ""] ?? {}));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

async function show(...args: string[]): Promise<{ out: string; err: string }> {
  let [out, err] = ["", ""];
  const { port } = server.address() as AddressInfo;
  const before = process.exitCode;
  await runCli(["budget", "show", ...args], {
    environment: {
      cwd: ".",
      env: { PORTOLAN_URL: `http://127.0.0.1:${port}`, PORTOLAN_TOKEN: "t" },
      root: resolve(import.meta.dirname, "../../.."),
    },
    streams: { out: { write: (more) => (out += more) }, err: { write: (more) => (err += more) } },
  });
  process.exitCode = before;
  return { out, err };
}

test("budgets are shown with ceilings that nothing is held against, and of a control that says nothing of these, without", async () => {
  answers = {
    "/v1/budgets": { budgets: [budget], unjudged: [unjudged] },
    "/v1/usage/anomalies": { anomalies: [] },
  };
  expect((await show()).out).toContain("churn: nothing is held against its ceiling of 3000 EUR");
  answers = { "/v1/budgets": { budgets: [budget] }, "/v1/usage/anomalies": { anomalies: [] } };
  const { out, err } = await show();
  expect(err).toBe("");
  expect(out).toContain("SPENT");
  expect(out).not.toContain("nothing is held");
  expect(JSON.parse((await show("--json")).out)).toMatchObject({ budgets: [budget], unjudged: [] });
});
