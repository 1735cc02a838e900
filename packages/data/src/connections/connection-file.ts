import { environments } from "@portolan/kernel";
import { Compile, type Static, Type } from "@portolan/typebox";

const Ids = Type.Array(Type.String({ minLength: 1, maxLength: 64 }), { maxItems: 1000 });
const Path = Type.String({ minLength: 1, maxLength: 1000 });

/** Who may use a connection, by ids. */
const reach = {
  organisation: Type.String({ minLength: 1, maxLength: 64 }),
  /** Absent: all of the organisation's work. */
  useCases: Type.Optional(Ids),
  /** Absent: all. */
  environments: Type.Optional(Type.Array(Type.Enum([...environments]))),
  /** Whether lineage names its tables or topics by its address, for all who may see them there; absent: by the connection's name. */
  publishAddress: Type.Optional(Type.Boolean()),
};

/** Paths are absolute, or relative to the folder of the connection's file. An empty object: TLS as the system trusts it. */
const Tls = Type.Object(
  { caFile: Type.Optional(Path), certFile: Type.Optional(Path), keyFile: Type.Optional(Path) },
  { additionalProperties: false },
);

const Kafka = Type.Object(
  {
    kind: Type.Literal("kafka"),
    ...reach,
    brokers: Type.Array(Type.String({ pattern: "^[A-Za-z0-9._-]{1,253}:[0-9]{1,5}$" }), {
      minItems: 1,
      maxItems: 20,
    }),
    /** Names of topics that may be read; `orders.*` at an end stands for all that begin so. */
    topics: Type.Array(Type.String({ pattern: "^[A-Za-z0-9._-]{1,249}\\*?$" }), {
      minItems: 1,
      maxItems: 1000,
    }),
    tls: Type.Optional(Tls),
    sasl: Type.Optional(
      Type.Object(
        {
          mechanism: Type.Enum(["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]),
          username: Type.String({ minLength: 1, maxLength: 200 }),
          passwordFile: Path,
        },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
);

const Postgresql = Type.Object(
  {
    kind: Type.Literal("postgresql"),
    ...reach,
    host: Type.String({ minLength: 1, maxLength: 253 }),
    /** 5432 where nothing is said. */
    port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_535 })),
    database: Type.String({ minLength: 1, maxLength: 63 }),
    user: Type.String({ minLength: 1, maxLength: 63 }),
    passwordFile: Type.Optional(Path),
    tls: Type.Optional(Tls),
    /** Tables and views that may be read, as `schema.name`; `reporting.*` stands for all of a schema. */
    relations: Type.Array(Type.String({ pattern: "^[^.*]{1,63}\\.([^.*]{1,63}|\\*)$" }), {
      minItems: 1,
      maxItems: 1000,
    }),
    /** What has more rows is not read at all: a hundred million where nothing is said. */
    maxRows: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000_000_000 })),
    /** As JSON lines; 64 GiB where nothing is said. */
    maxBytes: Type.Optional(Type.Integer({ minimum: 1, maximum: 2 ** 45 })),
    /** Half an hour where nothing is said. */
    statementTimeoutSeconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 86_400 })),
  },
  { additionalProperties: false },
);

export type KafkaFile = Static<typeof Kafka>;
export type PostgresqlFile = Static<typeof Postgresql>;
export type ConnectionFile = KafkaFile | PostgresqlFile;
export type TlsFiles = Static<typeof Tls>;

export const connectionShapes = { kafka: Compile(Kafka), postgresql: Compile(Postgresql) };
