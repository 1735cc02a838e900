import { secretText } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";

/** Settings of the control process; generates its part of docs/configuration.md. */
export const ControlConfig = Type.Object({
  PORTOLAN_HOME: Type.String({
    minLength: 1,
    description: "State folder: objects, ledger tiles, keys, accepted predictions",
  }),
  DATABASE_URL: Type.Optional(
    Type.String({
      description:
        "PostgreSQL 15 or newer, as a URL; unset: PGlite in the state folder (portolan up sets it)",
    }),
  ),
  CONTROL_HOST: Type.String({
    default: "127.0.0.1",
    description: "Address the API listens on; anything but loopback needs TLS",
  }),
  CONTROL_PORT: Type.Integer({
    minimum: 1,
    maximum: 65535,
    default: 7400,
    description: "TCP port the API listens on",
  }),
  METRICS_HOST: Type.String({
    default: "127.0.0.1",
    description: "Address of the metrics listener; anything but loopback needs TLS and METRICS_TOKEN",
  }),
  METRICS_PORT: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 65535,
      description:
        "TCP port of a listener for /metrics alone, 0 takes a free one; unset: /metrics is on the main listener if that is loopback, else nowhere",
    }),
  ),
  METRICS_TOKEN: Type.Optional(secretText("What a scraper sends as its bearer token")),
  TLS_CERT_FILE: Type.Optional(
    Type.String({ description: "PEM certificate chain; required on a non-loopback address" }),
  ),
  TLS_KEY_FILE: Type.Optional(Type.String({ description: "PEM private key of the certificate" })),
  DEV_ISSUER: Type.Boolean({
    default: false,
    description: "Issue development tokens to holders of the bootstrap secret (portolan up turns it on)",
  }),
  PORTOLAN_BOOTSTRAP_SECRET: Type.Optional(
    secretText("One-time secret for the first organisation; unset: one is written to the state folder"),
  ),
  OIDC_ALLOWED_HOSTS: Type.Optional(
    Type.String({
      description:
        "Hosts, addresses and networks inside that keys of token issuers may be fetched from, separated by commas; all others inside are refused",
    }),
  ),
  UPSTREAM_ALLOWED_HOSTS: Type.Optional(
    Type.String({
      description:
        "Hosts, addresses and networks inside where other servers may run models, separated by commas; http://host allows plain http; all others inside are refused",
    }),
  ),
  UPSTREAM_CREDENTIALS: Type.Optional(
    Type.String({
      description:
        "Folder of credentials for such servers, one file <name>.json each, bound to one origin and organisation; read again while running",
    }),
  ),
  EVENT_WINDOW_SECONDS: Type.Integer({
    minimum: 1,
    maximum: 86_400,
    default: 300,
    description: "Events posted under a data contract become a batch once so long a window is over, seconds",
  }),
  DATA_CONNECTIONS: Type.Optional(
    Type.String({
      description:
        "Folder of systems that data may be read from, one file <name>.json each: Kafka clusters with their topics, PostgreSQL databases with their tables; read again while running (docs/data-sources.md)",
    }),
  ),
  PRICES_FILE: Type.Optional(
    Type.String({
      description:
        "File of your own prices, which win over the shipped ones wherever control prices something: plans, budgets, advice, batches, retraining; read at the start (docs/prices-and-placement.md)",
    }),
  ),
  ALERT_DESTINATIONS: Type.Optional(
    Type.String({
      description:
        "Folder of receivers that alerts may be sent to, one file <name>.json each: webhooks, Alertmanager, PagerDuty, Slack; read again while running (docs/alerts.md)",
    }),
  ),
  FEATURES_REDIS_URL: Type.Optional(
    secretText(
      "Redis or Valkey that holds the online features, `redis://` or `rediss://`; unset: LMDB in the state folder",
    ),
  ),
  FEATURES_REDIS_CA_FILE: Type.Optional(
    Type.String({ description: "PEM of the authority that signed its certificate; unset: the system's" }),
  ),
  NOTICE_ALLOWED_HOSTS: Type.Optional(
    Type.String({
      description:
        "Hosts, addresses and networks inside that notices to owners of data contracts may be posted to, separated by commas; http://host allows plain http; all others inside are refused",
    }),
  ),
  NOTICE_SECRET: Type.Optional(
    secretText(
      "Signs notices to owners of data contracts (Standard Webhooks: whsec_ and the base64 of 24 to 64 bytes); unset: unsigned",
    ),
  ),
  SOURCE_FOLDERS: Type.Optional(
    Type.String({
      description:
        "Folders that ingestion may read on this host, besides inbox/ in the state folder; separated like PATH",
    }),
  ),
  TRAINING_NOTICE_SECONDS: Type.Integer({
    minimum: 1,
    maximum: 3_600,
    default: 120,
    description: "What a trainer that is to make room has between SIGTERM and SIGKILL, seconds",
  }),
  TRAINING_MOST_PREEMPTIONS: Type.Integer({
    minimum: 0,
    maximum: 100,
    default: 5,
    description: "A training run that made room so often keeps its place from then on; 0: none makes room",
  }),
  LOCATION_REGION: Type.String({
    minLength: 1,
    maxLength: 64,
    default: "local",
    description:
      "Where control and its stores stand, for residency rules; each gateway declares its own place",
  }),
  LOCATION_OWNER: Type.String({
    minLength: 1,
    maxLength: 64,
    default: "self",
    description: "Who owns the machine of control and its stores, for residency rules",
  }),
  EXPORT_REGION: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 64,
      description: "Where exports and backups go unless the request says otherwise; unset: LOCATION_REGION",
    }),
  ),
  EXPORT_OWNER: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 64,
      description: "Who owns the place that exports and backups go to; unset: LOCATION_OWNER",
    }),
  ),
  CARD_METRICS_URL: Type.Optional(
    Type.String({
      pattern: "^https?://",
      maxLength: 500,
      description:
        "Prometheus with the series of NVIDIA's DCGM exporter, by which idle graphics cards are told; unset: nvidia-smi on this machine (docs/quotas.md)",
    }),
  ),
  CARD_METRICS_SELECTOR: Type.Optional(
    Type.String({
      maxLength: 500,
      description:
        'Labels of this machine\'s cards in it, as PromQL writes them, e.g. Hostname="node-3"; unset: all cards that it has',
    }),
  ),
  CARD_METRICS_TOKEN: Type.Optional(
    secretText("What that Prometheus takes as a bearer token; unset: none is sent"),
  ),
  RAY_ADDRESS: Type.Optional(
    Type.String({
      maxLength: 500,
      description:
        "Ray cluster that training runs with `backend: ray` are jobs of: the URL of its dashboard, https but on this machine; unset: none (docs/training.md)",
    }),
  ),
  RAY_TOKEN: Type.Optional(
    secretText("What the cluster's Jobs API takes as a bearer token; unset: none is sent"),
  ),
  RAY_CA_FILE: Type.Optional(
    Type.String({
      description: "PEM of the authority that signed the cluster's certificate; unset: the system's",
    }),
  ),
  RAY_CONTROL_URL: Type.Optional(
    Type.String({
      maxLength: 500,
      description:
        "URL by which the cluster's machines reach control; needed with RAY_ADDRESS, https but on this machine",
    }),
  ),
  RAY_PYTHON: Type.Optional(
    Type.String({
      maxLength: 10,
      description: "Minor version of the cluster's Python, e.g. 3.12; needed with RAY_ADDRESS",
    }),
  ),
  RAY_REGION: Type.Optional(
    Type.String({
      maxLength: 64,
      description: "Where the cluster stands, for residency rules; needed with RAY_ADDRESS",
    }),
  ),
  RAY_OWNER: Type.Optional(
    Type.String({
      maxLength: 64,
      description: "Who owns the cluster's machines, for residency rules; needed with RAY_ADDRESS",
    }),
  ),
  LOG_LEVEL: Type.Union(
    ["trace", "debug", "info", "warn", "error", "fatal", "silent"].map((level) => Type.Literal(level)),
    { default: "info", description: "Least severe level that is logged" },
  ),
});
export type ControlConfig = Static<typeof ControlConfig>;

/** What control hands to `pip` when it builds a trainer's environment. The trainer itself sees none of it. */
export interface InstallSettings {
  readonly installEnvironment?: Readonly<Record<string, string>>;
}
export type ControlSettings = ControlConfig & InstallSettings;
