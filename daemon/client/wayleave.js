// A placeholder for the browser client: see wayleave.d.ts.
export class Refused extends Error {}
export class Unknown extends Error {}
export function connect() {
  throw new Error("this build has no client");
}
