import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { asEpochMicros, parseInstant } from "@portolan/kernel";
import type { UsageRecord } from "@portolan/metering";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { ApiClient } from "../src/client/api-client.ts";
import { recordCollected } from "../src/usage/collect-usage.ts";

const hour = 3_600_000_000;
const first = parseInstant("2026-11-01T00:00:00Z");

interface Sent {
  readonly replace: boolean;
  readonly ids: readonly string[];
}
let sent: Sent[] = [];
/** Ids that are there and say otherwise. */
let others: ReadonlySet<string> = new Set();
let server: Server;
let api: ApiClient;
beforeEach(() => {
  sent = [];
  others = new Set();
});
beforeAll(async () => {
  server = createServer((request, response) => void answer(request, response)).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  api = new ApiClient({ url: `http://127.0.0.1:${port}`, token: "t" });
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = JSON.parse(Buffer.concat(await request.toArray()).toString("utf8")) as {
    readonly replace: boolean;
    readonly records: readonly { readonly id: string }[];
  };
  const ids = body.records.map(({ id }) => id);
  sent.push({ replace: body.replace, ids });
  const differs = !body.replace && ids.some((id) => others.has(id));
  response.writeHead(differs ? 409 : 200, { "content-type": "application/json" });
  const receipt = { recorded: ids.length, known: 0, changedPeriods: ["2026-11"] };
  response.end(JSON.stringify(differs ? { code: "metering.usage_differs" } : receipt));
}

const record = (id: string, at: number): UsageRecord => ({
  source: "c1",
  id,
  meter: id,
  tenant: { businessUnit: "", team: "crew", useCase: "", model: "", environment: "" },
  resource: "cpu_hours",
  quantity: 1n,
  start: asEpochMicros(first + at * hour),
  end: asEpochMicros(first + (at + 1) * hour),
});
const gap = (at: number) => ({ start: asEpochMicros(first + at * hour), minutesSeen: 10 });
const collected = {
  records: [record("a", 0), record("b", 1), record("c", 2), record("d", 1)],
  gaps: [gap(1), gap(2)],
  end: asEpochMicros(first + 3 * hour),
};

test("hours of which a part was not seen go one by one, and replace nothing", async () => {
  expect(await recordCollected(api, collected, { source: "c1", replace: true })).toEqual({
    recorded: 4,
    known: 0,
    changedPeriods: ["2026-11"],
  });
  expect(sent).toEqual([
    { replace: true, ids: ["a"] },
    { replace: false, ids: ["b", "d"] },
    { replace: false, ids: ["c"] },
  ]);
});

test("one that is there and says otherwise is kept, told once the others are recorded, and nobody is sent to --replace for it", async () => {
  others = new Set(["b"]);
  await expect(recordCollected(api, collected, { source: "c1", replace: true })).rejects.toMatchObject({
    code: "metering.usage_differs",
    detail: expect.stringMatching(/^Of 1 hours .* the first at 2026-11-01T01:00:00/) as string,
    mend: expect.not.stringContaining("replace") as string,
  });
  expect(sent.map(({ ids }) => ids.join())).toEqual(["a", "b,d", "c"]);
});
