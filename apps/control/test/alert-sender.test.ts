import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger, Secret, systemClock } from "@portolan/kernel";
import type { Alert } from "@portolan/monitoring/contract";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createAlertSender } from "../src/alerts/alert-sender.ts";
import { webhookHeaders } from "../src/notices/webhook-signature.ts";

interface Taken {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}
const taken: Taken[] = [];
/** Paths that are not answered until the receiver closes. */
const receiver = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const path = request.url ?? "";
    taken.push({ path, headers: request.headers, text: Buffer.concat(chunks).toString("utf8") });
    if (path.startsWith("/hangs")) return;
    const status = path.startsWith("/down") ? 503 : path.startsWith("/moved") ? 307 : 202;
    response.writeHead(status, { location: "/elsewhere" }).end();
  });
});
const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
let folder: string;
const organisation = "org_1";

beforeAll(async () => {
  await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
  folder = await mkdtemp(join(tmpdir(), "destinations-"));
  const url = (path: string) => `http://127.0.0.1:${(receiver.address() as AddressInfo).port}${path}`;
  const files: Record<string, object> = {
    hook: {
      organisation,
      format: "webhook",
      url: url("/hook"),
      secret,
      headers: { Authorization: "Bearer t" },
    },
    manager: { organisation, format: "alertmanager", url: url("/am/") },
    pager: { organisation, format: "pagerduty", url: url("/v2/enqueue"), routingKey: "key" },
    chat: { organisation, format: "slack", url: url("/services/T0/B0/x") },
    down: { organisation, format: "slack", url: url("/down") },
    moved: { organisation, format: "slack", url: url("/moved") },
    hangs: { organisation, format: "slack", url: url("/hangs") },
    dev: { organisation, format: "slack", url: url("/dev"), environments: ["dev"] },
    narrow: { organisation, format: "slack", url: url("/narrow"), useCases: ["uc_2"] },
    others: { organisation: "org_2", format: "slack", url: url("/others") },
    keyless: { organisation, format: "pagerduty" },
    malformed: { organisation, format: "fax", url: url("/fax") },
  };
  for (const [name, file] of Object.entries(files))
    await writeFile(join(folder, `${name}.json`), JSON.stringify(file));
});
afterAll(async () => {
  receiver.closeAllConnections();
  receiver.close();
  await rm(folder, { recursive: true });
});
beforeEach(() => {
  taken.length = 0;
});

const alert: Alert = {
  id: "alr_1",
  key: "k",
  kind: "performance",
  environment: "production",
  useCaseId: "uc_1",
  endpoint: "churn",
  variant: "champion",
  model: "churn",
  version: "3",
  state: "open",
  summary: "accuracy é",
  evidence: { below: "alert" },
  openedAt: 1_772_000_000_000_000,
  resolvedAt: null,
  resolvedBecause: null,
};
const log = createLogger({ name: "test", level: "silent" });
const sender = () => createAlertSender({ folder, clock: systemClock, log });
const send = (destination: string, over: { readonly isRepeat?: boolean } = {}, from = sender()) =>
  from.send({ organisationId: organisation, destination, alert, isRepeat: false, ...over });

test("each format arrives where its receiver wants it", async () => {
  for (const name of ["hook", "manager", "pager", "chat"]) expect(await send(name)).toBe("taken");
  expect(taken.map(({ path }) => path)).toEqual([
    "/hook",
    "/am/api/v2/alerts",
    "/v2/enqueue",
    "/services/T0/B0/x",
  ]);
  const [hook, manager, pager, chat] = taken.map(({ text }): unknown => JSON.parse(text));
  expect(hook).toMatchObject({
    specversion: "1.0",
    type: "portolan.monitoring.alert.opened",
    data: { id: "alr_1" },
  });
  expect(manager).toMatchObject([{ labels: { alertname: "PortolanPerformance", endpoint: "churn" } }]);
  expect(pager).toMatchObject({ routing_key: "key", event_action: "trigger", dedup_key: "alr_1" });
  expect(chat).toMatchObject({ text: expect.stringContaining("accuracy é") });
});

test("webhooks are signed, with the operator's headers", async () => {
  await send("hook");
  const [first] = taken;
  const headers: IncomingHttpHeaders = first?.headers ?? {};
  const text = first?.text ?? "";
  const seconds = Number(headers["webhook-timestamp"]);
  const clock = { ...systemClock, now: () => (seconds * 1_000_000) as ReturnType<typeof systemClock.now> };
  const expected = webhookHeaders("alr_1.open", text, clock, new Secret(secret));
  expect(headers).toMatchObject({ ...expected, authorization: "Bearer t" });
  expect(headers["content-type"]).toBe("application/cloudevents+json; charset=utf-8");
});

test("a repeat goes only to what forgets", async () => {
  for (const name of ["hook", "manager", "pager", "chat"]) await send(name, { isRepeat: true });
  expect(taken.map(({ path }) => path)).toEqual(["/am/api/v2/alerts"]);
});

test("refusals and redirects are failures without the address in their words", async () => {
  for (const name of ["down", "moved"]) {
    const fault: unknown = await send(name).catch((error: unknown) => error);
    expect(fault).toMatchObject({ code: "monitoring.alert_undeliverable" });
    expect(String(fault)).not.toContain("127.0.0.1");
  }
  expect(taken.map(({ path }) => path)).toEqual(["/down", "/moved"]);
});

test("another organisation's, environment's or use case's destination reads as one that is not there", async () => {
  const words = new Set<string>();
  for (const name of ["others", "dev", "narrow", "nowhere", "keyless", "malformed", "../others"]) {
    const fault: unknown = await send(name).catch((error: unknown) => error);
    expect(fault).toMatchObject({ code: "monitoring.alert_undeliverable" });
    words.add(String(fault instanceof Error ? fault.message : fault).replaceAll(name, "NAME"));
  }
  expect(words.size).toBe(1);
  expect(taken).toEqual([]);
  const without = createAlertSender({ folder: undefined, clock: systemClock, log });
  await expect(send("chat", {}, without)).rejects.toMatchObject({ code: "monitoring.alert_undeliverable" });
});

test("a destination that hangs is asked once at a time, is given up, and holds up no other", async () => {
  const one = sender();
  const hanging = send("hangs", {}, one).catch((error: unknown) => error);
  await expect.poll(() => taken.length).toBe(1);
  expect(await send("hangs", {}, one)).toBe("busy");
  expect(await send("chat", {}, one)).toBe("taken");
  expect(await hanging).toMatchObject({ code: "monitoring.alert_undeliverable" });
  expect(taken.filter(({ path }) => path === "/hangs")).toHaveLength(1);
});
