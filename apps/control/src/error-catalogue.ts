import { adviceErrors } from "@portolan/advice";
import { capacityErrors } from "@portolan/capacity";
import { charterErrors } from "@portolan/charter";
import { dataErrors } from "@portolan/data";
import { databaseErrors } from "@portolan/database";
import { evaluationErrors } from "@portolan/evaluation";
import { featureErrors } from "@portolan/features";
import { identityErrors } from "@portolan/identity";
import { kernelErrors } from "@portolan/kernel";
import { ledgerErrors } from "@portolan/ledger";
import { lineageErrors } from "@portolan/lineage";
import { meteringErrors } from "@portolan/metering";
import { monitoringErrors } from "@portolan/monitoring";
import { objectstoreErrors } from "@portolan/objectstore";
import { onnxFormatErrors } from "@portolan/onnx-format";
import { oversightErrors } from "@portolan/oversight";
import { pipelineErrors } from "@portolan/pipelines";
import { plannerErrors } from "@portolan/planner";
import { predictionsErrors } from "@portolan/predictions";
import { registryErrors } from "@portolan/registry";
import { retrainingErrors } from "@portolan/retraining";
import { rolloutErrors } from "@portolan/rollout";
import { scoringErrors } from "@portolan/scoring";
import { servingErrors } from "@portolan/serving";
import { trackingErrors } from "@portolan/tracking";
import { trainingErrors } from "@portolan/training";
import { upstreamErrors } from "@portolan/upstream";

/** Every error code of the product and its HTTP status. */
export const errorCatalogue = {
  ...kernelErrors,
  ...identityErrors,
  ...ledgerErrors,
  ...capacityErrors,
  ...charterErrors,
  ...plannerErrors,
  ...adviceErrors,
  ...databaseErrors,
  ...dataErrors,
  ...evaluationErrors,
  ...featureErrors,
  ...trackingErrors,
  ...trainingErrors,
  ...objectstoreErrors,
  ...lineageErrors,
  ...meteringErrors,
  ...monitoringErrors,
  ...onnxFormatErrors,
  ...pipelineErrors,
  ...predictionsErrors,
  ...registryErrors,
  ...retrainingErrors,
  ...rolloutErrors,
  ...oversightErrors,
  ...scoringErrors,
  ...upstreamErrors,
  ...servingErrors,
};
