import { expect, test } from "vitest";
import { sunsetHeaders } from "./standing-headers.ts";

test("an announced end is told as the standards write it", () => {
  // The examples of RFC 9745 (@1688169599) and RFC 8594.
  const announcedAt = 1_688_169_599_000_000;
  const endsAt = Date.UTC(2018, 11, 31, 23, 59, 59) * 1000;
  expect(sunsetHeaders({ announcedAt, endsAt, successor: "https://models.example/2" })).toEqual({
    deprecation: "@1688169599",
    sunset: "Mon, 31 Dec 2018 23:59:59 GMT",
    link: '<https://models.example/2>; rel="successor-version"',
  });
  expect(sunsetHeaders({ announcedAt, endsAt })).not.toHaveProperty("link");
});
