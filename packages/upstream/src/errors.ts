import { type ErrorSpec, PortolanError } from "@portolan/kernel";

export const upstreamErrors = {
  "upstream.address_refused": { status: 422, title: "Upstream address is not allowed" },
  "upstream.credential_unusable": { status: 422, title: "Upstream credential cannot be used" },
  "upstream.unreachable": { status: 502, title: "Upstream does not answer" },
  "upstream.model_unfit": { status: 422, title: "Upstream does not serve this model" },
} as const satisfies Record<string, ErrorSpec>;
export type UpstreamErrorCode = keyof typeof upstreamErrors;

export function upstreamFault(
  code: UpstreamErrorCode,
  detail: string,
  mend: string,
  cause?: unknown,
): PortolanError<UpstreamErrorCode> {
  return new PortolanError<UpstreamErrorCode>(code, {
    detail,
    mend,
    ...(cause === undefined ? {} : { cause }),
  });
}
