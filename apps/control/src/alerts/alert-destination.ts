import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { environments, PortolanError, Secret } from "@portolan/kernel";
import type { Alert } from "@portolan/monitoring/contract";
import { type AlertFormat, alertFormats } from "@portolan/monitoring/policy";
import { Compile, type Static, Type } from "@portolan/typebox";

const Shape = Type.Object(
  {
    /** Its id. */
    organisation: Type.String({ minLength: 1, maxLength: 64 }),
    /** Ids; absent: all of the organisation's. */
    useCases: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 64 }), { maxItems: 1000 })),
    /** Absent: all. */
    environments: Type.Optional(Type.Array(Type.Enum([...environments]))),
    format: Type.Enum([...alertFormats]),
    /** Of an Alertmanager its root; of PagerDuty absent where it is PagerDuty's own. */
    url: Type.Optional(Type.String({ pattern: "^https?://", maxLength: 2000 })),
    /** PagerDuty's integration key. */
    routingKey: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
    /** Signs webhooks: `whsec_` and the base64 of 24 to 64 bytes. */
    secret: Type.Optional(Type.String({ maxLength: 200 })),
    /** Sent with each request, e.g. an authorization. */
    headers: Type.Optional(
      Type.Record(
        Type.String({ pattern: "^[A-Za-z0-9-]{1,64}$" }),
        Type.String({ pattern: "^[\\x20-\\x7e]{1,4096}$" }),
      ),
    ),
  },
  { additionalProperties: false },
);
const File = Compile(Shape);

const pagerDutyUrl = "https://events.pagerduty.com/v2/enqueue";

/** A receiver of alerts, with its credentials in memory. */
export interface AlertDestination {
  readonly format: AlertFormat;
  readonly url: Secret;
  readonly routingKey?: Secret;
  readonly secret?: Secret;
  readonly headers: Readonly<Record<string, Secret>>;
}

/**
 * Reads `<folder>/<name>.json`. Whoever may route alerts chooses a name, and must neither reach another organisation's receiver nor learn of
 * it: the refusal is the same whether there is no such file or it is another's.
 *
 * @throws PortolanError `monitoring.alert_undeliverable`; its cause says why, for the operator's log
 */
export async function readDestination(
  folder: string | undefined,
  name: string,
  use: { readonly organisationId: string; readonly alert: Pick<Alert, "environment" | "useCaseId"> },
): Promise<AlertDestination> {
  const file =
    folder === undefined || !/^[a-z][a-z0-9-]{0,62}$/.test(name)
      ? undefined
      : await read(join(folder, `${name}.json`));
  if (!file) throw unusable(name, "there is no such file in ALERT_DESTINATIONS, or it is malformed");
  const mismatch = mismatchOf(file, use);
  if (mismatch !== undefined) throw unusable(name, mismatch);
  const url = file.url ?? (file.format === "pagerduty" ? pagerDutyUrl : undefined);
  if (url === undefined) throw unusable(name, "it has no url");
  if (file.format === "pagerduty" && file.routingKey === undefined)
    throw unusable(name, "it has no routingKey");
  return {
    format: file.format,
    url: new Secret(url),
    ...(file.routingKey === undefined ? {} : { routingKey: new Secret(file.routingKey) }),
    ...(file.secret === undefined ? {} : { secret: new Secret(file.secret) }),
    headers: Object.fromEntries(
      Object.entries(file.headers ?? {}).map(([header, value]) => [header.toLowerCase(), new Secret(value)]),
    ),
  };
}

function mismatchOf(
  { organisation, useCases, environments: allowed }: Static<typeof Shape>,
  {
    organisationId,
    alert,
  }: { readonly organisationId: string; readonly alert: Pick<Alert, "environment" | "useCaseId"> },
): string | undefined {
  if (organisation !== organisationId) return `it is not for the organisation ${organisationId}`;
  if (useCases && !useCases.includes(alert.useCaseId ?? ""))
    return `it is not for the use case ${alert.useCaseId ?? "of this alert"}`;
  return allowed && !allowed.includes(alert.environment) ? `it is not for ${alert.environment}` : undefined;
}

async function read(path: string): Promise<Static<typeof Shape> | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(path, "utf8"));
    return File.Check(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function unusable(name: string, why: string): PortolanError {
  return new PortolanError("monitoring.alert_undeliverable", {
    detail: `the destination ${name} cannot be used for this alert`,
    mend: "Have the operator see docs/alerts.md: its file states format, url, organisation, use cases and environments.",
    cause: new Error(why),
  });
}
