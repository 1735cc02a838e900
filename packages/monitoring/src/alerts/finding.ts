import type { Alert } from "./alert-schema.ts";

/** What was found of one thing that may be wrong. */
export interface Finding
  extends Pick<
    Alert,
    | "key"
    | "kind"
    | "environment"
    | "useCaseId"
    | "endpoint"
    | "variant"
    | "model"
    | "version"
    | "summary"
    | "evidence"
  > {
  /** `firing` opens an alert, `recovered` resolves it; `unclear` leaves things as they are. */
  readonly condition: "firing" | "recovered" | "unclear";
}

/** The key of an alert: the same for the same thing. */
export function alertKey(
  of: Pick<Finding, "kind" | "environment" | "useCaseId" | "endpoint" | "variant" | "model" | "version">,
  what: string,
): string {
  const { kind, environment, useCaseId, endpoint, variant, model, version } = of;
  return [kind, environment, useCaseId ?? "-", endpoint, variant, model, version, what]
    .map(encodeURIComponent)
    .join("/");
}
