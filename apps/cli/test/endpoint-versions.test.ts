import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { resolve } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCli } from "../src/program.ts";

/** What control would answer, by path; what was asked of it. */
const answers: Record<string, unknown> = {};
const asked: { path: string; body: unknown }[] = [];
let server: Server;
beforeAll(async () => {
  server = createServer((request, response) => {
    void answer(request).then(([status, body]) => {
      response.writeHead(status, {
        "content-type": status === 200 ? "application/json" : "application/problem+json",
      });
      response.end(JSON.stringify(body));
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

async function answer(request: IncomingMessage): Promise<[number, unknown]> {
  const [path = ""] = (request.url ?? "").split("?");
  const sent = await text(request);
  asked.push({ path, body: sent === "" ? undefined : (JSON.parse(sent) as unknown) });
  const found = answers[path];
  return found === undefined ? [404, { code: "kernel.not_found", title: "Not found" }] : [200, found];
}

async function portolan(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ["", ""];
  const { port } = server.address() as AddressInfo;
  const env = { PORTOLAN_URL: `http://127.0.0.1:${port}`, PORTOLAN_TOKEN: "t" };
  const code = await runCli(["endpoint", ...args], {
    environment: { cwd: ".", env, root: resolve(import.meta.dirname, "../../..") },
    streams: { out: { write: (more) => (out += more) }, err: { write: (more) => (err += more) } },
  });
  return { code, out, err };
}

const model = (name: string, version: number) => ({ name, version });
const endpoint = {
  name: "churn",
  environment: "production",
  useCaseId: "uc_1",
  compute: { costPerThousand: "0.0400 EUR" },
  route: {
    model: model("churn", 4),
    variants: [{ model: model("churn", 3) }, { model: model("other", 4) }],
  },
};
const record = (principal: string, named: ReturnType<typeof model>, over: object = {}) => ({
  header: {
    principal,
    receivedAt: 1_790_000_000_000_000,
    status: { kind: "ok" },
    context: {
      environment: "production",
      variant: "champion",
      model: { name: named.name, version: String(named.version) },
    },
    ...over,
  },
});

const profileOf = (cpuMicros: number) => ({ profile: { single: { cpuMicros } } });
const callersOf = async (...args: string[]) => {
  const { out, err, code } = await portolan("callers", "churn", "--json", ...args);
  expect([code, err]).toEqual([0, ""]);
  return JSON.parse(out) as {
    version?: number;
    callers: { principal: string; requests: number; cost?: string }[];
  };
};

test("endpoint callers --version counts what that version alone was asked, at what its own processor time costs", async () => {
  answers["/v1/endpoints"] = { endpoints: [endpoint] };
  answers["/v1/predictions"] = {
    predictions: [
      record("usr_new", model("churn", 4)),
      record("usr_old", model("churn", 3)),
      record("usr_old", model("churn", 3)),
      // Of another model with the same number, which the endpoint shares its requests with.
      record("usr_other", model("other", 4)),
      // Nobody answered: no version was asked.
      record("usr_refused", model("churn", 3), {
        status: { kind: "refused", count: 5 },
        context: { environment: "production", variant: "champion", model: null },
      }),
    ],
  };
  answers["/v1/models/churn/versions/4/compute-profile"] = profileOf(200);
  answers["/v1/models/churn/versions/3/compute-profile"] = profileOf(500);
  const all = await callersOf();
  expect(all).not.toHaveProperty("version");
  expect(all.callers.map(({ principal }) => principal).toSorted()).toEqual([
    "usr_new",
    "usr_old",
    "usr_other",
    "usr_refused",
  ]);
  const old = await callersOf("--version", "3");
  expect(old).toMatchObject({ version: 3, callers: [{ principal: "usr_old", requests: 2 }] });
  // 0.04 for 1,000 of version 4, which takes two fifths of the time.
  expect(old.callers.map(({ cost }) => Number(cost?.split(" ")[0]))).toEqual([0.0002]);
  expect((await callersOf("--version", "4")).callers).toMatchObject([{ principal: "usr_new", requests: 1 }]);
  // A version that the endpoint has no longer may still be on the record.
  expect((await callersOf("--version", "2")).callers).toEqual([]);
  delete answers["/v1/models/churn/versions/3/compute-profile"];
  expect((await callersOf("--version", "3")).callers[0]).not.toHaveProperty("cost");
});

test("a version that is no number is refused before anybody is asked", async () => {
  const { code, err } = await portolan("callers", "churn", "--version", "three");
  expect(code).toBe(1);
  expect(err).toContain("--version three is no count");
});

test("endpoint sunset --version asks for the end of that version alone, and says whose callers to look for", async () => {
  answers["/v1/endpoints/churn/sunset"] = { endsAt: 1_803_859_200_000_000 };
  const on = ["--on", "2027-03-01", "--reason", "old"];
  const { out, err } = await portolan("sunset", "churn", "--version", "3", ...on);
  expect(err).toBe("");
  expect(out).toContain("version 3 of churn ends in production");
  expect(out).toContain("portolan endpoint callers churn --version 3");
  expect(asked.at(-1)?.body).toMatchObject({ version: 3, endsAt: "2027-03-01T00:00:00Z" });
});
