import { describe, expect, test } from "vitest";
import {
  judgeDisk,
  judgeFolder,
  judgeIsolation,
  judgeNode,
  judgeOnnxRuntime,
  judgePort,
  judgePostgres,
  judgePython,
  judgeUser,
} from "./judge-machine.ts";
import { bad, good, reportOf, warning } from "./report.ts";

const complete = { command: "python3", version: "3.11.9", hasVenv: true, hasEnsurepip: true };

test.each([
  ["24.12.0", "good"],
  ["26.1.0", "good"],
  ["24.11.1", "bad"],
  ["20.20.2", "bad"],
])("Node %s is %s", (version, status) => {
  expect(judgeNode(version).status).toBe(status);
});

test("a machine that does not isolate trainers works, and says what that means", () => {
  const isolation = { ownAccount: false, networkBlocked: true };
  expect(judgeIsolation({ ...isolation, level: "namespaces" }).status).toBe("good");
  expect(judgeIsolation({ ...isolation, level: "none" })).toMatchObject({
    status: "warning",
    detail: expect.stringContaining("could read its keys"),
    mend: expect.stringContaining("user namespaces"),
  });
  expect(judgeIsolation({ ownAccount: true, level: "account", networkBlocked: false }).status).toBe(
    "warning",
  );
});

describe("Python", () => {
  test("the first complete interpreter in the locked range is taken", () => {
    const old = { ...complete, command: "python3", version: "3.9.2" };
    const newer = { ...complete, command: "python3.12", version: "3.12.1" };
    expect(judgePython([old, newer])).toEqual(
      good("python", "Python 3.12.1 (python3.12) with venv and ensurepip"),
    );
  });

  test("none at all limits Portolan and does not stop it", () => {
    expect(judgePython([])).toMatchObject({
      status: "warning",
      mend: expect.stringContaining("3.10 to 3.14"),
    });
  });

  test("one without ensurepip names the Debian package that mends it", () => {
    const finding = judgePython([{ ...complete, hasEnsurepip: false }]);
    expect(finding).toMatchObject({ status: "warning", mend: expect.stringContaining("python3.11-venv") });
  });

  test("one beyond the locked range is not taken", () => {
    expect(judgePython([{ ...complete, version: "3.15.0" }]).status).toBe("warning");
    expect(judgePython([{ ...complete, version: "2.7.18" }]).status).toBe("warning");
  });
});

test("what stops Portolan is bad, and each such finding says what to do", () => {
  const findings = [
    judgePort(7400, true),
    judgeFolder("state", "EROFS: read-only file system"),
    judgeDisk(1024 ** 3),
    judgeUser(0, undefined),
    judgeUser(54321, undefined),
    judgeOnnxRuntime("Cannot find module", "darwin-x64"),
  ];
  for (const finding of findings) expect(finding).toMatchObject({ status: "bad", mend: expect.any(String) });
});

test("a platform without PostgreSQL binaries is limited, unless a server is named", () => {
  expect(judgePostgres(false, "win32-x64", false).status).toBe("warning");
  expect(judgePostgres(false, "win32-x64", true).status).toBe("good");
});

test("warnings leave a machine healthy, one bad finding does not", () => {
  expect(reportOf([good("a", ""), warning("b", "", "")]).healthy).toBe(true);
  expect(reportOf([good("a", ""), bad("b", "", "")]).healthy).toBe(false);
});
