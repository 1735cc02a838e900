import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeTestCertificate } from "@portolan/testkit/certificate";
import { afterEach, beforeEach, expect, test } from "vitest";
import { freePort } from "../../cli/src/supervisor/ports.ts";
import { controlExit } from "./control-process.ts";

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));
/** An address that others reach, as the rules judge it; every machine has it. */
const host = "0.0.0.0";

let home: string;
let child: ChildProcess | undefined;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "control-listeners-"));
});
afterEach(() => {
  child?.kill("SIGKILL");
  rmSync(home, { recursive: true, force: true });
});

test("on an address that others reach it does not start without TLS, nor its metrics without a token", async () => {
  const { certFile, keyFile } = writeTestCertificate(home);
  const tls = { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile };
  const cases: [Record<string, string>, string][] = [
    [{ CONTROL_HOST: host }, "identity.tls_required"],
    [{ METRICS_HOST: host, METRICS_PORT: "0", METRICS_TOKEN: "t" }, "identity.tls_required"],
    [{ ...tls, METRICS_HOST: host, METRICS_PORT: "0" }, "identity.metrics_token_required"],
  ];
  for (const [env, code] of cases) {
    const ended = await controlExit({ home, port: await freePort(), env });
    expect([code, ended.code]).toEqual([code, 1]);
    expect(ended.log).toContain(code);
  }
});

test("there it speaks TLS only and shows no metrics, which have a listener of their own", async () => {
  const { certFile, keyFile, certificatePem: ca } = writeTestCertificate(home);
  const port = await freePort();
  const log = await started({
    CONTROL_HOST: host,
    CONTROL_PORT: String(port),
    TLS_CERT_FILE: certFile,
    TLS_KEY_FILE: keyFile,
    METRICS_HOST: host,
    METRICS_PORT: "0",
    METRICS_TOKEN: "scraper-secret",
  });
  const metrics = Number(/"metricsPort":(\d+)/.exec(log)?.[1]);
  expect((await ask(port, "/healthz", ca)).status).toBe(200);
  expect((await ask(port, "/metrics", ca)).status).toBe(404);
  await expect(fetch(`http://127.0.0.1:${port}/healthz`)).rejects.toThrow();
  expect((await ask(metrics, "/metrics", ca)).status).toBe(401);
  const scraped = await ask(metrics, "/metrics", ca, "Bearer scraper-secret");
  expect(scraped.status).toBe(200);
  expect(scraped.text).toContain("portolan_control_requests_total");
});

/** Resolves to its log once it listens. */
function started(env: Readonly<Record<string, string>>): Promise<string> {
  const running = spawn(process.execPath, [main], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env["PATH"], PORTOLAN_HOME: home, ...env },
  });
  child = running;
  let log = "";
  return new Promise((resolve, reject) => {
    for (const stream of [running.stdout, running.stderr])
      stream.on("data", (chunk: Buffer) => {
        log += chunk.toString();
        if (log.includes("control.started")) resolve(log);
      });
    running.once("exit", (code) => reject(new Error(`control ended with ${code}: ${log}`)));
  });
}

function ask(
  port: number,
  path: string,
  ca: string,
  authorization?: string,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const headers = authorization === undefined ? {} : { authorization };
    request({ host: "127.0.0.1", port, path, ca, headers, agent: false }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    })
      .on("error", reject)
      .end();
  });
}
