import { relative } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/**
 * Files that took 20 s or more in a run of CI on two cores, the slowest first: one that is as long as half a tier and begins last has all others wait
 * for it.
 */
export const slowFiles: readonly string[] = [
  "test/services/demo.test.ts",
  "test/product/templates.test.ts",
  "test/chaos/processes.test.ts",
  "test/product/static-stability.test.ts",
  "test/services/full-disk.test.ts",
  "packages/data/test/erasure.test.ts",
  "packages/capacity/test/openb.test.ts",
  "test/services/batch-scoring.test.ts",
  "test/product/ci-pipeline.test.ts",
  "test/product/edge-days.test.ts",
  "test/product/edge.test.ts",
  "test/services/kafka.test.ts",
  "test/product/performance.test.ts",
  "test/services/scoring-upstream.test.ts",
  "test/product/pipelines.test.ts",
  "test/chaos/capacity.test.ts",
  "test/chaos/data.test.ts",
  "test/product/feature-parity.test.ts",
  "test/product/text-features.test.ts",
  "test/services/chunk-upstream.test.ts",
  "test/chaos/ledger.test.ts",
  "packages/data/test/ingestion.test.ts",
  "packages/data/test/deidentify-nested.test.ts",
  "test/chaos/predictions.test.ts",
  "test/product/predictions.test.ts",
  "test/services/postgresql-source.test.ts",
  "test/product/releases.test.ts",
  "test/product/backup.test.ts",
  "packages/features/test/erasure.test.ts",
  "apps/control/test/ledger-classes.test.ts",
  "test/product/also-try.test.ts",
  "apps/cli/test/provenance.test.ts",
  "apps/control/test/release-gates.test.ts",
  "packages/features/test/early-parity.test.ts",
  "test/product/erasure.test.ts",
  "test/services/limits.test.ts",
  "packages/lmdb/test/early-faults.test.ts",
  "test/chaos/jobs.test.ts",
  "packages/features/test/early-faults.test.ts",
  "test/chaos/hostile-connections.test.ts",
  "apps/control/test/control.test.ts",
  "apps/gateway/test/versions.test.ts",
  "packages/features/test/training-set.test.ts",
  "apps/control/test/erasure-scored.test.ts",
  "apps/gateway/test/gateway.test.ts",
  "test/chaos/backup.test.ts",
  "test/product/retraining.test.ts",
  "packages/features/test/feature-log.test.ts",
  "packages/monitoring/test/alerts.test.ts",
  "apps/gateway/test/http2.test.ts",
  "test/services/online-store.test.ts",
  "packages/onnx/test/worker-threads.test.ts",
  "test/chaos/archive.test.ts",
  "apps/gateway/test/on-demand.test.ts",
  "apps/control/test/listeners.test.ts",
  "test/services/full-disk-data.test.ts",
  "test/services/scoring-order.test.ts",
  "apps/cli/test/model-compare.test.ts",
  "test/product/upstreams.test.ts",
  "packages/onnx/test/onnx-runtime.test.ts",
  "packages/features/test/early-events.test.ts",
  "test/product/gateways.test.ts",
  "test/product/getting-started.test.ts",
  "apps/control/test/lineage.test.ts",
  "packages/lmdb/test/online-writer.test.ts",
  "apps/gateway/test/snapshot-age.test.ts",
  "packages/training/test/training-run.test.ts",
  "apps/gateway/test/model-scaler.test.ts",
  "test/services/drift.test.ts",
  "apps/control/test/child-explainer.test.ts",
  "test/services/client-certificates.test.ts",
  "packages/database/test/pglite-folder.test.ts",
  "apps/control/test/team-work.test.ts",
];

/** Starts the slow files first, in their order; the others follow as vitest has them. */
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
  const ranks = new Map(slowFiles.map((path, index) => [path, index]));
  const rankOf = (file: T): number => ranks.get(pathOf(file).replaceAll("\\", "/")) ?? slowFiles.length;
  return files.toSorted((a, b) => rankOf(a) - rankOf(b));
}
