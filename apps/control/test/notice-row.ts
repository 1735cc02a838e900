/** A notice of production that nobody was sent. */
export function noticeRow(ingestion: string, organisation: string, now: number): [string, unknown[]] {
  const event = JSON.stringify({
    specversion: "1.0",
    id: "n",
    source: "s",
    type: "t",
    subject: "i",
    time: "t",
    datacontenttype: "application/json",
    data: {
      contract: "visits",
      version: "1.0.0",
      environment: "production",
      ingestion,
      people: [],
      reasons: [],
    },
  });
  return [
    `insert into data.notices (id, organisation_id, contract, contract_version, environment, ingestion_id, kind, people, state, event, created_at)
       values ('ntc_1', $1, 'visits', '1.0.0', 'production', $2, 'refused', '[]', 'kept', $3, $4)`,
    [organisation, ingestion, event, now],
  ];
}
