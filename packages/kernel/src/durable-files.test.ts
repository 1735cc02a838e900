import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  isMissingFile,
  readIfThere,
  writeFileDurablySync,
  writeFilesDurably,
  writeSynced,
} from "./durable-files.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "portolan-kernel-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const text = (path: string): string => readFileSync(path, "utf8");

test("files are made with their folders and modes, replaced whole, and nothing else is left", async () => {
  const path = join(folder, "a/b/file");
  for (const content of ["first", "second, longer"]) {
    await writeFilesDurably([{ path, bytes: Buffer.from(content) }], { file: 0o600, folder: 0o700 });
    expect(text(path)).toBe(content);
  }
  writeFileDurablySync(path, Buffer.from("third"), 0o600);
  expect(text(path)).toBe("third");
  expect(readdirSync(join(folder, "a/b"))).toEqual(["file"]);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(join(folder, "a")).mode & 0o777).toBe(0o700);
});

test("a new file is not written over an old one", async () => {
  const path = join(folder, "new");
  await writeSynced(path, "wx", 0o600, (file) => file.writeFile("mine"));
  await expect(writeSynced(path, "wx", 0o600, (file) => file.writeFile("theirs"))).rejects.toThrow(/EEXIST/);
  expect(text(path)).toBe("mine");
});

test("a missing file is an answer, any other fault is one", async () => {
  expect(await readIfThere(join(folder, "none"))).toBeUndefined();
  expect(await readIfThere(join(folder, "new/below-a-file"))).toBeUndefined();
  const fault = await readIfThere(folder).catch((error: unknown) => error);
  expect(fault).toBeInstanceOf(Error);
  expect(isMissingFile(fault)).toBe(false);
});
