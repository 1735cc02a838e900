import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { listPublishedDatasets } from "../../packages/data/src/datasets/read-datasets.ts";
import { receiveEvents, startIngestion } from "../../packages/data/src/index.ts";
import { dataFixture, flightsCsv, waitFor } from "../../packages/data/test/data-fixture.ts";
import { fill, mountSmallDisk, unmount } from "./small-disk.ts";

const disk = mountSmallDisk(96);
afterAll(() => unmount(disk));

describe.skipIf(disk === undefined)("a disk that is full while data comes in", () => {
  test("a batch fails in words and leaves nothing; events wait; once there is room both are published (D26)", async () => {
    const before = process.env["TMPDIR"];
    process.env["TMPDIR"] = disk ?? "";
    const f = await dataFixture();
    if (before === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = before;
    try {
      await f.publishFlights((text) => text.replace("value: 0.01", "value: 0.9"));
      const path = join(f.inbox, "flights.csv");
      writeFileSync(path, flightsCsv(20_000, 1).replaceAll("2001-01-1", "2001-01-0"));
      const filler = join(disk ?? "", "filler");
      const ingest = async () => {
        const sources = [{ path }];
        const { id } = await startIngestion(f.deps, f.call, {
          contract: "flights",
          environment: "dev",
          sources,
        });
        return f.settled(id);
      };
      for (const leave of [0, 256 * 1024]) {
        fill(filler, leave);
        const full = await ingest();
        expect(full.state, `with ${leave} bytes left: ${JSON.stringify(full.failures)}`).toBe("failed");
        expect(full.failures?.[0]).toMatch(
          /^(data\.analysis_too_large: .*disk of the work folder is full|objectstore\.no_space: no space left)/,
        );
        expect(await listPublishedDatasets(f.deps, f.call, {})).toEqual([]);
        rmSync(filler);
        expect(readdirSync(join(f.folder, "work"))).toEqual([]);
      }
      fill(filler);
      const body =
        '{"date": "2001-01-01 09:00:00", "delay": 1, "distance": 5, "origin": "BOS", "destination": "LAX"}';
      await receiveEvents(f.deps, f.call, "flights", { environment: "dev", body });
      // Longer than the window and its grace: the job has met the full disk.
      await new Promise((resolve) => setTimeout(resolve, 5000));
      rmSync(filler);
      expect(await ingest()).toMatchObject({ state: "published" });
      const published = await waitFor(
        () => listPublishedDatasets(f.deps, f.call, {}),
        (found) => found.some(({ rowCount }) => rowCount === 1),
      );
      expect(published).toHaveLength(2);
    } finally {
      await f.close();
    }
  }, 280_000);
});
