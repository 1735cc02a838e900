export { aCall, type CallOptions, rolesOf, testOrganisation } from "./calls.ts";
export { type FakeClock, fakeClock } from "./fake-clock.ts";
export { namedPlaces } from "./named-places.ts";
export { noRows } from "./no-rows.ts";
export { type AuthorizerQuestion, type TestAuthorizer, testAuthorizer } from "./test-authorizer.ts";
export { openTestDatabase, type TestDatabase, type TestDatabaseOptions } from "./test-database.ts";
