import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { Agent, request as httpRequest, type RequestListener } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { listenAtSocket } from "../src/index.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-socket-test-"));
});
afterEach(() => void vi.unstubAllEnvs());
afterAll(() => rm(folder, { recursive: true, force: true }));

const ask = (socketPath: string, signal?: AbortSignal): Promise<string> =>
  new Promise((resolve, reject) => {
    const agent = new Agent();
    const asked = httpRequest({ socketPath, agent, path: "/", ...(signal ? { signal } : {}) }, (answer) => {
      let text = "";
      answer.on("data", (chunk: Buffer) => {
        text += chunk.toString("utf8");
      });
      answer.on("end", () => resolve(text));
    });
    asked.once("error", reject);
    asked.end();
  });

const hello: RequestListener = (_request, response) => void response.end("hello");

test("what a killed process left at the path is taken away, and in the end nothing is left", async () => {
  const path = join(folder, "left.sock");
  await writeFile(path, "");
  const listener = await listenAtSocket(path, hello, 4);
  expect(await ask(path)).toBe("hello");
  await listener.close();
  expect(await readdir(folder)).toEqual([]);
  await expect(ask(path)).rejects.toMatchObject({ code: "ENOENT" });
});

test("a path that is longer than the kernel takes is reached all the same", async () => {
  const name = "long".repeat(30);
  const deep = join(folder, name);
  await mkdir(deep);
  const path = join(deep, "it.sock");
  vi.stubEnv("TMPDIR", folder);
  const listener = await listenAtSocket(path, hello, 4);
  const home = process.cwd();
  process.chdir(deep);
  try {
    expect(await ask("it.sock")).toBe("hello");
  } finally {
    process.chdir(home);
  }
  await listener.close();
  expect(await readdir(deep)).toEqual([]);
  expect(await readdir(folder)).toEqual([name]);
});

test("behind a link that a killed process left its folder goes too, but nothing that is not ours", async () => {
  const temporary = join(folder, "temporary");
  vi.stubEnv("TMPDIR", temporary);
  const path = join(folder, "linked.sock");
  for (const name of ["portolan-left", "else"]) {
    await mkdir(join(temporary, name), { recursive: true });
    await writeFile(join(temporary, name, "socket"), "");
    await symlink(join(temporary, name, "socket"), path);
    const listener = await listenAtSocket(path, hello, 4);
    expect(await ask(path)).toBe("hello");
    await listener.close();
  }
  expect(await readdir(temporary)).toEqual(["else"]);
  await rm(temporary, { recursive: true });
});

test("so many answers are awaited at once and no more; whoever has gone holds up nobody", async () => {
  const path = join(folder, "turns.sock");
  let awaited = 0;
  let most = 0;
  const slow: RequestListener = (_request, response) => {
    awaited += 1;
    most = Math.max(most, awaited);
    // Before the listener hears of it, and starts the next one.
    response.prependOnceListener("close", () => (awaited -= 1));
    setTimeout(() => response.end("done"), 30);
  };
  const listener = await listenAtSocket(path, slow, 2);
  const gone = new AbortController();
  const first = [ask(path), ask(path)];
  await delay(10);
  const leaving = [ask(path, gone.signal), ask(path, gone.signal)].map((one) => one.catch(() => "left"));
  const last = [ask(path), ask(path), ask(path)];
  await delay(5);
  gone.abort();
  expect(await Promise.all([...first, ...last])).toEqual(Array.from({ length: 5 }, () => "done"));
  expect(await Promise.all(leaving)).toEqual(["left", "left"]);
  expect(most).toBe(2);
  await listener.close();
});
