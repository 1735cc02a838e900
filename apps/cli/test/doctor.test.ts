import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { runDoctor } from "../src/doctor/doctor.ts";

const folder = mkdtempSync(join(tmpdir(), "portolan-doctor-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function listening(): Promise<{ readonly port: number; close(): void }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { port: address.port, close: () => server.close() };
}

test("this machine can run Portolan, and the doctor leaves nothing but the state folder", async () => {
  const report = await runDoctor({ home: join(folder, "state"), databaseUrl: false, ports: [] });
  expect(report.findings.filter(({ status }) => status === "bad")).toEqual([]);
  expect(report.findings.map(({ check }) => check)).toContain("postgres");
});

test("a port in use is found, the same port is free afterwards", async () => {
  const server = await listening();
  const ask = () => runDoctor({ home: folder, databaseUrl: false, ports: [server.port] });
  expect((await ask()).healthy).toBe(false);
  server.close();
  expect((await ask()).findings.find(({ check }) => check.startsWith("port"))?.status).toBe("good");
});

test("a state folder that cannot be is found", async () => {
  const file = join(folder, "state-is-a-file");
  writeFileSync(file, "");
  const report = await runDoctor({ home: join(file, "below"), databaseUrl: false, ports: [] });
  expect(report.findings.find(({ check }) => check === "folder")).toMatchObject({ status: "bad" });
});
