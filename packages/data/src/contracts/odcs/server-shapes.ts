import type { YamlNode } from "@portolan/yaml-source";
import { checkMembers, integer, listOf, type Members, matching, type Shape, text } from "./shape.ts";

/** Members of each server type in Open Data Contract Standard v3.1.0; those before the bar are required. */
const serverTypes: Readonly<Record<string, string>> = {
  api: "location |",
  athena: "stagingDir schema | catalog regionName",
  azure: "location format | delimiter",
  bigquery: "project dataset |",
  clickhouse: "host port database |",
  cloudsql: "host port database schema |",
  custom:
    "| account catalog database dataset delimiter endpointUrl format host location path port project region regionName schema serviceName stagingDir warehouse stream",
  databricks: "catalog schema | host",
  db2: "host port database | schema",
  denodo: "host port | database",
  dremio: "host port | schema",
  duckdb: "database | schema",
  glue: "account database | location format",
  hive: "host database | port",
  impala: "host database | port",
  informix: "host database | port",
  kafka: "host | format",
  kinesis: "| region format",
  local: "path format |",
  mysql: "host port database |",
  oracle: "host port serviceName |",
  postgres: "host port database schema |",
  postgresql: "host port database schema |",
  presto: "host | catalog schema",
  pubsub: "project |",
  redshift: "database schema | host region account",
  s3: "location | endpointUrl format delimiter",
  sftp: "location | format delimiter",
  snowflake: "account database schema | host port warehouse",
  sqlserver: "host database schema | port",
  synapse: "host port database |",
  trino: "host port catalog schema |",
  vertica: "host port database schema |",
  zen: "host database | port",
};

/** A server: common members, and those of its type. */
export function serverShape(common: Members, role: Shape): Shape {
  return (node: YamlNode) => {
    if (!node.isMap()) {
      node.report("must be a mapping");
      return;
    }
    const type = node.get("type").oneOf(Object.keys(serverTypes));
    const [required = [], optional = []] = (serverTypes[type ?? "custom"] ?? "|")
      .split("|")
      .map((names) => names.split(" ").filter((name) => name !== ""));
    const own = Object.fromEntries(
      [...required, ...optional].map((name) => [
        name,
        name === "port" ? integer() : name === "location" ? uri : text,
      ]),
    );
    const members = {
      ...common,
      server: text,
      type: text,
      description: text,
      environment: text,
      roles: listOf(role),
      ...own,
    };
    checkMembers(node, members, ["server", "type", ...required]);
  };
}

const uri = matching(/^\S+$/, "Write an address without spaces.");
