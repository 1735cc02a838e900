/** What we use of TypeBox. `typebox.js` beside it is this, bundled (docs/adr/0115); the types come from here. */
export {
  type Static,
  type TArray,
  type TEnum,
  type TObject,
  type TProperties,
  type TSchema,
  type TString,
  type TUnsafe,
  Type,
} from "typebox";
export { Compile } from "typebox/compile";
export { Value } from "typebox/value";
