import { type YamlNode, YamlSource } from "@portolan/yaml-source";
import type { DataContract } from "./contract-model.ts";
import { contractYaml } from "./read-contract.ts";

/** What a contract could say and does not: nothing is refused for it. In sentences. Pure. */
export function adviseContract(contract: DataContract): string[] {
  const { team, support, version, primaryKey, eventTime, batchRules, freshnessMs, retentionMs } = contract;
  const reachable = support.some(({ url }) => url !== undefined);
  return [
    ...(team.some(({ dateOut }) => dateOut === undefined)
      ? []
      : ["nobody of the team is there: no one owns what goes wrong"]),
    ...(support.length === 0 ? ["there is no support channel: nobody is told of a refused batch"] : []),
    ...(support.length > 0 && !reachable
      ? ["no support channel has a url: notices are kept, and sent nowhere"]
      : []),
    ...(/^\d+\.\d+\.\d+$/.test(version) ? [] : ["the version is none of Semantic Versioning: 1.2.3"]),
    ...(primaryKey.length === 0 ? ["there is no primary key: repeated rows are accepted"] : []),
    ...(eventTime === undefined
      ? ["there is no event time: rows have no order, and no age is judged"]
      : freshnessMs === undefined
        ? ["there is no freshness: a batch of any age is published"]
        : []),
    ...batchRules
      .filter(({ answersRows }) => answersRows)
      .map(
        ({ name }) =>
          `the rule ${name} has the unit percent: its query answers a number of rows, and their share of the accepted rows is judged`,
      ),
    ...(retentionMs === undefined ? ["there is no retention: data is kept for good"] : []),
  ];
}

/**
 * What a document states and nothing here enforces, in sentences: relationships, for a contract holds one table and a batch is judged without others. Pure.
 *
 * @param text a document that is a contract
 */
export function unenforcedOf(text: string, file: string): string[] {
  const [table] = new YamlSource(text, contractYaml, file).root.get("schema").items();
  if (!table) return [];
  const own = table.get("relationships").items();
  const ofColumns = table
    .get("properties")
    .items()
    .flatMap((property) =>
      property
        .get("relationships")
        .items()
        .map((one) => `${property.get("name").text() ?? "a column"} to ${namesIn(one.get("to"))}`),
    );
  return [...own.map((one) => `${namesIn(one.get("from"))} to ${namesIn(one.get("to"))}`), ...ofColumns].map(
    (what) =>
      `the relationship from ${what} is not enforced: rows without a counterpart are accepted. List what is valid (validValues) where that is enough`,
  );
}

function namesIn(node: YamlNode): string {
  const listed = node.items().map((item) => item.text() ?? "");
  return listed.length > 0 ? listed.join(", ") : (node.text() ?? "");
}
