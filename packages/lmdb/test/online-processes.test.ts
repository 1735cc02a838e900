import { describe } from "vitest";
import { processesSuite } from "../../features/test/online-store/processes-suite.ts";
import { openWorld } from "./lmdb-world.ts";

describe("LMDB keeps the contract of the online store between processes", () => {
  processesSuite(openWorld);
});
