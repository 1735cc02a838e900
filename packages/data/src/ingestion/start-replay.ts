import { asPlace, type CallContext, locate, ownerOf, PortolanError } from "@portolan/kernel";
import { requireContract } from "../contracts/require-contract.ts";
import { listDatasets } from "../datasets/dataset-store.ts";
import type { DataErrorCode } from "../errors.ts";
import type { IngestionView, SourceView } from "../resources.ts";
import { beginIngestion } from "./begin-ingestion.ts";
import type { StoredIngestion } from "./ingestion-store.ts";
import { ingestionPlace, readIngestion } from "./read-ingestion.ts";
import type { IngestionDeps } from "./start-ingestion.ts";

/**
 * Judges all rows of an ingestion again, those that it accepted and those that it kept out, under another version of its contract:
 * by default the newest. What comes of it is a dataset of the whole batch, or a refusal; the first one stays as it was.
 *
 * @throws PortolanError `data.ingestion_not_found`, `data.contract_not_found`, `data.nothing_to_replay`
 */
export async function startReplay(
  deps: IngestionDeps,
  call: CallContext,
  ingestionId: string,
  input: { readonly version?: string },
): Promise<IngestionView> {
  const organisationId = call.actor.organisationId;
  const first = await readIngestion(deps, call, ingestionId);
  const at = ingestionPlace(first);
  await deps.authorizer.require(call, "data:ingest", {
    type: "Contract",
    id: first.contract,
    organisationId,
    ...at,
  });
  const place = { ...at, ...(await locate(deps.places, organisationId, asPlace(first))) };
  const { environment } = place;
  await deps.residency.require(call, { environment, name: `dataset ${first.contract}`, ...ownerOf(place) });
  return deps.uow.write(call, async (tx) => {
    const contract = await requireContract(tx.sql, organisationId, place, first.contract, input.version);
    const [dataset] =
      first.datasetId === undefined
        ? []
        : await listDatasets(tx.sql, organisationId, { id: first.datasetId });
    return beginIngestion(tx, {
      contract,
      place,
      sources: sourcesOf(first, dataset?.object ?? first.withheld),
      // The batch came when it came: its age is judged as it was then.
      asOf: first.asOf ?? first.startedAt,
      replayOf: first.id,
    });
  });
}

function sourcesOf(first: StoredIngestion, accepted: string | undefined): SourceView[] {
  // A batch that was refused whole may pass under a contract that asks for less.
  const clean = first.state === "published" && first.counts?.quarantined === 0;
  if (first.quarantine === undefined || accepted === undefined || clean)
    throw new PortolanError<DataErrorCode>("data.nothing_to_replay", {
      detail: clean
        ? `${first.id} kept no row in quarantine`
        : `${first.id} has not split its batch (it is ${first.state})`,
      mend: "Ingest the corrected source instead.",
    });
  return [
    { object: accepted, format: "accepted" },
    { object: first.quarantine, format: "quarantine" },
  ];
}
