/** The version of this package, written into the files that it makes. */
export const version = "0.1.0";
