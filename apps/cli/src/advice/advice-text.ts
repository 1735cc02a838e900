import type { FollowedRecommendation, RecommendationList } from "@portolan/advice/contract";

/** For people; the greatest saving first. */
export function adviceText(list: RecommendationList, showsAll: boolean): string {
  const of = (state: FollowedRecommendation["state"]) =>
    list.recommendations.filter((one) => one.state === state);
  const open = of("open");
  const followed = of("followed");
  const dismissed = of("dismissed");
  const head =
    open.length === 0
      ? "Nothing that could cost less was found."
      : list.total
        ? `${counted(open.length, "recommendation")}; in a month ${list.total.expected} (${list.total.low} to ${list.total.high}).`
        : `${counted(open.length, "recommendation")}.`;
  return [
    head,
    ...open.map((one) => `\n${recommendationText(one)}`),
    ...(followed.length > 0
      ? [
          `\nFollowed: ${followed.length}${list.savedSoFar === undefined ? "" : `, which saved ${list.savedSoFar} so far`}.`,
          ...followed.map(followedLine),
        ]
      : []),
    ...(dismissed.length > 0
      ? showsAll
        ? dismissed.map((one) => `\n${recommendationText(one)}`)
        : [`\nDismissed: ${dismissed.length} (--all shows them).`]
      : []),
  ].join("\n");
}

export function recommendationText({ recommendation, state, ...rest }: FollowedRecommendation): string {
  const { id, what, evidence, saves, noSaving, command, changes, subject } = recommendation;
  const amount = saves
    ? `saves ${saves.expected} a month (${saves.low} to ${saves.high})`
    : (noSaving ?? "no saving is stated");
  return [
    `${id}  ${what}  [${subject.environment}]`,
    `  ${amount}`,
    ...evidence.map(({ what: figure, value, from }) => `  - ${figure}: ${value} (${from})`),
    `  Do:      ${command}`,
    `  Changes: ${changes}`,
    ...(state === "dismissed" ? [`  Dismissed by ${rest.dismissedBy ?? "?"}: ${rest.reason ?? ""}`] : []),
  ].join("\n");
}

function followedLine({ recommendation, savesMonthly, savedSoFar }: FollowedRecommendation): string {
  const saved =
    savesMonthly === undefined
      ? "it has no price"
      : `saves ${savesMonthly} a month, ${savedSoFar ?? savesMonthly} so far`;
  return `  ${recommendation.id}  ${recommendation.what}  ${saved}`;
}

function counted(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
