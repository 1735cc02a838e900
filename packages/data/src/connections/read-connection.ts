import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type Environment, messageOf, PortolanError, Secret } from "@portolan/kernel";
import type { DataErrorCode } from "../errors.ts";
import {
  type ConnectionFile,
  connectionShapes,
  type KafkaFile,
  type PostgresqlFile,
  type TlsFiles,
} from "./connection-file.ts";

/** PEM texts; empty: what the system trusts. */
export interface TlsMaterial {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: Secret;
}

/** How to reach a Kafka cluster, with credentials in memory. */
export interface KafkaConnection {
  readonly brokers: readonly string[];
  readonly tls?: TlsMaterial;
  readonly sasl?: {
    readonly mechanism: "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512";
    readonly username: string;
    readonly password: Secret;
  };
}

/** How to reach a PostgreSQL database, and how much of it may be taken at once. */
export interface PostgresqlConnection {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password?: Secret;
  readonly tls?: TlsMaterial;
  readonly maxRows: number;
  readonly maxBytes: number;
  readonly statementTimeoutMs: number;
}

/** Where the operator keeps the files of connections, and who hears why one was refused: callers do not. */
export interface ConnectionFolder {
  readonly path: string;
  onRefused(name: string, why: string): void;
}

/** For whose work a connection is to be used, by ids. */
export interface ConnectionUse {
  readonly organisationId: string;
  readonly environment: Environment;
  readonly useCaseId?: string;
}

/**
 * Reads `<folder>/<name>.json` for one topic. Whoever may bring data in chooses the name of a connection and of a topic, and must neither get at
 * another's systems nor at more of them than the operator listed. The refusal is the same whether there is no such file or it is another's.
 *
 * @throws PortolanError `data.connection_unusable`
 */
export async function readKafkaConnection(
  folder: ConnectionFolder | undefined,
  name: string,
  topic: string,
  use: ConnectionUse,
): Promise<KafkaConnection> {
  const file = await readFileOf(folder, name, "kafka", use);
  if (!lists(file.topics, topic)) throw unusable(folder, name, `it does not list the topic ${topic}`);
  const at = { folder, name };
  return {
    brokers: file.brokers,
    ...(file.tls ? { tls: await tlsMaterial(at, file.tls) } : {}),
    ...(file.sasl
      ? {
          sasl: {
            mechanism: file.sasl.mechanism,
            username: file.sasl.username,
            password: await secretOf(at, file.sasl.passwordFile),
          },
        }
      : {}),
  };
}

/** The same for one table or view, `schema.name`. */
export async function readPostgresqlConnection(
  folder: ConnectionFolder | undefined,
  name: string,
  relation: string,
  use: ConnectionUse,
): Promise<PostgresqlConnection> {
  const file = await readFileOf(folder, name, "postgresql", use);
  if (!lists(file.relations, relation)) throw unusable(folder, name, `it does not list ${relation}`);
  const at = { folder, name };
  return {
    host: file.host,
    port: file.port ?? 5432,
    database: file.database,
    user: file.user,
    ...(file.passwordFile === undefined ? {} : { password: await secretOf(at, file.passwordFile) }),
    ...(file.tls ? { tls: await tlsMaterial(at, file.tls) } : {}),
    maxRows: file.maxRows ?? 100_000_000,
    maxBytes: file.maxBytes ?? 64 * 2 ** 30,
    statementTimeoutMs: (file.statementTimeoutSeconds ?? 1800) * 1000,
  };
}

/** One connection of a folder. */
interface Named {
  readonly folder: ConnectionFolder | undefined;
  readonly name: string;
}

async function readFileOf<K extends "kafka" | "postgresql">(
  folder: ConnectionFolder | undefined,
  name: string,
  kind: K,
  use: ConnectionUse,
): Promise<K extends "kafka" ? KafkaFile : PostgresqlFile> {
  // Names come from callers: none may lead to another folder.
  if (folder === undefined || !/^[a-z][a-z0-9-]{0,62}$/.test(name))
    throw unusable(folder, name, "there is no folder DATA_CONNECTIONS, or the name cannot be a file's");
  const text = await readFile(join(folder.path, `${name}.json`), "utf8").catch(() => undefined);
  if (text === undefined) throw unusable(folder, name, "there is no such file");
  const value = parsed(text);
  if (!connectionShapes[kind].Check(value))
    throw unusable(folder, name, `it is no connection of kind ${kind}`);
  const mismatch = mismatchOf(value, use);
  if (mismatch !== undefined) throw unusable(folder, name, mismatch);
  return value as K extends "kafka" ? KafkaFile : PostgresqlFile;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function mismatchOf(file: ConnectionFile, use: ConnectionUse): string | undefined {
  if (file.organisation !== use.organisationId) return `it is not for the organisation ${use.organisationId}`;
  if (file.environments && !file.environments.includes(use.environment))
    return `it is not for ${use.environment}`;
  if (file.useCases && (use.useCaseId === undefined || !file.useCases.includes(use.useCaseId)))
    return `it is not for ${use.useCaseId ?? "work without a use case"}`;
  return undefined;
}

/** Whether a list of names, some of them with a star at their end, holds one. Pure. */
function lists(names: readonly string[], wanted: string): boolean {
  return names.some((name) => (name.endsWith("*") ? wanted.startsWith(name.slice(0, -1)) : name === wanted));
}

async function tlsMaterial(at: Named, files: TlsFiles): Promise<TlsMaterial> {
  const read = async (path: string): Promise<string> => (await secretOf(at, path)).reveal();
  return {
    ...(files.caFile === undefined ? {} : { ca: await read(files.caFile) }),
    ...(files.certFile === undefined ? {} : { cert: await read(files.certFile) }),
    ...(files.keyFile === undefined ? {} : { key: await secretOf(at, files.keyFile) }),
  };
}

/** Read at each use, so that a rotated credential is used from the next connection on. */
async function secretOf(at: Named, path: string): Promise<Secret> {
  try {
    return new Secret((await readFile(resolve(at.folder?.path ?? "", path), "utf8")).replace(/\r?\n$/, ""));
  } catch (error) {
    throw unusable(at.folder, at.name, `a file that it names cannot be read: ${messageOf(error)}`);
  }
}

function unusable(
  folder: ConnectionFolder | undefined,
  name: string,
  why: string,
): PortolanError<DataErrorCode> {
  folder?.onRefused(name.slice(0, 63), why);
  return new PortolanError<DataErrorCode>("data.connection_unusable", {
    detail: `the connection ${name.slice(0, 63)} cannot be used for this`,
    mend: "Have the operator see docs/data-sources.md: its file states organisation, use cases, environments, and which topics or tables may be read.",
  });
}
