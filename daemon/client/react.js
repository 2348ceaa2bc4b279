// A placeholder for the hooks: see react.d.ts.
export {};
