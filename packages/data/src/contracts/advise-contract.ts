import type { DataContract } from "./contract-model.ts";

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
