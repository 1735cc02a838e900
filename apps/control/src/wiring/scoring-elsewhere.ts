import { PortolanError } from "@portolan/kernel";
import type { ScoringErrorCode, ScoringTarget, UpstreamTerms } from "@portolan/scoring";
import type { ModelReference } from "@portolan/serving/contract";

/** Where a version runs whose rows another server scores, and within what that server is asked; nothing where it runs here. */
export function scoredElsewhere(
  { name, version, upstream }: Pick<ModelReference, "name" | "version" | "upstream">,
  bounds: Omit<UpstreamTerms, "region" | "owner">,
): Pick<ScoringTarget, "upstream"> {
  if (!upstream) return {};
  const { protocol, region, owner } = upstream;
  // A question and an answer are no row of a table, and tokens are metered where callers are: at the gateway.
  if (protocol === "openai")
    throw new PortolanError<ScoringErrorCode>("scoring.target_unknown", {
      detail: `${name}/${version} answers text, and batches score rows of tensors`,
      mend: "Ask it through a gateway, or evaluate it by a set of cases: portolan model evaluate --evaluation-set.",
    });
  return { upstream: { region, owner, ...bounds } };
}
