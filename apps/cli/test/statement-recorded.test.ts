import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { StatementDocument } from "@portolan/metering";
import { expect, test } from "vitest";
import { runCli } from "../src/program.ts";

test("a control that does not say what usage was for is asked without; the statement splits the same", async () => {
  const names = ["finance", "risk", "fraud", "", "dev"];
  const line = {
    names,
    resource: "training_hours",
    unit: "microsecond",
    quantity: "7200000000",
    amount: "2",
  };
  const asked: string[] = [];
  let knowsActivities = true;
  await using stack = new AsyncDisposableStack();
  const server = createServer((request, response) => {
    const url = request.url ?? "";
    asked.push(url);
    const isRefused = url.includes("activities") && !knowsActivities;
    response.writeHead(isRefused ? 400 : 200, { "content-type": "application/json" });
    const found = { ...line, ...(url.includes("activities") ? { activity: "training" } : {}) };
    const problem = { code: "kernel.bad_request", detail: "querystring does not fit the route" };
    response.end(JSON.stringify(isRefused ? problem : { period: "2026-11", lines: [found], changed: null }));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  stack.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  const folder = await mkdtemp(join(tmpdir(), "portolan-recorded-"));
  stack.defer(() => rm(folder, { recursive: true }));
  await writeFile(
    join(folder, "bill.csv"),
    "line,kind,amount,currency,capacity\ntraining_hours,metered,9,USD,\n",
  );
  const { port } = server.address() as AddressInfo;
  const show = async () => {
    let [out, err] = ["", ""];
    await runCli(["statement", "--bill", "bill.csv", "--recorded", "2026-11", "--json"], {
      environment: {
        cwd: folder,
        env: { PORTOLAN_URL: `http://127.0.0.1:${port}`, PORTOLAN_TOKEN: "t" },
        root: resolve(import.meta.dirname, "../../.."),
      },
      streams: { out: { write: (more) => (out += more) }, err: { write: (more) => (err += more) } },
    });
    expect(err).toBe("");
    const { lines } = JSON.parse(out) as Pick<StatementDocument, "lines">;
    return lines.map(({ names: whose, used, own, total }) => ({ whose, used, own, total }));
  };
  const now = await show();
  expect(now).toEqual([{ whose: names.slice(0, 2), used: { training_hours: "2" }, own: "9", total: "9" }]);
  knowsActivities = false;
  expect(await show()).toEqual(now);
  expect(asked.map((url) => url.includes("activities"))).toEqual([true, true, false]);
});
