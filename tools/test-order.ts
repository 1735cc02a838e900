import { relative } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/**
 * Seconds that the slow files took in a run of CI on two cores. Only their order counts: a file that is as long as half a tier and begins last
 * keeps one core waiting for it. What takes less than 20 s is not named.
 */
export const slowFiles: Readonly<Record<string, number>> = {
  "test/services/demo.test.ts": 411,
  "test/services/offline-bundle.test.ts": 330,
  "test/chaos/processes.test.ts": 205,
  "test/product/static-stability.test.ts": 202,
  "test/services/full-disk.test.ts": 143,
  "packages/data/test/erasure.test.ts": 142,
  "test/services/batch-scoring.test.ts": 125,
  "test/product/ci-pipeline.test.ts": 118,
  "test/product/edge.test.ts": 104,
  "test/services/kafka.test.ts": 102,
  "test/product/performance.test.ts": 101,
  "test/services/scoring-upstream.test.ts": 94,
  "test/product/pipelines.test.ts": 90,
  "test/chaos/data.test.ts": 85,
  "test/product/feature-parity.test.ts": 84,
  "test/services/chunk-upstream.test.ts": 78,
  "test/chaos/ledger.test.ts": 76,
  "packages/data/test/ingestion.test.ts": 65,
  "test/chaos/predictions.test.ts": 60,
  "test/product/predictions.test.ts": 60,
  "test/services/postgresql-source.test.ts": 58,
  "test/product/releases.test.ts": 57,
  "test/product/backup.test.ts": 56,
  "packages/features/test/erasure.test.ts": 54,
  "apps/control/test/ledger-classes.test.ts": 53,
  "test/product/also-try.test.ts": 51,
  "apps/cli/test/provenance.test.ts": 51,
  "apps/control/test/release-gates.test.ts": 49,
  "packages/features/test/early-parity.test.ts": 43,
  "test/product/erasure.test.ts": 43,
  "test/services/limits.test.ts": 42,
  "packages/lmdb/test/early-faults.test.ts": 42,
  "test/chaos/jobs.test.ts": 41,
  "packages/features/test/early-faults.test.ts": 40,
  "test/chaos/hostile-connections.test.ts": 39,
  "apps/control/test/control.test.ts": 36,
  "apps/gateway/test/versions.test.ts": 36,
  "packages/features/test/training-set.test.ts": 35,
  "apps/control/test/erasure-scored.test.ts": 35,
  "apps/gateway/test/gateway.test.ts": 34,
  "test/chaos/backup.test.ts": 34,
  "test/product/retraining.test.ts": 34,
  "packages/features/test/feature-log.test.ts": 33,
  "packages/monitoring/test/alerts.test.ts": 33,
  "apps/gateway/test/http2.test.ts": 33,
  "test/services/online-store.test.ts": 32,
  "packages/onnx/test/worker-threads.test.ts": 31,
  "test/chaos/archive.test.ts": 31,
  "apps/gateway/test/on-demand.test.ts": 30,
  "apps/control/test/listeners.test.ts": 30,
  "test/services/full-disk-data.test.ts": 29,
  "test/services/scoring-order.test.ts": 29,
  "apps/cli/test/model-compare.test.ts": 28,
  "test/product/upstreams.test.ts": 27,
  "packages/onnx/test/onnx-runtime.test.ts": 27,
  "packages/features/test/early-events.test.ts": 27,
  "test/product/gateways.test.ts": 27,
  "test/product/getting-started.test.ts": 25,
  "apps/control/test/lineage.test.ts": 25,
  "packages/lmdb/test/online-writer.test.ts": 24,
  "apps/gateway/test/snapshot-age.test.ts": 23,
  "packages/training/test/training-run.test.ts": 22,
  "apps/gateway/test/model-scaler.test.ts": 22,
  "test/services/drift.test.ts": 22,
  "apps/control/test/child-explainer.test.ts": 21,
  "test/services/client-certificates.test.ts": 21,
  "packages/database/test/pglite-folder.test.ts": 21,
  "apps/control/test/team-work.test.ts": 20,
};

/** Starts the slow files first, the slowest before all; the others follow as vitest has them. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const root = this.ctx.config.root;
    const ofProject = Map.groupBy(await super.sort(files), ({ project }) => project.name);
    return [...ofProject.values()].flatMap((specs) =>
      longestFirst(specs, ({ moduleId }) => relative(root, moduleId)),
    );
  }
}

/** @param pathOf from the repository's root, as `slowFiles` has it */
export function longestFirst<T>(files: readonly T[], pathOf: (file: T) => string): T[] {
  const secondsOf = (file: T): number => slowFiles[pathOf(file).replaceAll("\\", "/")] ?? 0;
  return files.toSorted((a, b) => secondsOf(b) - secondsOf(a));
}
