/** Version of the software in the claims; equal to package.json (tested). A bundle has no package.json to read. */
export const softwareVersion = "0.1.0";
