import { expect, test } from "vitest";
import { zipOf } from "./zip.ts";

test("an archive is read by its directory: names, sizes, modes and the bytes of each file", () => {
  const files = [
    { name: "a.txt", bytes: Buffer.from("hello") },
    { name: "empty", bytes: Buffer.alloc(0) },
    { name: "folder/b.bin", bytes: Buffer.from([0, 255, 1]) },
  ];
  const zip = zipOf(files);
  const end = zip.length - 22;
  expect(zip.readUInt32LE(end)).toBe(0x06054b50);
  expect(zip.readUInt16LE(end + 10)).toBe(files.length);
  let at = zip.readUInt32LE(end + 16);
  for (const { name, bytes } of files) {
    expect(zip.readUInt32LE(at)).toBe(0x02014b50);
    expect(zip.readUInt16LE(at + 10)).toBe(0); // stored
    expect([zip.readUInt32LE(at + 20), zip.readUInt32LE(at + 24)]).toEqual([bytes.length, bytes.length]);
    const nameLength = zip.readUInt16LE(at + 28);
    expect(zip.toString("ascii", at + 46, at + 46 + nameLength)).toBe(name);
    expect(zip.readUInt32LE(at + 38) >>> 16).toBe(0o100600);
    const local = zip.readUInt32LE(at + 42);
    const start = local + 30 + zip.readUInt16LE(local + 26);
    expect(zip.subarray(start, start + bytes.length)).toEqual(bytes);
    at += 46 + nameLength;
  }
  expect(at).toBe(end);
});

test("the checksum of a file is the one that readers compute, and same files are same bytes", () => {
  const files = [{ name: "a", bytes: Buffer.from("123456789") }];
  expect(zipOf(files).readUInt32LE(14)).toBe(0xcbf43926); // the check value of CRC-32
  expect(zipOf(files)).toEqual(zipOf(files));
});
