import type { Sql } from "@portolan/kernel";
import { sql } from "kysely";
import type { Gateway } from "./endpoint.ts";

type GatewaysTable = {
  readonly organisation_id: string;
  readonly name: string;
  readonly region: string;
  readonly owner: string;
  readonly declared_at: number;
  readonly declared_by: string;
  readonly account: string | null;
  readonly excluded: readonly string[];
};

type GatewayAccountsTable = {
  readonly organisation_id: string;
  readonly account: string;
  readonly gateway: string;
};

function tables(session: Sql) {
  return session.withTables<{
    "serving.gateways": GatewaysTable;
    "serving.gateway_accounts": GatewayAccountsTable;
  }>();
}

export async function findGateway(
  session: Sql,
  organisationId: string,
  name: string,
): Promise<Gateway | undefined> {
  const row = await tables(session)
    .selectFrom("serving.gateways")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("name", "=", name)
    .executeTakeFirst();
  return row && toGateway(row);
}

/** The one gateway that an account may speak for, if it is or ever was kept to one. */
export async function findGatewayOf(
  session: Sql,
  organisationId: string,
  account: string,
): Promise<Gateway | undefined> {
  const row = await tables(session)
    .selectFrom("serving.gateway_accounts as a")
    .innerJoin("serving.gateways as g", (join) =>
      join.onRef("g.organisation_id", "=", "a.organisation_id").onRef("g.name", "=", "a.gateway"),
    )
    .selectAll("g")
    .where("a.organisation_id", "=", organisationId)
    .where("a.account", "=", account)
    .executeTakeFirst();
  return row && toGateway(row);
}

/** Keeps an account to a gateway for good; the one that it was kept to before stays. */
export async function keepAccount(
  session: Sql,
  organisationId: string,
  account: string,
  gateway: string,
): Promise<void> {
  await tables(session)
    .insertInto("serving.gateway_accounts")
    .values({ organisation_id: organisationId, account, gateway })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

export async function listGateways(session: Sql, organisationId: string): Promise<Gateway[]> {
  const rows = await tables(session)
    .selectFrom("serving.gateways")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .orderBy("name")
    .execute();
  return rows.map(toGateway);
}

export async function saveGateway(session: Sql, organisationId: string, gateway: Gateway): Promise<void> {
  const { name, region, owner, account = null, declaredAt, declaredBy, excluded } = gateway;
  const values = {
    region,
    owner,
    account,
    declared_at: declaredAt,
    declared_by: declaredBy,
    excluded: json<readonly string[]>(excluded),
  };
  await tables(session)
    .insertInto("serving.gateways")
    .values({ organisation_id: organisationId, name, ...values })
    .onConflict((conflict) => conflict.columns(["organisation_id", "name"]).doUpdateSet(values))
    .execute();
}

export async function saveExclusions(
  session: Sql,
  organisationId: string,
  name: string,
  excluded: readonly string[],
): Promise<void> {
  await tables(session)
    .updateTable("serving.gateways")
    .set({ excluded: json<readonly string[]>(excluded) })
    .where("organisation_id", "=", organisationId)
    .where("name", "=", name)
    .execute();
}

function toGateway(row: GatewaysTable): Gateway {
  const { name, region, owner, excluded } = row;
  return {
    name,
    region,
    owner,
    declaredAt: row.declared_at,
    declaredBy: row.declared_by,
    ...(row.account === null ? {} : { account: row.account }),
    excluded: [...excluded],
  };
}

function json<T>(value: unknown) {
  return sql<T>`${JSON.stringify(value)}::jsonb`;
}
