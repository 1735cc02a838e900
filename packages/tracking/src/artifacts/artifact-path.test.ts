import { expect, test } from "vitest";
import { checkedPath, parseArtifactAddress } from "./artifact-path.ts";
import { entriesBelow } from "./artifacts.ts";

test("an address names a file of a run or of a logged model", () => {
  expect(parseArtifactAddress("uc_1-dev/crn_1/artifacts/model/MLmodel")).toEqual({
    experimentId: "uc_1-dev",
    owner: { kind: "run", id: "crn_1" },
    path: "model/MLmodel",
  });
  expect(parseArtifactAddress("uc_1-dev/models/m-1/artifacts")).toEqual({
    experimentId: "uc_1-dev",
    owner: { kind: "model", id: "m-1" },
    path: "",
  });
});

test("a path that leaves its root, or that another reader would take for one, is refused", () => {
  const odd = [
    "../a",
    "a/../../b",
    "a/./b",
    "a//b",
    "/etc/passwd",
    "C:/windows",
    "a\u0000b",
    "a\nb",
    "a%00b",
    "a%2e%2e/b",
    "a#b",
    "a?b",
    "a\\b",
    "a/",
    "x".repeat(256),
    Array.from({ length: 501 }, () => "a").join("/"),
  ];
  for (const path of odd) expect(() => checkedPath(path), path).toThrow("no path of an artifact");
  for (const text of ["", "a", "a/b", "a/b/c", "a/models/artifacts", "a/b/files/c"])
    expect(() => parseArtifactAddress(text), text).toThrow("no path of an artifact");
  for (const path of ["höhe 1 & 2/plot (3).png", "100%.txt", ".hidden", "a..b"])
    expect(checkedPath(path)).toBe(path);
});

test("a folder lists what lies directly in it", () => {
  const files = ["a/b/1", "a/b/2", "a/c", "a"].map((path) => ({ path, sizeBytes: 1 }));
  expect(entriesBelow("a", files)).toEqual([
    { name: "b", isFolder: true },
    { name: "c", isFolder: false, sizeBytes: 1 },
  ]);
  expect(entriesBelow("", files.slice(0, 3))).toEqual([{ name: "a", isFolder: true }]);
});
