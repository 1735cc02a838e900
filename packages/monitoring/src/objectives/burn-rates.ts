/** When an error budget of thirty days burns too fast (Google, The Site Reliability Workbook, chapter 5): both windows must. */
export const burnRates = [
  { severity: "page", rate: "14.4", long: "1h", short: "5m", budget: "2 % of the budget within an hour" },
  { severity: "page", rate: "6", long: "6h", short: "30m", budget: "5 % within six hours" },
  { severity: "ticket", rate: "3", long: "1d", short: "2h", budget: "10 % within a day" },
  { severity: "ticket", rate: "1", long: "3d", short: "6h", budget: "10 % within three days" },
] as const;

export const budgetDays = 30;

/** Every window that a burn rate looks at, and the budget's own. */
export const ratioWindows = ["5m", "30m", "1h", "2h", "6h", "1d", "3d", `${budgetDays}d`] as const;
