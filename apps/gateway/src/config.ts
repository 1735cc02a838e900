import { secretText } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";

/** Settings of a gateway process; generates its part of docs/configuration.md. */
export const GatewayConfig = Type.Object({
  PORTOLAN_HOME: Type.String({
    minLength: 1,
    description: "State folder: snapshot cache, this gateway's prediction log, online features",
  }),
  GATEWAY_HOST: Type.String({
    default: "127.0.0.1",
    description: "Address the gateway listens on; anything but loopback needs TLS",
  }),
  GATEWAY_PORT: Type.Integer({
    minimum: 0,
    maximum: 65535,
    default: 7401,
    description: "TCP port; 0 takes a free one",
  }),
  GRPC_PORT: Type.Integer({
    minimum: -1,
    maximum: 65535,
    default: -1,
    description: "TCP port of the gRPC protocol, on the same address; 0 takes a free one, -1 leaves it off",
  }),
  GATEWAY_NAME: Type.String({
    pattern: "^[a-z0-9][a-z0-9-]{0,40}$",
    default: "gateway",
    description: "Name of this gateway on this machine; names its folders of state, log and keys",
  }),
  GATEWAY_SHARED_PORT: Type.Boolean({
    default: false,
    description:
      "Several gateway processes, each with a GATEWAY_NAME of its own, listen on the same ports; the kernel hands each connection to one of them (Linux, FreeBSD)",
  }),
  GATEWAY_ENVIRONMENTS: Type.String({
    pattern: "^(dev|staging|production)(,(dev|staging|production))*$",
    default: "dev,staging,production",
    description: "Environments that this gateway serves",
  }),
  GATEWAY_ENDPOINTS: Type.String({
    pattern: "^([a-z0-9][a-z0-9-]{0,62}(,[a-z0-9][a-z0-9-]{0,62})*)?$",
    default: "",
    description: "Endpoints that this gateway serves, comma-separated; empty: all of its environments",
  }),
  LOCATION_REGION: Type.String({
    minLength: 1,
    maxLength: 64,
    default: "local",
    description: "Where this gateway stands, for residency rules; it declares it to control",
  }),
  LOCATION_OWNER: Type.String({
    minLength: 1,
    maxLength: 64,
    default: "self",
    description: "Who owns the machine that this gateway runs on, for residency rules",
  }),
  INSIDE_NETWORKS: Type.Optional(
    Type.String({
      description:
        "Addresses and networks whose callers are inside, separated by commas, or `none`; answers to all others are egress; unset: this machine, private, shared and link-local networks",
    }),
  ),
  CONTROL_URL: Type.String({
    default: "http://127.0.0.1:7400",
    description: "Where control answers; https unless it is on this machine",
  }),
  CONTROL_TOKEN: Type.Optional(secretText("API key or token of this gateway's service account")),
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
  TRACES_URL: Type.Optional(
    Type.String({
      pattern: "^https?://",
      description:
        "Where spans go by OTLP over HTTP, such as http://127.0.0.1:4318/v1/traces; unset: nowhere",
    }),
  ),
  TRACES_TOKEN: Type.Optional(
    secretText("Bearer token for the collector; needs https unless it is on this machine"),
  ),
  TRACES_SAMPLE: Type.Number({
    minimum: 0,
    maximum: 1,
    default: 0.01,
    description:
      "Share of requests whose spans are kept where the caller's traceparent does not decide; faults always are",
  }),
  ACCESS_LOG: Type.Optional(
    Type.String({
      minLength: 1,
      description:
        "File that gets a line of JSON for each prediction and refusal, `-` for standard output; it may be renamed at any time; unset: none (the prediction log has them all)",
    }),
  ),
  TLS_CERT_FILE: Type.Optional(
    Type.String({ description: "PEM certificate chain; required on a non-loopback address" }),
  ),
  TLS_KEY_FILE: Type.Optional(Type.String({ description: "PEM private key of the certificate" })),
  MODELS_MEMORY: Type.Integer({
    minimum: 0,
    default: 0,
    description:
      "MiB of memory that loaded models may take together, by what was measured when they were registered or else twice their files; beyond it the least recently used sleep, and one that needs more by itself is refused; 0: no bound",
  }),
  MODELS_IDLE_S: Type.Integer({
    minimum: 0,
    default: 0,
    description: "Seconds without a request after which a model sleeps until the next one; 0: never",
  }),
  WORKER_THREADS: Type.Integer({
    minimum: 0,
    maximum: 1024,
    default: 0,
    description:
      "Most threads or runner processes of one model; 0 takes the processors less one, at least one",
  }),
  RUNNER_MEMORY: Type.Integer({
    minimum: 64,
    default: 2048,
    description: "Resident MiB beyond which a runner process is killed",
  }),
  LOG_BUDGET: Type.Integer({
    minimum: 0,
    default: 0,
    description:
      "MiB that the prediction log may take on disk, at least 32; near it payloads are dropped first, then requests refused; 0: the disk",
  }),
  LOG_ADOPT: Type.String({
    pattern: "^([a-z0-9][a-z0-9-]{0,40}(,[a-z0-9][a-z0-9-]{0,40})*)?$",
    default: "",
    description:
      "Names of gateways of this state folder that do not come back, comma-separated: this one closes their prediction logs and delivers them",
  }),
  DRAIN_MS: Type.Integer({
    minimum: 0,
    default: 10_000,
    description: "Longest wait for open requests at shutdown",
  }),
  SPIFFE_TRUST_BUNDLE_FILE: Type.Optional(
    Type.String({
      description:
        "PEM of the authorities whose client certificates (X.509-SVIDs) count; read again when it changes",
    }),
  ),
  SPIFFE_TRUST_DOMAIN: Type.Optional(
    Type.String({
      pattern: "^[a-z0-9._-]{1,255}$",
      description: "Trust domain of the bundle, `example.org`; required with it",
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
  LIMITS_FAILED_CREDENTIALS: Type.Number({
    minimum: 0,
    default: 2,
    description:
      "Failed token signatures a second and source address, fifty times as many at once; beyond it unknown tokens are refused unread; 0: unlimited",
  }),
  LIMITS_EXTRACTION: Type.Union(
    ["off", "flag", "slow", "block"].map((action) => Type.Literal(action)),
    {
      default: "flag",
      description:
        "What is done about clients whose queries look like the copying of a model: nobody watches, they are put on record, get a tenth of their limits for an hour, or are refused for an hour",
    },
  ),
  DRIFT_FLUSH_S: Type.Integer({
    minimum: 1,
    maximum: 300,
    default: 30,
    description: "Seconds between deliveries of drift counts to control; a `kill -9` loses no more than that",
  }),
  DRIFT_LAG_MS: Type.Integer({
    minimum: 0,
    maximum: 10_000,
    default: 50,
    description:
      "Delay of the event loop (p99 of a second) beyond which only a part of the requests is counted for drift; 0: all are, always",
  }),
  LIMITS_EXTRACTION_WINDOW: Type.Integer({
    minimum: 50,
    maximum: 5000,
    default: 250,
    description:
      "Queries of a client that are compared with the benign at a time; forty times as many are learnt from",
  }),
  LIMITS_EXTRACTION_QUERIES: Type.Optional(
    Type.Integer({
      minimum: 1,
      description:
        "Rows a day that are more than any honest client asks one endpoint; unset: there is no such number",
    }),
  ),
  LIMITS_REDIS_URL: Type.Optional(
    secretText(
      "Redis or Valkey in which gateways count limits together, `redis://` or `rediss://`; unset: each counts alone",
    ),
  ),
  LIMITS_REDIS_CA_FILE: Type.Optional(
    Type.String({ description: "PEM of the authority that signed its certificate; unset: the system's" }),
  ),
  FEATURES_REDIS_URL: Type.Optional(
    secretText(
      "Redis or Valkey that holds the online features, `redis://` or `rediss://`, as control has it; unset: they are read from the state folder",
    ),
  ),
  FEATURES_REDIS_CA_FILE: Type.Optional(
    Type.String({ description: "PEM of the authority that signed its certificate; unset: the system's" }),
  ),
  FEATURES_TIMEOUT_MS: Type.Integer({
    minimum: 1,
    maximum: 10_000,
    default: 50,
    description:
      "Longest wait for that store, milliseconds; what it has not said by then is unavailable, and the charter says what stands in",
  }),
  LIMITS_LEASE_MS: Type.Integer({
    minimum: 10,
    maximum: 10_000,
    default: 100,
    description:
      "One lease: milliseconds of a ceiling that a gateway may run ahead of the others; also the longest wait for the store",
  }),
  LIMITS_GATEWAYS: Type.Integer({
    minimum: 1,
    maximum: 10_000,
    default: 1,
    description:
      "Gateway processes among which limits are divided when they cannot be counted together, if no more were heard of",
  }),
  LOG_LEVEL: Type.Union(
    ["trace", "debug", "info", "warn", "error", "fatal", "silent"].map((level) => Type.Literal(level)),
    { default: "info", description: "Least severe level that is logged" },
  ),
});
export type GatewayConfig = Static<typeof GatewayConfig>;
