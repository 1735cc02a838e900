import { expect, test } from "vitest";
import { isLoopback, isPrivateTransport, requirePrivateTransport } from "./addresses.ts";

test.each(["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost", "LOCALHOST"])(
  "%s is this machine",
  (host) => expect(isLoopback(host)).toBe(true),
);

test.each([
  "",
  "0.0.0.0",
  "::",
  "127.example.org",
  "127.1",
  "localhost.example.org",
  "10.0.0.1",
  "1127.0.0.1",
])("%s is not this machine", (host) => expect(isLoopback(host)).toBe(false));

test.each([
  "https://control.example.org",
  "http://127.0.0.1:7400",
  "http://[::1]:7400/v1",
  "http://localhost",
])("a credential may go to %s", (url) => expect(isPrivateTransport(url)).toBe(true));

test.each([
  "http://control.example.org",
  "http://127.example.org",
  "http://localhost@example.org",
  "ftp://127.0.0.1",
  "127.0.0.1:7400",
  "",
])("a credential may not go to %s", (url) => {
  expect(isPrivateTransport(url)).toBe(false);
  expect(() => requirePrivateTransport(url, "X_URL")).toThrow(/X_URL/);
});

test("the refusal does not repeat a password that the address carries", () => {
  expect(() => requirePrivateTransport("http://user:hunter2@example.org/", "X_URL")).toThrow(
    expect.not.objectContaining({ message: expect.stringContaining("hunter2") }),
  );
  expect(() => requirePrivateTransport("http://user:hunter2@example.org/", "X_URL")).toThrow(/example\.org/);
});
