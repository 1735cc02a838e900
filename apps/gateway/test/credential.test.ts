import { mkdtempSync, rmSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asEpochMicros, createLogger, microsPerDay, newId, Secret, systemClock } from "@portolan/kernel";
import { logisticModel } from "@portolan/onnx-format/testing";
import { fakeClock } from "@portolan/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createCredential } from "../src/credential.ts";
import { openDiskCache } from "../src/snapshot/disk-cache.ts";
import { ControlStandIn, until } from "./control-stand-in.ts";
import { TestInstallation } from "./installation.ts";

interface IssuedKey {
  readonly text: string;
  readonly id: string;
  readonly createdAt: number;
  readonly expiresAt: number;
}

/** Control's API keys as the gateway's account sees them. */
class KeyRegister {
  readonly keys: IssuedKey[] = [];
  /** Creates keys but never says so: what a death in the middle looks like from outside. */
  answersCreations = true;

  issue(createdAt: number, days: number): IssuedKey {
    const id = newId("apiKey", systemClock.now());
    const text = `ptk_production_${id.slice("key_".length)}_${"s".repeat(43)}`;
    const key = { text, id, createdAt, expiresAt: createdAt + days * microsPerDay };
    this.keys.push(key);
    return key;
  }

  answer(now: () => number) {
    return (request: IncomingMessage, response: ServerResponse): boolean => {
      const text = request.headers.authorization?.replace(/^Bearer /, "");
      const known = this.keys.find((key) => key.text === text && key.expiresAt > now());
      if (!known) {
        response.writeHead(401).end();
        return true;
      }
      if (request.url === "/v1/whoami") response.end("{}");
      else if (request.url === "/v1/api-keys" && request.method === "GET")
        response.end(JSON.stringify({ items: this.keys.map(viewOf) }));
      else if (request.url === "/v1/api-keys") this.#create(request, response, now());
      else return false;
      return true;
    };
  }

  #create(request: IncomingMessage, response: ServerResponse, now: number): void {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      const { expiresInDays } = JSON.parse(body) as { expiresInDays: number };
      const { text } = this.issue(now, expiresInDays);
      if (this.answersCreations) response.writeHead(201).end(JSON.stringify({ text }));
    });
  }
}

function viewOf({ id, createdAt, expiresAt }: IssuedKey) {
  return { id, name: "Gateway", environment: "production", createdAt, expiresAt };
}

let control: ControlStandIn;
let installation: TestInstallation;
let register: KeyRegister;
beforeEach(async () => {
  installation = new TestInstallation();
  register = new KeyRegister();
  control = await ControlStandIn.start(installation.home);
});
afterEach(async () => {
  installation.dispose();
  await control.close();
});

test("a key is renewed when two thirds of its life are over, again and again, each before the last one ends", async () => {
  const clock = fakeClock("2026-03-02T09:00:00Z");
  control.also = register.answer(() => clock.now());
  const first = register.issue(clock.now(), 30);
  const folder = mkdtempSync(join(tmpdir(), "credential-"));
  const deps = {
    controlUrl: control.url,
    given: new Secret(first.text),
    cache: openDiskCache(folder),
    clock,
    log: createLogger({ name: "test", level: "silent" }),
  };
  const credential = createCredential(deps);
  const day = (count: number) => clock.set(asEpochMicros(first.createdAt + count * microsPerDay));
  for (const [after, keys] of [
    [0, 1],
    [19, 1],
    [21, 2],
    [40, 2],
    [42, 3],
    [63, 4],
  ] as const) {
    day(after);
    await credential.renewWhenDue();
    expect([after, register.keys.length]).toEqual([after, keys]);
    expect(
      register.keys.find(({ text }) => text === credential.current()?.reveal())?.expiresAt,
    ).toBeGreaterThan(clock.now());
  }
  const restarted = createCredential(deps);
  expect(restarted.current()?.reveal(), "the given key ended long ago").toBe(register.keys.at(-1)?.text);
  const replaced = createCredential({ ...deps, given: new Secret("another") });
  expect(replaced.current()?.reveal(), "a new key from the operator supersedes").toBe("another");
  rmSync(folder, { recursive: true });
});

test("killed between control's new key and its own disk, it goes on with the old one and renews at the next start", async () => {
  installation.add("score", logisticModel([0.5, -0.25], 0.1));
  await installation.publish(1);
  control.also = register.answer(() => systemClock.now());
  const first = register.issue(systemClock.now() - 25 * microsPerDay, 30);
  register.answersCreations = false;
  const environment = { CONTROL_URL: control.url, CONTROL_TOKEN: first.text };
  const gateway = await installation.start(environment);
  await until(async () => register.keys.length === 2);
  await gateway.end("SIGKILL");
  control.credentials.length = 0;
  register.answersCreations = true;
  await installation.start(environment);
  await until(async () => register.keys.length === 3);
  const renewed = register.keys[2]?.text;
  await until(async () => control.credentials.at(-1) === renewed);
  expect(control.credentials[0]).toBe(first.text);
  expect(control.credentials, "the lost key is used by nobody").not.toContain(register.keys[1]?.text);
});

test("what control refuses is left for the other credential, so that neither a lost key nor an expired one cuts it off", async () => {
  const clock = fakeClock("2026-03-02T09:00:00Z");
  control.also = register.answer(() => clock.now());
  const given = register.issue(clock.now(), 30);
  const cache = openDiskCache(join(installation.home, "gateway"));
  const log = createLogger({ name: "test", level: "silent" });
  const credential = createCredential({
    controlUrl: control.url,
    given: new Secret(given.text),
    cache,
    clock,
    log,
  });
  clock.advance(25 * microsPerDay);
  await credential.renewWhenDue();
  const renewed = credential.current();
  expect(renewed?.reveal()).not.toBe(given.text);
  if (renewed) credential.refused(renewed);
  expect(credential.current()?.reveal()).toBe(given.text);
});
