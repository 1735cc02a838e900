import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ApiClient } from "../src/client/api-client.ts";

let server: Server;
let folder: string;
let api: ApiClient;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-download-"));
  server = createServer((request, response) => {
    if (request.url === "/none") response.writeHead(404).end("{}");
    else response.writeHead(200).write("first half, ");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  api = new ApiClient({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, token: "t" });
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true, force: true });
});

test("a second download to the same file leaves the first one's part alone, which comes whole", async () => {
  const file = join(folder, "rows.parquet");
  const asked = once(server, "request");
  const first = api.download({ path: "/rows" }, file);
  const [, response] = (await asked) as [unknown, ServerResponse];
  await expect(api.download({ path: "/rows" }, file)).rejects.toMatchObject({ code: "cli.bad_file" });
  response.end("second half");
  expect(await first).toBe(23);
  expect(await readFile(file, "utf8")).toBe("first half, second half");
  expect(await readdir(folder)).toEqual(["rows.parquet"]);
});

test("a download that is refused or breaks off leaves no part, and the file as it was", async () => {
  const file = join(folder, "rows.parquet");
  await writeFile(file, "before");
  await expect(api.download({ path: "/none" }, file)).rejects.toMatchObject({
    code: "cli.unexpected_answer",
  });
  const asked = once(server, "request");
  const broken = expect(api.download({ path: "/rows" }, file)).rejects.toThrow();
  const [, response] = (await asked) as [unknown, ServerResponse];
  response.destroy();
  await broken;
  expect(await readFile(file, "utf8")).toBe("before");
  expect(await readdir(folder)).toEqual(["rows.parquet"]);
});
