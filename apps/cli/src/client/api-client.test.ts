import { expect, test } from "vitest";
import { ApiClient } from "./api-client.ts";

test("the CLI speaks plain http to this machine alone: requests carry tokens and secrets", () => {
  for (const url of ["http://portolan.example.org", "http://127.example.org", "not an address"])
    expect(() => new ApiClient({ url, token: "t" })).toThrow(/the server's address/);
  for (const url of ["https://portolan.example.org", "http://127.0.0.1:7400", "http://localhost:7400"])
    expect(new ApiClient({ url, token: "t" }).url).toBe(url);
});
