import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { DriftReports } from "@portolan/monitoring/contract";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCli } from "../src/program.ts";

const answer: DriftReports = { reports: [], truncated: true, coveredFrom: 1_772_000_000_000_000 };
const server = createServer((_request, response) => {
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(answer));
});
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-drift-page-"));
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
});
afterAll(async () => {
  server.close();
  await rm(folder, { recursive: true });
});

async function printed(...more: readonly string[]): Promise<string> {
  const texts: string[] = [];
  const stream = { write: (text: string) => texts.push(text) };
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const env = { PORTOLAN_URL: url, PORTOLAN_TOKEN: "t" };
  const root = resolve(import.meta.dirname, "../../..");
  const run = { environment: { cwd: folder, env, root }, streams: { out: stream, err: stream } };
  expect(await runCli(["drift", "report", "flights", "--html", "page.html", ...more], run)).toBe(0);
  return texts.join("");
}

test("whoever writes a page of a report that is cut is told so, on the page and beside it", async () => {
  const note =
    "Older windows are not in this report, which begins at 2026-02-25T06:13:20Z; ask for them with --to 2026-02-25T06:13:19.999999Z";
  const file = join(folder, "page.html");
  expect(await printed()).toBe(`Report written to ${file}\n${note}\n`);
  expect(await readFile(file, "utf8")).toContain(note);
  expect(JSON.parse(await printed("--json"))).toEqual({
    file,
    reports: 0,
    truncated: true,
    coveredFrom: answer.coveredFrom,
  });
});
