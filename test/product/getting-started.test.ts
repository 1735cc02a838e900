import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { hasEmbeddedPostgres } from "@portolan/database/embedded";
import { logisticModel } from "@portolan/onnx-format/testing";
import { afterAll, expect, test } from "vitest";
import { freePort } from "../../apps/cli/src/supervisor/ports.ts";

const root = resolve(import.meta.dirname, "../..");
const page = readFileSync(join(root, "docs/getting-started.md"), "utf8");
const blocks = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block]) => block ?? "");

/** A folder that looks like the checkout to whoever types the commands; a space in its name, as people have. */
const folder = mkdtempSync(join(tmpdir(), "portolan getting started "));
symlinkSync(join(root, "portolan"), join(folder, "portolan"));
symlinkSync(join(root, "examples"), join(folder, "examples"));

/** What a POSIX system has, and Node; no Python. */
const bin = join(folder, "bin");
mkdirSync(bin);
for (const name of "sh env awk cksum uname dirname readlink cat mkdir touch flock sleep".split(" ")) {
  symlinkSync(execFileSync("sh", ["-c", `command -v ${name}`], { encoding: "utf8" }).trim(), join(bin, name));
}
symlinkSync(process.execPath, join(bin, "node"));
// LOCATION_REGION is exported in one block and used in later ones, as in one person's terminal.
const env = { PATH: bin, HOME: folder, LOCATION_REGION: "eu-central" };

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function shell(script: string): Promise<Ran> {
  return new Promise((done) => {
    execFile("sh", ["-e", "-c", script], { cwd: folder, env, maxBuffer: 2 ** 26 }, (error, out, err) =>
      done({ code: error === null ? 0 : Number(error.code ?? -1), out, err }),
    );
  });
}

/** A snapshot reaches the gateway within seconds; a prediction before that knows no endpoint. */
async function untilServed(script: string): Promise<Ran> {
  for (let attempt = 1; ; attempt++) {
    const ran = await shell(script);
    if (ran.code === 0 || attempt === 30) return ran;
    await delay(1000);
  }
}

afterAll(async () => {
  await shell("./portolan down");
  rmSync(folder, { recursive: true, force: true });
});

test("the toy model of the page is what it says: a logistic model of two inputs", () => {
  const toy = readFileSync(join(root, "examples/models/churn.onnx"));
  expect(Buffer.compare(toy, Buffer.from(logisticModel([-0.8, 1.6], -0.5)))).toBe(0);
});

test.skipIf(!hasEmbeddedPostgres())(
  "the commands of docs/getting-started.md run as they stand, on a machine without Python",
  async () => {
    expect(blocks.length).toBe(7);
    const said: string[] = [];
    for (const block of blocks) {
      // The default ports may be taken on a machine that runs tests; nothing else of the page is changed.
      const ports = `--port ${await freePort()} --gateway-port ${await freePort()}`;
      const script = block.replace("up --detach", `up --detach ${ports}`);
      const ran = await (block.includes(" predict ") ? untilServed(script) : shell(script));
      expect(ran.code, `${script}\n${ran.out}${ran.err}`).toBe(0);
      said.push(ran.out + ran.err);
    }
    expect(said[1]).toMatch(/control .* ready[^]*gateway .* ready/);
    expect(said[3]).toMatch(/needs signing[^]*still to sign: approver_compliance[^]*it is in force/);
    expect(said[4]).toMatch(/valid, signed by[^]*churn serves churn version 1 in dev/);
    expect(said[5]).toMatch(/"name": "score"[^]*on the record as prd_/);
    expect(said[6]).toMatch(/serving\.endpoint\.deployed[^]*verified: \d+ rows/);
  },
  600_000,
);
