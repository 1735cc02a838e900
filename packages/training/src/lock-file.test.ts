import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isPortolanError } from "@portolan/kernel";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { normaliseLock, readLock } from "./lock-file.ts";

const hash = `--hash=sha256:${"0a".repeat(32)}`;

describe("a lock", () => {
  test("reaches pip as pinned, hashed packages a line, without comments and continuations", () => {
    const lock = `# made by hand
numpy==2.4.6 \\
    ${hash} \\
    ${hash}  # two wheels
uvicorn[standard,extra]==0.30.1+local.1 ; python_version < "3.13" and sys_platform != 'win32' ${hash}\r
`;
    expect(normaliseLock(lock)).toBe(
      `numpy==2.4.6 ${hash} ${hash}\n` +
        `uvicorn[standard,extra]==0.30.1+local.1 ; python_version < "3.13" and sys_platform != 'win32' ${hash}\n`,
    );
  });

  test("is read as packages with their versions, conditions and hashes, without extras", () => {
    const hex = "0a".repeat(32);
    const lock = `numpy==2.4.6 ${hash} ${hash}\nuvicorn[standard]==0.30.1 ; python_version < "3.13" ${hash}\n`;
    expect(readLock(lock)).toEqual([
      { name: "numpy", version: "2.4.6", hashes: [hex, hex] },
      { name: "uvicorn", version: "0.30.1", marker: `python_version < "3.13"`, hashes: [hex] },
    ]);
    expect(readLock("# nothing\n")).toEqual([]);
  });

  test("may name nothing: a trainer of the standard library alone", () => {
    expect(normaliseLock("# nothing is locked\n")).toBe("");
  });

  test("of the example is read whole, for every Python", () => {
    const folder = join(import.meta.dirname, "../../../examples/flight-delays/training");
    const locks = readdirSync(folder).filter((name) => name.endsWith(".lock"));
    expect(locks.length).toBe(5);
    for (const name of locks) {
      const text = readFileSync(join(folder, name), "utf8");
      const packages = text.split("\n").filter((line) => /^[a-z0-9].*==/i.test(line)).length;
      expect([name, normaliseLock(text).trim().split("\n").length]).toEqual([name, packages]);
    }
  });

  test.each([
    ["another file of the server", "-r ../../local-credential", 1],
    ["constraints", `numpy==1 ${hash}\n-c /etc/passwd`, 2],
    ["an index", `--index-url http://10.0.0.5/simple\nnumpy==1 ${hash}`, 1],
    ["an index behind a continuation", `numpy==1 ${hash} \\\n  --extra-index-url=http://10.0.0.5`, 1],
    ["a find-links page", `-f /keys\nnumpy==1 ${hash}`, 1],
    ["an editable project", "-e .", 1],
    ["a path", `./wheel.whl ${hash}`, 1],
    ["a file's address", `numpy @ file:///etc/passwd ${hash}`, 1],
    ["an unpinned package", `numpy>=1 ${hash}`, 1],
    ["a package without a hash", "numpy==1", 1],
    ["a weak hash", "numpy==1 --hash=md5:00", 1],
    ["an environment variable", `\${HOME}==1 ${hash}`, 1],
  ])("that names %s is refused with its line", (_, lock, line) => {
    try {
      normaliseLock(lock);
    } catch (error) {
      expect(isPortolanError(error) && [error.code, error.at?.line]).toEqual(["training.lock_invalid", line]);
      return;
    }
    expect.unreachable("it was taken");
  });

  test("whatever is taken holds no line that pip could read as anything but a pinned package", () => {
    const piece = fc.constantFrom(
      "numpy",
      "==",
      "1.0",
      hash,
      "\n",
      "\\\n",
      " ",
      ";",
      "-r x",
      "#",
      "'",
      "@",
      "/",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (parts) => {
        try {
          for (const line of normaliseLock(parts.join("")).split("\n").filter(Boolean))
            expect(line).toMatch(/^[\w.[\],-]+==\S+( ; [^\n]+)?( --hash=sha256:[0-9a-f]{64})+$/);
        } catch (error) {
          if (!isPortolanError(error)) throw error;
        }
      }),
      { numRuns: 2000 },
    );
  });
});
