import type { Tell } from "./tell.ts";
import {
  tellContract,
  tellDataset,
  tellIngestionEnd,
  tellIngestionStart,
  tellSubscription,
} from "./tell-data.ts";
import { tellLogSegment } from "./tell-feature-log.ts";
import { tellMaterialization, tellTrainingSet, tellView } from "./tell-features.ts";
import { tellDeployment, tellModelVersion, tellScoring, tellTrainingRun } from "./tell-models.ts";
import { tellPromotion, tellRelease } from "./tell-releases.ts";

/** Which rows of the ledger are told, and how: a kind of thing that is not here is not in the lineage. */
export const toldEvents: Readonly<Record<string, Tell>> = {
  "data.contract.published": tellContract,
  "data.subscription.started": tellSubscription,
  "data.ingestion.started": tellIngestionStart,
  "data.ingestion.replayed": tellIngestionStart,
  "data.ingestion.reused": tellDataset,
  "data.dataset.published": tellDataset,
  "data.ingestion.refused": tellIngestionEnd,
  "data.ingestion.failed": tellIngestionEnd,
  "data.ingestion.cancelled": tellIngestionEnd,
  "features.view.published": tellView,
  "features.log.appended": tellLogSegment,
  "features.training_set.started": tellTrainingSet,
  "features.training_set.published": tellTrainingSet,
  "features.training_set.failed": tellTrainingSet,
  "features.training_set.cancelled": tellTrainingSet,
  "features.materialization.started": tellMaterialization,
  "features.view.materialized": tellMaterialization,
  "features.materialization.failed": tellMaterialization,
  "features.materialization.cancelled": tellMaterialization,
  "features.materialization.superseded": tellMaterialization,
  "training.run.started": tellTrainingRun,
  "training.run.succeeded": tellTrainingRun,
  "training.run.failed": tellTrainingRun,
  "training.run.cancelled": tellTrainingRun,
  "registry.version.created": tellModelVersion,
  "registry.version.promoted": tellPromotion,
  "rollout.release.started": tellRelease,
  "rollout.release.promoted": tellRelease,
  "rollout.release.rolled_back": tellRelease,
  "rollout.release.ended_inconclusive": tellRelease,
  "rollout.release.superseded": tellRelease,
  "serving.endpoint.deployed": tellDeployment,
  "scoring.run.started": tellScoring,
  "scoring.snapshot.published": tellScoring,
  "scoring.run.failed": tellScoring,
  "scoring.run.cancelled": tellScoring,
};
